using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace CVault.Sdk;

/// <summary>How everything on the wire is read and written: by generated code, which trimming and AOT leave alone.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TokensAnswer))]
[JsonSerializable(typeof(Outcome))]
[JsonSerializable(typeof(Device))]
[JsonSerializable(typeof(DevicePage))]
[JsonSerializable(typeof(RegisteredDevice))]
[JsonSerializable(typeof(RemovedDevice))]
[JsonSerializable(typeof(RotatedKey))]
[JsonSerializable(typeof(DeviceConfig))]
[JsonSerializable(typeof(ServerPage))]
[JsonSerializable(typeof(VpnConnection))]
[JsonSerializable(typeof(VpnDisconnection))]
[JsonSerializable(typeof(VpnStatus))]
[JsonSerializable(typeof(User))]
[JsonSerializable(typeof(UserPage))]
[JsonSerializable(typeof(RemovedUser))]
[JsonSerializable(typeof(UsageReport))]
[JsonSerializable(typeof(BillingAccount))]
[JsonSerializable(typeof(Statement))]
[JsonSerializable(typeof(Invoice))]
[JsonSerializable(typeof(InvoicePage))]
[JsonSerializable(typeof(ExportLine))]
[JsonSerializable(typeof(Me))]
[JsonSerializable(typeof(Member))]
[JsonSerializable(typeof(MemberPage))]
[JsonSerializable(typeof(Invitation))]
[JsonSerializable(typeof(InvitationPage))]
[JsonSerializable(typeof(ApiKey))]
[JsonSerializable(typeof(NewApiKey))]
[JsonSerializable(typeof(ApiKeyPage))]
[JsonSerializable(typeof(TenantSettings))]
[JsonSerializable(typeof(IdentityProvider))]
[JsonSerializable(typeof(DashboardStats))]
[JsonSerializable(typeof(DashboardUsage))]
[JsonSerializable(typeof(ActivityPage))]
[JsonSerializable(typeof(CVaultSession))]
[JsonSerializable(typeof(JsonObject))]
[JsonSerializable(typeof(EmailAndPassword))]
[JsonSerializable(typeof(OneTimeToken))]
[JsonSerializable(typeof(IdToken))]
[JsonSerializable(typeof(ExternalUser))]
[JsonSerializable(typeof(RefreshTokenBody))]
[JsonSerializable(typeof(PasswordChange))]
[JsonSerializable(typeof(EmailBody))]
[JsonSerializable(typeof(PasswordReset))]
[JsonSerializable(typeof(NewDevice))]
[JsonSerializable(typeof(NewKey))]
[JsonSerializable(typeof(NewConnection))]
[JsonSerializable(typeof(WhichDevice))]
[JsonSerializable(typeof(NewTenant))]
[JsonSerializable(typeof(NewRole))]
[JsonSerializable(typeof(NewInvitation))]
[JsonSerializable(typeof(KeyToMake))]
[JsonSerializable(typeof(KeyChange))]
[JsonSerializable(typeof(Overlap))]
internal sealed partial class Json : JsonSerializerContext;

// Bodies of requests. Classes, not records: a record's ToString would print what it holds.
internal sealed class EmailAndPassword(string email, string password)
{
    public string Email => email;
    public string Password => password;
}

internal sealed class OneTimeToken(string token)
{
    public string Token => token;
}

internal sealed class IdToken(string idToken)
{
    [JsonPropertyName("id_token")]
    public string Value => idToken;
}

internal sealed class ExternalUser(string externalUserId, string? email)
{
    public string ExternalUserId => externalUserId;
    public string? Email => email;
}

internal sealed class RefreshTokenBody(string refreshToken)
{
    public string RefreshToken => refreshToken;
}

internal sealed class PasswordChange(string currentPassword, string newPassword)
{
    public string CurrentPassword => currentPassword;
    public string NewPassword => newPassword;
}

internal sealed class EmailBody(string email)
{
    public string Email => email;
}

internal sealed class PasswordReset(string token, string password)
{
    public string Token => token;
    public string Password => password;
}

internal sealed class NewDevice(string deviceName, string? publicKey, string? serverRegion)
{
    public string DeviceName => deviceName;
    public string? PublicKey => publicKey;
    public string? ServerRegion => serverRegion;
}

internal sealed class NewKey(string? publicKey)
{
    public string? PublicKey => publicKey;
}

internal sealed class NewConnection(Guid deviceId, string? serverRegion)
{
    public Guid DeviceId => deviceId;
    public string? ServerRegion => serverRegion;
}

internal sealed class WhichDevice(Guid? deviceId)
{
    public Guid? DeviceId => deviceId;
}

internal sealed class NewTenant(string businessName, string email, string password)
{
    public string BusinessName => businessName;
    public string Email => email;
    public string Password => password;
}

internal sealed class NewRole(string role)
{
    public string Role => role;
}

internal sealed class NewInvitation(string email, string role)
{
    public string Email => email;
    public string Role => role;
}

internal sealed class KeyToMake(string kind, string? name, int? expiresInDays, IReadOnlyList<string>? allowedOrigins)
{
    public string Kind => kind;
    public string? Name => name;
    public int? ExpiresInDays => expiresInDays;
    public IReadOnlyList<string>? AllowedOrigins => allowedOrigins;
}

internal sealed class KeyChange(string? name, IReadOnlyList<string>? allowedOrigins)
{
    public string? Name => name;
    public IReadOnlyList<string>? AllowedOrigins => allowedOrigins;
}

internal sealed class Overlap(int? overlapSeconds)
{
    public int? OverlapSeconds => overlapSeconds;
}

/// <summary>Whatever signs somebody in answers some of this.</summary>
internal sealed class TokensAnswer
{
    public Guid? UserId { get; set; }
    public Guid? MemberId { get; set; }
    public Guid? TenantId { get; set; }
    public string? AccessToken { get; set; }
    public string? RefreshToken { get; set; }

    /// <summary>Seconds.</summary>
    public int? ExpiresIn { get; set; }

    /// <summary>Where nobody was signed in.</summary>
    public string? Status { get; set; }
    public string? ApiKey { get; set; }
    public string? ApiSecret { get; set; }
    public string? PublishableKey { get; set; }
    public bool? EmailVerified { get; set; }

    /// <summary>Half a login would take the place of a good one.</summary>
    public bool IsLogin => (UserId ?? MemberId) is not null && !string.IsNullOrEmpty(AccessToken) && !string.IsNullOrEmpty(RefreshToken) && ExpiresIn is not null;

    /// <summary>The answer that a body is.</summary>
    public static TokensAnswer Read(byte[] body, Func<TokensAnswer, bool> isWhole) =>
        JsonSerializer.Deserialize(body, Json.Default.TokensAnswer) is { } answer && isWhole(answer) ? answer : throw new JsonException("no tokens");
}
