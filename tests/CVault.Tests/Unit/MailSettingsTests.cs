using CVault.Mail;
using MailKit.Security;
using MimeKit;

namespace CVault.Tests.Unit;

/// <summary>How a mail server is named, and when TLS is demanded of it.</summary>
public sealed class MailSettingsTests
{
    [Theory]
    [InlineData("smtp://127.0.0.1:2525", "127.0.0.1", 2525, "", "", SecureSocketOptions.StartTlsWhenAvailable)]
    [InlineData("smtp://localhost", "localhost", 587, "", "", SecureSocketOptions.StartTlsWhenAvailable)]
    [InlineData("smtp://[::1]:25", "[::1]", 25, "", "", SecureSocketOptions.StartTlsWhenAvailable)]
    [InlineData("smtp://mail.example.com", "mail.example.com", 587, "", "", SecureSocketOptions.StartTls)]
    [InlineData("smtp://user%40x:p%3Aw@mail.example.com:25\n", "mail.example.com", 25, "user@x", "p:w", SecureSocketOptions.StartTls)]
    [InlineData("smtps://user@mail.example.com", "mail.example.com", 465, "user", "", SecureSocketOptions.SslOnConnect)]
    [InlineData("smtps://localhost:4650", "localhost", 4650, "", "", SecureSocketOptions.SslOnConnect)]
    public void a_mail_server_is_a_url_and_TLS_is_demanded_of_all_but_this_machine(string url, string host, int port, string user, string password, SecureSocketOptions security) =>
        Assert.Equal(new SmtpServer(host, port, user, password, security), SmtpServer.Parse(url));

    [Theory]
    [InlineData("mail.example.com")]
    [InlineData("http://mail.example.com")]
    [InlineData("smtp:")]
    [InlineData("")]
    public void anything_else_is_none(string text) => Assert.Throws<FormatException>(() => SmtpServer.Parse(text));

    [Fact]
    public void neither_the_password_nor_a_mail_is_ever_printed()
    {
        Assert.Equal("mail.example.com:465", SmtpServer.Parse("smtps://user:secret@mail.example.com").ToString());
        Assert.Equal("OutgoingMail", new OutgoingMail("ada@example.com", "Hello", "cvt_secret").ToString());
    }

    [Fact]
    public void a_link_has_its_token_where_no_server_sees_it() =>
        Assert.Equal("https://portal.example.com/verify#token=cvt_x", new MailSettings(null, new MailboxAddress("", "a@b.c"), "https://portal.example.com").Link("verify", "cvt_x"));
}
