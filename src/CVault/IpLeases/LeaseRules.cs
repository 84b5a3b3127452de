namespace CVault.IpLeases;

/// <summary>What an installation decides about leases.</summary>
/// <param name="Quarantine">How long a released address rests, so that a late packet for its last holder meets nobody; zero: not at all.</param>
public sealed record LeaseRules(TimeSpan Quarantine)
{
    public static readonly LeaseRules Default = new(TimeSpan.FromMinutes(5));
}
