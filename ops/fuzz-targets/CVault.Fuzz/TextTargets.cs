using System.Buffers.Text;
using CVault.Security;
using CVault.Servers;
using CVault.Tenants;
using MimeKit;

namespace CVault.Fuzz;

/// <summary>Names, emails, passwords as people type them, and cursors.</summary>
public static class TextTargets
{
    public static IEnumerable<Target> All =>
    [
        Target.OfText("emails", AnEmail,
            ["ada@example.com", " Ada+news@Example.COM ", "grüße@example.com", "a.b-c@xn--bcher-kva.example", "\"quoted\"@example.com", "a@b@c", "@example.com", "ada@-example.com"],
            "@", "+", "..", "xn--", "\"", "\u00a0", "\u2028", "İ"),
        Target.OfText("texts", ATextOfPeople,
            ["correct horse battery\nada@example.com", "password\n", "Acme\nactive", "ada@example.com\nada@example.com", "snake_case\nread_only", "pässwörd\nclient"],
            "active", "trial", "suspended", "sticky", "ephemeral", "managed", "required", "owner", "ssh", "simulated", "maintenance", "\n"),
        Target.OfText("normal-form", ANormalForm,
            ["e\u0301", "\u1112\u1161\u11ab", "\ud55c", "\u212b", "q\u0307\u0323", "\u0f71\u0f72", "\U0001d15f", "a\u0315\u0300\u05ae\u0062"],
            "\u0301", "\u0323", "\u0345", "\u1100", "\u1161", "\u11a8", "\uac00", "\u0f73", "\u2adc", "\U0001d165"),
        Target.OfText("cursors", ACursor, ["", "AAAAAAAAAAAAAAAAAAAAAA", "AZo2_3uZdkKQH9bC-4mFkQ", "AZo2_3uZdkKQH9bC-4mFkQ=="], "==", "-_"),
    ];

    private static void AnEmail(string text)
    {
        var normal = Emails.Normalize(text);
        Target.Must(Emails.Normalize(normal) == normal, "A normal email is its own.");
        Target.Must(Emails.MailboxOf(Emails.MailboxOf(text)) == Emails.MailboxOf(text), "A mailbox is its own.");
        if (!Emails.IsWellFormed(text)) return;
        Target.Must(Emails.IsWellFormed(normal), "The normal form of a good email is one.");
        try
        {
            // As the mailer writes to it.
            using var message = new MimeMessage();
            message.To.Add(new MailboxAddress("", normal));
            Target.Must(message.To.Mailboxes.Single().GetAddress(idnEncode: true) == normal, "A mail goes to whom it is for.");
        }
        catch (ParseException)
        {
            // The mailer expects it.
        }
    }

    private static void ATextOfPeople(string text)
    {
        var cut = text.IndexOf('\n', StringComparison.Ordinal);
        var (first, second) = cut < 0 ? (text, null) : (text[..cut], text[(cut + 1)..]);
        if (!Passwords.ErrorsOf(first, second).Any()) Target.Must(Passwords.IsPossible(first), "A password that may be chosen can be anyone's.");
        _ = TenantChanges.NameErrors(first, "name").Count();
        _ = Passwords.IsOutdated(first);
        RoundTrip<TenantStatus>(second);
        RoundTrip<LeasePolicy>(second);
        RoundTrip<KeyCustody>(second);
        RoundTrip<EmailVerification>(second);
        RoundTrip<Role>(second);
        RoundTrip<ServerTransport>(second);
        RoundTrip<ServerStatus>(second);
    }

    private static void RoundTrip<T>(string? text) where T : struct, Enum
    {
        if (Names.TryParse<T>(text, out var value)) Target.Must(Names.Of(value) == text && EqualityComparer<T>.Default.Equals(Names.Parse<T>(text), value), "A name has one spelling.");
    }

    private static void ANormalForm(string text)
    {
        var normal = text.Normalized();
        Target.Must(normal.Normalized() == normal, "A normal form is its own.");
    }

    private static void ACursor(string text)
    {
        _ = Page.TryDecode(text, new byte[44], out _); // A public key's, as pages of peers have it.
        if (Page.Of(null, text) is not { } page || text.Length == 0) return;
        var (_, next) = (page with { Limit = 1 }).Cut([page.After, page.After], id => id);
        Target.Must(Page.Of(null, next)?.After == page.After, "A cursor that is written and read again is the same.");
        Target.Must(Base64Url.IsValid(next), "A cursor is base64url.");
    }
}
