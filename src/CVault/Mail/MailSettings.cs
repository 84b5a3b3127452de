using System.Net;
using CVault.Security;
using MailKit.Security;
using MimeKit;

namespace CVault.Mail;

/// <summary>How mails leave, from whom, and where the links in them lead.</summary>
/// <param name="Smtp">The mail server; null leaves mails unsent in their table.</param>
/// <param name="From">The sender.</param>
/// <param name="PortalUrl">Where links lead, without a slash at its end.</param>
public sealed record MailSettings(SmtpServer? Smtp, MailboxAddress From, string PortalUrl)
{
    /// <summary>A link into the portal. The token stands in the fragment, which no server and no referrer ever sees.</summary>
    public string Link(string page, string token) => $"{PortalUrl}/{page}#token={token}";
}

/// <summary>A mail server: <c>smtp://user:password@host:port</c>, or <c>smtps://</c> for TLS from the first byte.</summary>
/// <param name="Security">On <c>smtp://</c> the upgrade to TLS (STARTTLS) is demanded unless the host is this machine.</param>
[NeverLogged]
public sealed record SmtpServer(string Host, int Port, string User, string Password, SecureSocketOptions Security)
{
    /// <exception cref="FormatException">It is no such URL.</exception>
    public static SmtpServer Parse(string text)
    {
        if (!Uri.TryCreate(text.Trim(), UriKind.Absolute, out var url) || url.Scheme is not ("smtp" or "smtps") || url.Host.Length == 0)
        {
            throw new FormatException("A mail server is smtp://user:password@host:port or smtps://…");
        }

        var colon = url.UserInfo.IndexOf(':', StringComparison.Ordinal);
        var (user, password) = colon < 0 ? (url.UserInfo, "") : (url.UserInfo[..colon], url.UserInfo[(colon + 1)..]);
        var loopback = url.IsLoopback || (IPAddress.TryParse(url.Host, out var address) && IPAddress.IsLoopback(address));
        return new SmtpServer(
            url.Host, url.Port > 0 ? url.Port : url.Scheme == "smtps" ? 465 : 587, Uri.UnescapeDataString(user), Uri.UnescapeDataString(password),
            url.Scheme == "smtps" ? SecureSocketOptions.SslOnConnect : loopback ? SecureSocketOptions.StartTlsWhenAvailable : SecureSocketOptions.StartTls);
    }

    /// <summary>Never prints the password.</summary>
    public override string ToString() => $"{Host}:{Port}";
}
