using System.Net;
using System.Net.Sockets;
using CVault.Mail;
using CVault.Security;
using JasperFx;
using Marten;
using Microsoft.Extensions.Logging;
using MimeKit;

namespace CVault.Tests.Api;

/// <summary>Mails, from the row that a command writes to the mail server.</summary>
public sealed class MailTests(Stack stack) : IAsyncDisposable
{
    private static readonly MasterKey Master = new([.. Enumerable.Range(7, 32).Select(i => (byte)i)]);
    private readonly string address = $"mail-{Guid.NewGuid():N}@example.com";
    private readonly Words words = new();
    private readonly DocumentStore store = DocumentStore.For(o =>
    {
        Configuration.ConfigureStore(o);
        o.Connection(stack.Database);
        o.AutoCreateSchemaObjects = AutoCreate.None;
    });

    public ValueTask DisposeAsync() => store.DisposeAsync();

    [Fact]
    public async Task a_mail_arrives_as_it_was_written_and_its_row_is_gone()
    {
        var text = "Grüße, 世界\n.a line with a dot\n..and two\n\ncvt_token\n" + new string('x', 300) + "\n";
        var id = await WriteAsync(text);
        await Mailer(SinkPort).SendAsync(id, TestContext.Current.CancellationToken);
        var got = await stack.MailToAsync(address);
        Assert.Equal("Hallo – ä\n" + text.TrimEnd(), got.Replace("\r", "", StringComparison.Ordinal).TrimEnd());
        Assert.Equal("cvt_token", Scenarios.TokenIn(got));
        Assert.Null(await Mails.ReadAsync(stack.Database, Master, id, TestContext.Current.CancellationToken));

        await Mailer(SinkPort).SendAsync(id, TestContext.Current.CancellationToken); // The message came twice.
        Assert.Single(await stack.MailsToAsync(address));
    }

    [Fact]
    public async Task an_unsent_mail_is_kept_in_a_row_that_nobody_can_read()
    {
        var id = await WriteAsync("cvt_token");
        await Mailer(null).SendAsync(id, TestContext.Current.CancellationToken);
        await using var command = stack.Database.CreateCommand($"select encode(payload, 'escape') from {Database.Schema}.mails where id = $1");
        command.Parameters.Add(new() { Value = id });
        var row = (string)(await command.ExecuteScalarAsync())!;
        Assert.DoesNotContain(address, row, StringComparison.Ordinal);
        Assert.DoesNotContain("cvt_token", row, StringComparison.Ordinal);
        await Mails.DeleteAsync(stack.Database, id, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task a_mail_that_does_not_go_is_kept_and_what_is_thrown_names_no_address()
    {
        var id = await WriteAsync("cvt_token");
        using var later = new Refusing("451 4.7.1 <" + address + "> later, please");
        var thrown = await Assert.ThrowsAsync<MailNotSentException>(() => Mailer(later.Port).SendAsync(id, TestContext.Current.CancellationToken));
        Assert.DoesNotContain(address, thrown.ToString(), StringComparison.Ordinal);
        Assert.Contains("451", thrown.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<MailNotSentException>(() => Mailer(1).SendAsync(id, TestContext.Current.CancellationToken)); // Nobody listens there.
        Assert.NotNull(await Mails.ReadAsync(stack.Database, Master, id, TestContext.Current.CancellationToken));

        await Mailer(SinkPort).SendAsync(id, TestContext.Current.CancellationToken);
        await stack.MailToAsync(address, "cvt_token");
    }

    [Fact]
    public async Task a_mail_that_is_refused_for_good_is_forgotten_and_the_log_names_no_address()
    {
        var id = await WriteAsync("cvt_token");
        using var never = new Refusing("550 5.1.1 <" + address + "> nobody");
        await Mailer(never.Port).SendAsync(id, TestContext.Current.CancellationToken);
        Assert.Null(await Mails.ReadAsync(stack.Database, Master, id, TestContext.Current.CancellationToken));
        Assert.Contains("550", words.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(address, words.Text, StringComparison.Ordinal);
    }

    private static int SinkPort => int.Parse(File.ReadAllText(Path.Combine(Stack.StateDir, "run", "CVAULT_MAIL_PORT")), System.Globalization.CultureInfo.InvariantCulture);

    private Mailer Mailer(int? port) => new(
        new MailSettings(port is { } p ? SmtpServer.Parse($"smtp://127.0.0.1:{p}") : null, new MailboxAddress("CVault", "no-reply@cvault.invalid"), "http://127.0.0.1"), stack.Database, Master, TimeProvider.System, words);

    private async Task<Guid> WriteAsync(string text)
    {
        var (row, due) = Mails.Send(new OutgoingMail(address, "Hallo – ä", text), Master, DateTimeOffset.UtcNow);
        await using var session = store.LightweightSession();
        row.Execute(session);
        await session.SaveChangesAsync();
        return due.MailId;
    }

    /// <summary>A mail server that says the same to every recipient.</summary>
    private sealed class Refusing : IDisposable
    {
        private readonly TcpListener listener = new(IPAddress.Loopback, 0);

        public Refusing(string answer)
        {
            listener.Start();
            _ = Task.Run(async () =>
            {
                using var client = await listener.AcceptTcpClientAsync();
                using var reader = new StreamReader(client.GetStream());
                await using var writer = new StreamWriter(client.GetStream()) { NewLine = "\r\n", AutoFlush = true };
                await writer.WriteLineAsync("220 refusing");
                while (await reader.ReadLineAsync() is { } line) await writer.WriteLineAsync(line.StartsWith("RCPT", StringComparison.Ordinal) ? answer : "250 OK");
            });
        }

        public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

        public void Dispose() => listener.Dispose();
    }

    /// <summary>What was logged.</summary>
    private sealed class Words : ILogger<Mailer>
    {
        public string Text { get; private set; } = "";

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
        public bool IsEnabled(LogLevel logLevel) => true;
        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Text += formatter(state, exception) + exception;
    }
}
