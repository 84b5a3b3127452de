using System.Security.Cryptography;
using CVault.Servers;
using JasperFx;
using Marten;
using Microsoft.AspNetCore.Mvc;
using NSec.Cryptography;

namespace CVault.Devices;

/// <summary>WireGuard's keys: 32 bytes in base64. A key pair is one of Curve25519 (RFC 7748).</summary>
public static class WireGuardKeys
{
    /// <summary>A new key pair.</summary>
    public static (string PublicKey, string PrivateKey) NewPair()
    {
        using var key = Key.Create(KeyAgreementAlgorithm.X25519, new KeyCreationParameters { ExportPolicy = KeyExportPolicies.AllowPlaintextExport });
        return (Convert.ToBase64String(key.PublicKey.Export(KeyBlobFormat.RawPublicKey)), Convert.ToBase64String(key.Export(KeyBlobFormat.RawPrivateKey)));
    }

    public static string NewPresharedKey() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    /// <summary>
    /// Whether a text is a public key that WireGuard could use: 44 characters of canonical base64, 32 bytes, and no
    /// point of small order, with which every shared secret would be zero (RFC 7748, section 6.1).
    /// </summary>
    public static bool IsPublicKey(string? text)
    {
        Span<byte> bytes = stackalloc byte[33];
        if (text is not { Length: 44 } || !Convert.TryFromBase64String(text, bytes, out var length) || length != 32) return false;
        // The top bit is no part of a point (RFC 7748, section 5): with it set, one key would have two names.
        if (Convert.ToBase64String(bytes[..32]) != text || (bytes[31] & 0x80) != 0) return false;
        using var any = Key.Create(KeyAgreementAlgorithm.X25519);
        return PublicKey.TryImport(KeyAgreementAlgorithm.X25519, bytes[..32], KeyBlobFormat.RawPublicKey, out var key)
            && key is not null && KeyAgreementAlgorithm.X25519.Agree(any, key) is { } secret && Dispose(secret);
    }

    /// <summary>Whether the key is a server's own, which every config shows. No server would take such a peer.</summary>
    public static Task<bool> IsAServersAsync(IQuerySession session, string publicKey, CancellationToken cancellation) =>
        session.ForTenant(StorageConstants.DefaultTenantId).Query<Server>().AnyAsync(s => s.PublicKey == publicKey, cancellation);

    /// <summary>Says no more than that of any other key in use.</summary>
    public static ProblemDetails InUse() => Problems.Conflict("This public key is in use.");

    private static bool Dispose(SharedSecret secret)
    {
        secret.Dispose();
        return true;
    }
}
