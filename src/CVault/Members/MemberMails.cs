using CVault.Mail;
using CVault.Tenants;

namespace CVault.Members;

/// <summary>What members are written: who asked, what to do, and what to do if it was not they.</summary>
internal static class MemberMails
{
    public static readonly TimeSpan VerificationLifetime = TimeSpan.FromHours(24), ResetLifetime = TimeSpan.FromHours(1), InvitationLifetime = TimeSpan.FromDays(7);

    public static OutgoingMail Verify(MailSettings settings, string to, string business, string token) => new(to, "Verify your email for CVault", $"""
        Somebody, hopefully you, signed up {OneLine(business)} at CVault with this email address.

        To verify it, open this page within 24 hours:
        {settings.Link("verify", token)}

        or send this token to the API (POST /api/v1/tenant/auth/verify):
        {token}

        If it was not you, do nothing: without this step the account stays closed.
        """);

    /// <summary>In place of <see cref="Verify"/> where the email logs in to a tenant already; only its reader is told.</summary>
    public static OutgoingMail AlreadySignedUp(MailSettings settings, string to) => new(to, "You already have a CVault account", $"""
        Somebody, hopefully you, tried to sign up at CVault with this email address. It already has an account, so the new
        one stays closed.

        To log in, open this page: {settings.PortalUrl}/login
        If you do not remember your password, you can ask for a new one there.

        If it was not you, do nothing: your account is as it was.
        """);

    public static OutgoingMail Reset(MailSettings settings, string to, string token) => new(to, "Set a new CVault password", $"""
        Somebody, hopefully you, asked for a new password for the CVault account of this email address.

        To set one, open this page within one hour:
        {settings.Link("reset", token)}

        or send this token to the API (POST /api/v1/tenant/auth/password/reset):
        {token}

        If it was not you, do nothing: your password is as it was.
        """);

    /// <param name="from">Who invites, as the reader may know them.</param>
    public static OutgoingMail Invite(MailSettings settings, string to, string business, string from, Role role, string token) => new(to, "An invitation to CVault", $"""
        {OneLine(from)} invites you to the CVault account of {OneLine(business)}, as {Names.Of(role).Replace('_', '-')}.

        To accept it, open this page within 7 days and choose a password:
        {settings.Link("invitation", token)}

        or send this token and a password to the API (POST /api/v1/tenant/auth/invitations/accept):
        {token}

        If you do not know them, do nothing: the invitation then ends by itself.
        """);

    /// <summary>A mail to nobody, for where an answer must take as long whether there is one to send or not.</summary>
    public static readonly OutgoingMail ToNobody = new("", "", new string(' ', 500));

    /// <summary>Names are the tenant's own words: no line of theirs may look like one of ours.</summary>
    private static string OneLine(string text) => string.Concat(text.Take(100).Select(c => char.IsControl(c) || c is '\u2028' or '\u2029' ? ' ' : c)).Trim();
}
