using System.Buffers.Binary;
using System.Net;
using System.Security.Cryptography;
using CVault.Servers;

namespace CVault.IpLeases;

/// <summary>
/// A device holds the address from now on. The stream is the address's, of one server's pool, and so the history of
/// who held it when; it belongs to the platform, since tenants follow one another on an address.
/// </summary>
/// <param name="ServerId">Whose pool it is of.</param>
/// <param name="Address">IPv4.</param>
/// <param name="Address6">The IPv6 address that goes with it.</param>
public sealed record IpLeased(Guid ServerId, string Address, string Address6, Guid TenantId, Guid DeviceId);

/// <summary>The device holds it no longer; nobody else gets it before <paramref name="FreeFrom"/>.</summary>
/// <param name="Reason">Why: <c>device_revoked</c>, <c>moved</c>, <c>session_ended</c> or <c>idle</c>.</param>
public sealed record IpReleased(Guid DeviceId, string Reason, DateTimeOffset FreeFrom);

/// <summary>An address as one device holds it.</summary>
/// <param name="Number">Its place in the pool: network address plus this.</param>
public sealed record IpLease(Guid ServerId, int Number, string Address, string Address6)
{
    /// <summary>The address of that number in the server's pool.</summary>
    public static IpLease Of(Server server, int number) =>
        new(server.Id, number, Pool.Address(IPNetwork.Parse(server.AddressPool), number), Pool.Address6(IPNetwork.Parse(server.AddressPool6), number));

    /// <summary>The stream of an address: always the same id for the same server and number (RFC 9562, version 8).</summary>
    public static Guid StreamId(Guid serverId, int number)
    {
        Span<byte> name = stackalloc byte[20], hash = stackalloc byte[32];
        serverId.TryWriteBytes(name, bigEndian: true, out _);
        BinaryPrimitives.WriteInt32BigEndian(name[16..], number);
        SHA256.HashData(name, hash);
        hash[6] = (byte)((hash[6] & 0x0f) | 0x80);
        hash[8] = (byte)((hash[8] & 0x3f) | 0x80);
        return new Guid(hash[..16], bigEndian: true);
    }
}
