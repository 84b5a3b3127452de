using CVault.Servers;

namespace CVault.Devices;

/// <summary>The config file that a device runs with, as <c>wg-quick(8)</c> and the WireGuard apps read it.</summary>
public static class WireGuardConfig
{
    /// <summary>What stands in place of a private key that CVault never had; the SDK or the user puts in theirs.</summary>
    public const string PrivateKeyLine = "# PrivateKey = <this device's own private key>";

    /// <param name="privateKey">Base64; null when the client made it.</param>
    public static string Render(Server server, DeviceHome home, string? privateKey, string presharedKey) => $"""
        [Interface]
        {(privateKey is null ? PrivateKeyLine : "PrivateKey = " + privateKey)}
        Address = {home.Address}/32, {home.Address6}/128
        DNS = {string.Join(", ", server.Dns)}
        MTU = 1420

        [Peer]
        PublicKey = {server.PublicKey}
        PresharedKey = {presharedKey}
        AllowedIPs = 0.0.0.0/0, ::/0
        Endpoint = {server.Endpoint}
        PersistentKeepalive = 25

        """.ReplaceLineEndings("\n");
}
