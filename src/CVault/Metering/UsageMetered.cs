using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace CVault.Metering;

/// <summary>
/// What one tenant's sessions moved on one server between two readings of its counters. One event a tenant, server and
/// interval, with a sample for each session that moved bytes; where nothing moved there is none. It is all that usage and
/// invoices are made of.
/// </summary>
/// <param name="ServerId">The server that was read.</param>
/// <param name="From">When it was read before; never after <paramref name="To"/>.</param>
/// <param name="To">When it was read, by the control plane's clock.</param>
/// <param name="Samples">By session number, ascending; never empty.</param>
public sealed record UsageMetered(Guid ServerId, DateTimeOffset From, DateTimeOffset To, SampleSet Samples)
{
    /// <summary>The stream of these facts: one a tenant, server and hour, so that none grows long.</summary>
    public static Guid StreamOf(string tenantId, Guid serverId, DateTimeOffset at) =>
        new(SHA256.HashData(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"usage {tenantId} {serverId} {at.UtcDateTime:yyyy-MM-ddTHH}")))[..16]);
}

/// <summary>
/// A server is seen with an interface that was not there before: it was rebooted, or its WireGuard was. All its counters
/// began anew.
/// </summary>
/// <param name="BootId">Of the host; changes with each boot.</param>
/// <param name="Incarnation">Of the interface; changes with each making.</param>
public sealed record ServerRestarted(Guid ServerId, string BootId, string Incarnation, DateTimeOffset At);

/// <summary>What one session moved in one interval.</summary>
/// <param name="Session">The session's number (<see cref="Sessions.SessionStarted.Number"/>).</param>
/// <param name="RxBytes">Received from the device. Bytes as WireGuard counts them, on the outside of the tunnel.</param>
/// <param name="TxBytes">Sent to the device.</param>
public readonly record struct Sample(long Session, long RxBytes, long TxBytes);
