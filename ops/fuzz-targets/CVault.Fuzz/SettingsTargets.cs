using System.Security.Cryptography;
using System.Text;
using CVault.Api;
using CVault.Mail;
using Microsoft.Extensions.Configuration;

namespace CVault.Fuzz;

/// <summary>What the environment gives: no stranger's, but a process that starts with half of it, or dies without a word, is a night's work.</summary>
public static class SettingsTargets
{
    /// <summary>Those that are read; no other gets through, above all no file's name.</summary>
    private static readonly string[] Names =
    [
        "CVAULT_DATABASE_URL", "CVAULT_API_PORT", "CVAULT_PUBLIC_URL", "CVAULT_OPERATOR_TOKEN", "CVAULT_MASTER_KEY", "CVAULT_MASTER_KEY_PREVIOUS", "CVAULT_LEASE_QUARANTINE",
        "CVAULT_SMTP_URL", "CVAULT_MAIL_FROM", "CVAULT_PORTAL_URL", "CVAULT_TRUSTED_PROXIES", "CVAULT_AUTH_PER_ADDRESS", "CVAULT_METER_INTERVAL",
    ];

    private const string DatabaseUrl = "postgresql://cvault:secret@db.example.com:5433/vpn?sslmode=require";

    public static IEnumerable<Target> All =>
    [
        Target.OfText("settings", text => Read(text.Split('\n').Select(line => line.Split('=', 2)).Where(pair => pair.Length == 2 && Names.Contains(pair[0]))),
            [
                "CVAULT_API_PORT=8080\nCVAULT_PUBLIC_URL=https://api.example.com/", "CVAULT_TRUSTED_PROXIES=10.0.0.0/8,192.0.2.1", "CVAULT_LEASE_QUARANTINE=300\nCVAULT_AUTH_PER_ADDRESS=60\nCVAULT_METER_INTERVAL=15",
                "CVAULT_SMTP_URL=smtp://user:password@mail.example.com:587\nCVAULT_MAIL_FROM=CVault <no-reply@example.com>", "CVAULT_MASTER_KEY=short", "CVAULT_OPERATOR_TOKEN=short",
                "CVAULT_MASTER_KEY_PREVIOUS=" + Convert.ToBase64String(SecretTargets.Made("previous")), "CVAULT_DATABASE_URL=Host=localhost;Database=vpn", "CVAULT_DATABASE_URL=" + DatabaseUrl,
            ],
            [.. Names.Select(name => name + "=")]),
        Target.OfText("database-url", ADatabase,
            [DatabaseUrl, "postgres://localhost/vpn", "postgresql://cvault:secret@/vpn?host=/run/my%20sockets&port=5433", "postgresql://c@[2001:db8::1]:5433/vpn", "Host=localhost;Port=5432;Database=vpn;Username=c;Password=s"],
            "postgresql://", "sslmode=", "verify-full", "port=", "host=", "%20", "99999999999", "[", "]:", "Timeout=", "Pooling=", "Multiplexing=", "Maximum Pool Size=", "Include Error Detail=", "target_session_attrs="),
        Target.OfText("smtp-url", AMailServer,
            ["smtp://user:password@mail.example.com:587", "smtps://mail.example.com", "smtp://127.0.0.1:2525", "smtp://[::1]:25", "smtp://u%40x:p%3A@h"], "smtp://", "smtps://", "%40", "@", "[::1]", ":65535"),
        new("ssh-key", bytes => Read([["CVAULT_SSH_KEY", Armored(bytes)]]), Keys, "openssh-key-v1\0", "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "none", "bcrypt", "aes256-ctr", "-----BEGIN OPENSSH PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN EC PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"),
    ];

    private static void Read(IEnumerable<string[]> given)
    {
        var all = new Dictionary<string, string?>
        {
            ["CVAULT_DATABASE_URL"] = DatabaseUrl,
            ["CVAULT_OPERATOR_TOKEN"] = "an operator's token that is long enough",
            ["CVAULT_MASTER_KEY"] = Convert.ToBase64String(SecretTargets.Made("master")),
        };
        foreach (var pair in given) all[pair[0]] = pair[1];
        try
        {
            _ = Settings.Read(new ConfigurationBuilder().AddInMemoryCollection(all).Build());
        }
        catch (SettingsException e)
        {
            Target.Must(e.Wrong.Count > 0, "What is wrong is named.");
        }
    }

    private static void ADatabase(string text)
    {
        try
        {
            // What is empty is not written again.
            var read = Database.ConnectionString(Database.ConnectionString(text));
            Target.Must(Database.ConnectionString(read) == read, "A connection string is its own.");
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            // Documented.
        }
    }

    private static void AMailServer(string text)
    {
        try
        {
            var server = SmtpServer.Parse(text);
            Target.Must(server.Host.Length > 0 && server.Port is > 0 and <= 65_535, "A mail server has a host and a port.");
        }
        catch (FormatException)
        {
            // Documented.
        }
    }

    /// <summary>Of what is not a key's text already, one is made: base64 is more than a fuzzer guesses.</summary>
    private static string Armored(byte[] bytes) =>
        bytes.AsSpan().StartsWith("--"u8) ? Encoding.ASCII.GetString(bytes) : $"-----BEGIN OPENSSH PRIVATE KEY-----\n{Convert.ToBase64String(bytes)}\n-----END OPENSSH PRIVATE KEY-----";

    private static IEnumerable<byte[]> Keys()
    {
        using var ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var rsa = RSA.Create(1024);
        yield return Encoding.ASCII.GetBytes(ec.ExportECPrivateKeyPem());
        yield return Encoding.ASCII.GetBytes(ec.ExportPkcs8PrivateKeyPem());
        yield return Encoding.ASCII.GetBytes(rsa.ExportRSAPrivateKeyPem());
        yield return OpenSsh(cipher: "none");
        yield return OpenSsh(cipher: "aes256-ctr");
    }

    /// <summary>An Ed25519 key as OpenSSH keeps it (PROTOCOL.key), of bytes that are no secret.</summary>
    private static byte[] OpenSsh(string cipher)
    {
        var (seed, point) = (SecretTargets.Made("seed"), SecretTargets.Made("point"));
        byte[] shown = [.. Text("ssh-ed25519"), .. Bytes(point)];
        byte[] kept = [0, 0, 0, 7, 0, 0, 0, 7, .. Text("ssh-ed25519"), .. Bytes(point), .. Bytes([.. seed, .. point]), .. Text("comment")];
        byte[] padded = [.. kept, .. Enumerable.Range(1, (8 - (kept.Length % 8)) % 8).Select(i => (byte)i)];
        return [.. "openssh-key-v1\0"u8, .. Text(cipher), .. Text(cipher == "none" ? "none" : "bcrypt"), .. Text(""), 0, 0, 0, 1, .. Bytes(shown), .. Bytes(padded)];

        static byte[] Text(string text) => Bytes(Encoding.ASCII.GetBytes(text));
        static byte[] Bytes(byte[] bytes) => [(byte)(bytes.Length >> 24), (byte)(bytes.Length >> 16), (byte)(bytes.Length >> 8), (byte)bytes.Length, .. bytes];
    }
}
