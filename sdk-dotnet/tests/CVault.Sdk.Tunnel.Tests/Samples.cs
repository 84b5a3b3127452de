using System.Runtime.Versioning;

// Files have modes here, as the library's do on Linux; Windows has no part in these tests.
[assembly: SupportedOSPlatform("linux")]

namespace CVault.Sdk.Tunnel.Tests;

internal static class Samples
{
    // Keys that no other text of these tests has a part of.
    public const string PrivateKey = "SKqV4iVVWkRBQGkVWpZDgWVmXqWCJvYmC0sCANARYWo=";
    public const string PresharedKey = "FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=";
    public const string PublicKey = "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=";

    public const string Config = $"""
        [Interface]
        PrivateKey = {PrivateKey}
        Address = 10.8.0.2/32, fd8c:7a11:1::2/128
        DNS = 198.51.100.2
        MTU = 1420

        [Peer]
        PublicKey = {PublicKey}
        PresharedKey = {PresharedKey}
        AllowedIPs = 0.0.0.0/0, ::/0
        Endpoint = 203.0.113.7:51820
        PersistentKeepalive = 25

        """;

    /// <summary>The sample with one line replaced, by the key that it starts with; null removes it.</summary>
    public static string With(string key, string? line) =>
        string.Join('\n', Config.Split('\n').Select(l => l.StartsWith(key + " ", StringComparison.Ordinal) ? line : l).Where(l => l is not null));

    public static void HasNoSecret(string? text)
    {
        Assert.DoesNotContain(PrivateKey, text ?? "", StringComparison.Ordinal);
        Assert.DoesNotContain(PresharedKey, text ?? "", StringComparison.Ordinal);
    }
}
