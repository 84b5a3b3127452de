using System.Buffers.Binary;
using System.Net;

namespace CVault.IpLeases;

/// <summary>The arithmetic of a server's pool. Its first host is the server; network and broadcast address are nobody's.</summary>
public static class Pool
{
    /// <summary>The numbers that devices may get, first and last.</summary>
    public static (int First, int Last) Numbers(IPNetwork pool) => (2, (int)((1L << (32 - pool.PrefixLength)) - 2));

    public static string Address(IPNetwork pool, int number)
    {
        var bytes = pool.BaseAddress.GetAddressBytes();
        BinaryPrimitives.WriteUInt32BigEndian(bytes, BinaryPrimitives.ReadUInt32BigEndian(bytes) + (uint)number);
        return new IPAddress(bytes).ToString();
    }

    /// <summary>The place of an IPv4 address in its pool.</summary>
    public static int NumberOf(IPNetwork pool, IPAddress address) =>
        (int)(BinaryPrimitives.ReadUInt32BigEndian(address.GetAddressBytes()) - BinaryPrimitives.ReadUInt32BigEndian(pool.BaseAddress.GetAddressBytes()));

    public static string Address6(IPNetwork pool, int number)
    {
        var bytes = pool.BaseAddress.GetAddressBytes();
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(12), number);
        return new IPAddress(bytes).ToString();
    }
}
