using CVault.Security;
using MailKit.Net.Smtp;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using MimeKit;
using Npgsql;
using Wolverine.Attributes;

namespace CVault.Mail;

/// <summary>Hands mails to the mail server. Its logs and exceptions name none of their addresses.</summary>
public sealed class Mailer(MailSettings settings, NpgsqlDataSource database, MasterKey master, TimeProvider time, ILogger<Mailer> logger) : IHostedService
{
    /// <summary>How long a mail server may keep silent.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (settings.Smtp is null) logger.LogWarning("CVAULT_SMTP_URL is not set: no mail is sent, and those that wait are kept for {Days} days", Mails.Kept.Days);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Sends a mail that waits, and forgets it. Does nothing for one that was sent already.</summary>
    /// <exception cref="MailNotSentException">Not now; later it may be.</exception>
    public async Task SendAsync(Guid id, CancellationToken cancellation)
    {
        if (settings.Smtp is not { } server || await Mails.ReadAsync(database, master, id, cancellation) is not { } mail) return;
        try
        {
            // To nobody: written so that a request takes as long as one that has somebody to write to.
            if (mail.To.Length > 0) await HandOverAsync(server, id, mail, cancellation);
        }
        catch (SmtpCommandException e) when ((int)e.StatusCode is >= 500 and < 600 && e.ErrorCode is SmtpErrorCode.RecipientNotAccepted or SmtpErrorCode.MessageNotAccepted)
        {
            logger.LogWarning("Mail {Mail} was refused for good ({Code}) and is forgotten", id, (int)e.StatusCode);
        }
        catch (Exception e) when (e is ParseException or NotSupportedException)
        {
            // An address that cannot be said, or not to this server: no other time would help, and others' mails would wait for it.
            logger.LogWarning("Mail {Mail} cannot be addressed ({Kind}) and is forgotten", id, e.GetType().Name);
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested)
        {
            // A mail server's words may quote the address, so they stay here.
            throw new MailNotSentException(e is SmtpCommandException refused ? $"the mail server answered {(int)refused.StatusCode}" : e.GetType().Name);
        }

        await Mails.DeleteAsync(database, id, cancellation);
    }

    /// <summary>Sends what waits without a message to send it: written while no mail server was set, or restored from a backup.</summary>
    public async Task SendLeftAsync(CancellationToken cancellation)
    {
        if (settings.Smtp is null) return;
        var failed = 0;
        foreach (var id in await Mails.LeftAsync(database, time.GetUtcNow() - TimeSpan.FromMinutes(10), cancellation))
        {
            try
            {
                await SendAsync(id, cancellation);
            }
            catch (MailNotSentException) when (++failed < 10)
            {
                // It may be this one's own fault; the others do not wait for it.
            }
        }
    }

    private async Task HandOverAsync(SmtpServer server, Guid id, OutgoingMail mail, CancellationToken cancellation)
    {
        using var message = new MimeMessage { Subject = mail.Subject, Body = new TextPart("plain") { Text = mail.Text }, Date = time.GetUtcNow() };
        message.From.Add(mail.From is { } name ? new MailboxAddress(name, settings.From.Address) : settings.From);
        message.To.Add(new MailboxAddress("", mail.To));
        // The same for each try, so that a mailbox may know a mail that comes twice.
        message.MessageId = $"{id}@{settings.From.Domain}";
        message.Headers.Add("Auto-Submitted", "auto-generated"); // RFC 3834: no out-of-office answers.

        using var smtp = new SmtpClient { Timeout = (int)Patience.TotalMilliseconds };
        await smtp.ConnectAsync(server.Host, server.Port, server.Security, cancellation);
        if (server.User.Length > 0) await smtp.AuthenticateAsync(server.User, server.Password, cancellation);
        await smtp.SendAsync(message, cancellation);
        await smtp.DisconnectAsync(quit: true, cancellation);
    }
}

/// <summary>A mail that could not be handed over now.</summary>
public sealed class MailNotSentException(string why) : Exception("The mail was not sent: " + why);

/// <summary>Sends a mail that a command wrote; Wolverine repeats it until it went or is too old.</summary>
[WolverineHandler]
public static class SendMail
{
    public static Task Handle(MailDue message, Mailer mailer, CancellationToken cancellation) => mailer.SendAsync(message.MailId, cancellation);
}
