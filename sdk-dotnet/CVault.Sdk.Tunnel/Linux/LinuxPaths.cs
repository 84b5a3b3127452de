namespace CVault.Sdk.Tunnel.Linux;

/// <summary>Folders of the system; others in tests.</summary>
internal sealed record LinuxPaths(string Run = "/run/cvault", string Etc = "/etc", string Proc = "/proc")
{
    public string State(string interfaceName) => Path.Combine(Run, interfaceName + ".json");
    public string Lock => Path.Combine(Run, "lock");
    public string ResolvConf => Path.Combine(Etc, "resolv.conf");
    public string ResolvConfBefore(string interfaceName) => Path.Combine(Etc, "resolv.conf.cvault-" + interfaceName);
    public string SrcValidMark => Path.Combine(Proc, "sys/net/ipv4/conf/all/src_valid_mark");
    public string DisableIPv6(string interfaceName) => Path.Combine(Proc, "sys/net/ipv6/conf", interfaceName, "disable_ipv6");

    /// <summary>In the network namespace of the reader, unlike /sys.</summary>
    public bool HasLink(string interfaceName) =>
        File.ReadLines(Path.Combine(Proc, "net/dev")).Any(l => l.TrimStart().StartsWith(interfaceName + ":", StringComparison.Ordinal));
}
