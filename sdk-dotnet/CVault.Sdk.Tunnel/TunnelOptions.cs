using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;

namespace CVault.Sdk.Tunnel;

/// <summary>How a tunnel is brought up.</summary>
public sealed partial record TunnelOptions
{
    /// <summary>
    /// Of the network interface: a letter, then letters, digits, <c>-</c> and <c>_</c>; at most 15 in all, as Linux has it. Default <c>cvault0</c>.
    /// </summary>
    public string InterfaceName { get; init; } = "cvault0";

    /// <summary>
    /// Linux only; elsewhere <c>NOT_SUPPORTED</c>. Nothing leaves this machine but through the tunnel and WireGuard's own
    /// packets to the server, from before the tunnel comes up until it was taken down: also while the server is away, and
    /// after this program was killed. Loaded again where another program removes it while this tunnel is watched. Default false.
    /// </summary>
    public bool KillSwitch { get; init; }

    /// <summary>Whether the config's DNS servers become the system's while the tunnel is up. Default true.</summary>
    public bool UseDns { get; init; } = true;

    /// <summary>
    /// How long <c>UpAsync</c> waits for the server's first handshake before it takes everything back and throws <c>TIMEOUT</c>.
    /// Zero: not at all, the tunnel is then <see cref="TunnelState.Connecting"/>. Default 15 s.
    /// </summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Told what is done, without secrets; null for nobody.</summary>
    public ILogger? Logger { get; init; }

    internal void Validate()
    {
        CheckInterfaceName(InterfaceName);
        if (HandshakeTimeout < TimeSpan.Zero || HandshakeTimeout > TimeSpan.FromHours(1))
            throw new TunnelException(TunnelErrorCodes.OptionsInvalid, "HandshakeTimeout is from zero to an hour.");
    }

    internal static void CheckInterfaceName(string name)
    {
        // The name goes into nftables' rules and file names: nothing in it may need an escape.
        if (name is null || !InterfaceNames().IsMatch(name))
            throw new TunnelException(TunnelErrorCodes.OptionsInvalid, "InterfaceName is a letter, then letters, digits, - and _, at most 15 in all, such as cvault0.");
    }

    [GeneratedRegex(@"\A[A-Za-z][A-Za-z0-9_-]{0,14}\z")]
    private static partial Regex InterfaceNames();
}
