using System.Runtime.Versioning;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace CVault.Sdk.Tunnel.Linux;

/// <summary>How the system is told of a tunnel's DNS servers.</summary>
internal enum DnsWay
{
    None,
    Resolvconf,
    Resolved,
    File,
}

/// <summary>
/// What was done for a tunnel, so that any program can undo it and count on. Written before it is done, in a file that only
/// root can read, gone with the machine's reboot as the tunnel is. No secret in it.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed record LinuxState
{
    /// <summary>Number of the routing table, and the mark of WireGuard's own packets. No other tunnel's while this file is there.</summary>
    public uint Table { get; init; }

    /// <summary>Rules lead to the table: only then may they be removed.</summary>
    public bool Rules { get; init; }

    /// <summary>The server, ADDRESS:PORT.</summary>
    public string Endpoint { get; init; } = "";

    /// <summary>A kill switch is wanted: one that another program removes is loaded again.</summary>
    public bool KillSwitch { get; init; }

    public DnsWay Dns { get; init; }

    /// <summary>src_valid_mark was 0 before, and this tunnel is to put it back.</summary>
    public bool SetSrcValidMark { get; init; }

    /// <summary>Bytes that were counted before the peer was last added again, which starts its counters at zero.</summary>
    public long RxBefore { get; init; }

    /// <inheritdoc cref="RxBefore"/>
    public long TxBefore { get; init; }

    /// <summary>What was done for the tunnels of other names, with its files.</summary>
    public static async Task<List<(string Path, LinuxState State)>> ReadOthersAsync(LinuxPaths paths, string interfaceName, CancellationToken cancellation)
    {
        var others = new List<(string, LinuxState)>();
        foreach (var path in Directory.EnumerateFiles(paths.Run, "*.json").Where(p => p != paths.State(interfaceName)))
        {
            if (await ReadAsync(path, cancellation).ConfigureAwait(false) is { } state) others.Add((path, state));
        }

        return others;
    }

    public static async Task<LinuxState?> ReadAsync(string path, CancellationToken cancellation)
    {
        try
        {
            return JsonSerializer.Deserialize(await File.ReadAllTextAsync(path, cancellation).ConfigureAwait(false), StateJson.Default.LinuxState);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or JsonException)
        {
            return null;
        }
    }

    public async Task WriteAsync(string path, CancellationToken cancellation)
    {
        var file = new FileStream(path + ".new", new FileStreamOptions
        {
            Mode = FileMode.Create, Access = FileAccess.Write, Share = FileShare.None, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        await using (file.ConfigureAwait(false))
        {
            await JsonSerializer.SerializeAsync(file, this, StateJson.Default.LinuxState, cancellation).ConfigureAwait(false);
        }

        File.Move(path + ".new", path, overwrite: true);
    }
}

[SupportedOSPlatform("linux")]
[JsonSourceGenerationOptions(UseStringEnumConverter = true)]
[JsonSerializable(typeof(LinuxState))]
internal sealed partial class StateJson : JsonSerializerContext;
