namespace CVault.Sdk.Tunnel;

/// <summary>A tunnel could not be brought up, read or taken down. The message says what to do next and holds no secret.</summary>
public sealed class TunnelException : Exception
{
    /// <param name="code">One of <see cref="TunnelErrorCodes"/>.</param>
    /// <param name="message">What happened, and what to do next.</param>
    /// <param name="innerException">What it came of, where there is one.</param>
    public TunnelException(string code, string message, Exception? innerException = null) : base(message, innerException) => Code = code;

    /// <summary>Stable, for programs to decide by; one of <see cref="TunnelErrorCodes"/>.</summary>
    public string Code { get; }
}

/// <summary>Every value that <see cref="TunnelException.Code"/> has.</summary>
public static class TunnelErrorCodes
{
    /// <summary>The config's text is not one that this library takes; the message names the line and never its value.</summary>
    public const string ConfigInvalid = "CONFIG_INVALID";

    /// <summary>An option has a value that cannot be, such as an interface name of 16 letters.</summary>
    public const string OptionsInvalid = "OPTIONS_INVALID";

    /// <summary>The program may not change the network: it must run as root, or as an administrator on Windows.</summary>
    public const string NotPermitted = "NOT_PERMITTED";

    /// <summary>A tool that is needed is not installed; the message names it and the package that has it.</summary>
    public const string ToolsMissing = "TOOLS_MISSING";

    /// <summary>The interface is there already: adopt it with <c>WireGuardTunnel.FindAsync</c> or choose another name.</summary>
    public const string AlreadyUp = "ALREADY_UP";

    /// <summary>The name of the server's endpoint has no address.</summary>
    public const string EndpointUnresolved = "ENDPOINT_UNRESOLVED";

    /// <summary>The server answered no handshake in time, or a tool did not end in time.</summary>
    public const string Timeout = "TIMEOUT";

    /// <summary>This system cannot do what was asked, such as the kill switch outside Linux.</summary>
    public const string NotSupported = "NOT_SUPPORTED";

    /// <summary>A tool of the system failed; the message has its words.</summary>
    public const string CommandFailed = "COMMAND_FAILED";
}
