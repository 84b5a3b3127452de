using CVault.Sdk;

namespace CVault.Client;

/// <summary><c>settings.json</c>: which API, and what the user chose.</summary>
/// <param name="ApiKey">Publishable, so an app may hold it.</param>
/// <param name="CheckUrl">A page that answers with the caller's address; null: none is asked.</param>
/// <param name="Region">The one last connected to.</param>
public sealed record Settings(Uri ApiUrl, string ApiKey, Uri? CheckUrl, string? Region = null, bool AutoConnect = false, bool KillSwitch = false)
{
    public const string File = "settings.json";

    /// <summary>Enough of the key to know it by.</summary>
    public string ApiKeyHint => ApiKey.Length > 12 ? ApiKey[..8] + "…" + ApiKey[^4..] : "cvp_…";

    public override string ToString() => nameof(Settings);
}

/// <summary><c>device.json</c>: which of the user's devices this computer is. Its keys are not kept: the config is fetched for each connect.</summary>
public sealed record ThisDevice(Guid UserId, Guid DeviceId)
{
    public const string File = "device.json";
}

/// <summary><c>connection.json</c>: what was connected to, for whoever asks while the tunnel is there.</summary>
/// <param name="Server">Address of the VPN server.</param>
/// <param name="AssignedIp">This device's address inside the tunnel.</param>
public sealed record Connection(Guid SessionId, Guid DeviceId, string Region, string Server, string AssignedIp, DateTimeOffset Since, bool KillSwitch)
{
    public const string File = "connection.json";
}

/// <summary><c>session.json</c>: the login. Whoever reads the file is the user, so only its owner may.</summary>
public sealed class FileTokenStore(ClientFolder folder) : ITokenStore
{
    private const string Name = "session.json";

    public ValueTask<CVaultSession?> GetAsync(CancellationToken cancellationToken = default) => new(folder.Read<CVaultSession>(Name));

    public ValueTask SetAsync(CVaultSession session, CancellationToken cancellationToken = default)
    {
        folder.Write(Name, session);
        return default;
    }

    public ValueTask ClearAsync(CancellationToken cancellationToken = default)
    {
        folder.Delete(Name);
        return default;
    }
}
