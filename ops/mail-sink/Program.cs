using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

// CVault.MailSink PORT FOLDER: takes every mail that it is sent on 127.0.0.1:PORT and delivers none. Each becomes a file
// FOLDER/NNNN-address.eml, whole or not at all. For development and tests: what CVault mails, a person or a test reads there.
if (args is not [var portText, var folder] || !int.TryParse(portText, CultureInfo.InvariantCulture, out var port))
{
    Console.Error.WriteLine("usage: CVault.MailSink PORT FOLDER");
    return 2;
}

var box = new Box(folder);
using var places = new SemaphoreSlim(32);
using var listener = new TcpListener(IPAddress.Loopback, port);
listener.Start();
Console.WriteLine($"taking mail on 127.0.0.1:{port}");
while (true)
{
    await places.WaitAsync();
    var client = await listener.AcceptTcpClientAsync();
    _ = Task.Run(async () =>
    {
        using (client)
        {
            try
            {
                await new Conversation(client.GetStream(), box).RunAsync();
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or InvalidDataException)
            {
                Console.WriteLine($"a conversation ended early: {e.GetType().Name}");
            }
            finally
            {
                places.Release();
            }
        }
    });
}

/// <summary>The folder of mails, numbered on from those that are there.</summary>
internal sealed class Box
{
    private const int Most = 100_000;
    private readonly string folder;
    private int last;

    public Box(string folder)
    {
        this.folder = folder;
        foreach (var old in Directory.EnumerateFiles(folder, ".*.new")) File.Delete(old);
        last = Directory.EnumerateFiles(folder, "*.eml").Select(f => int.TryParse(Path.GetFileName(f).Split('-')[0], CultureInfo.InvariantCulture, out var n) ? n : 0).DefaultIfEmpty().Max();
    }

    public bool IsFull => last >= Most;

    public void Keep(string to, byte[] message)
    {
        var number = Interlocked.Increment(ref last).ToString("D4", CultureInfo.InvariantCulture);
        var name = new string([.. to.Take(80).Select(c => char.IsAsciiLetterOrDigit(c) || c is '@' or '.' or '+' or '_' or '-' ? c : '_')]);
        var half = Path.Combine(folder, $".{number}.new");
        File.WriteAllBytes(half, message);
        File.Move(half, Path.Combine(folder, $"{number}-{name}.eml"));
    }
}

/// <summary>As much of SMTP (RFC 5321) as a client needs to hand mails over.</summary>
internal sealed class Conversation(NetworkStream stream, Box box)
{
    private const int LongestLine = 4096, LargestMessage = 1024 * 1024;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly byte[] buffer = new byte[8192];
    private int start, end;

    public async Task RunAsync()
    {
        List<string> to = [];
        await SayAsync("220 localhost CVault mail sink");
        while (await LineAsync() is { } raw)
        {
            var line = Encoding.UTF8.GetString(raw);
            switch (line.Split(' ', ':')[0].ToUpperInvariant())
            {
                case "EHLO": await SayAsync($"250-localhost\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE {LargestMessage}"); break;
                case "MAIL" or "RSET": to.Clear(); await SayAsync("250 OK"); break;
                case "RCPT" when to.Count < 10: to.Add(line[(line.IndexOf('<') + 1)..].Split('>')[0]); await SayAsync("250 OK"); break;
                case "DATA" when to.Count > 0 && !box.IsFull: await TakeAsync(to); break;
                case "DATA": await SayAsync(box.IsFull ? "452 the folder is full" : "503 to whom?"); break;
                case "HELO" or "NOOP": await SayAsync("250 OK"); break;
                case "QUIT": await SayAsync("221 bye"); return;
                default: await SayAsync("502 not here"); break;
            }
        }
    }

    private async Task TakeAsync(List<string> to)
    {
        await SayAsync("354 go on");
        using var message = new MemoryStream();
        while (await LineAsync() is { } line && line is not [(byte)'.'])
        {
            // A line that begins with a dot was given another one (RFC 5321, 4.5.2).
            message.Write(line is [(byte)'.', ..] ? line.AsSpan(1) : line);
            message.Write("\r\n"u8);
            if (message.Length > LargestMessage) throw new InvalidDataException();
        }

        foreach (var one in to) box.Keep(one, message.ToArray());
        await SayAsync("250 taken");
    }

    /// <summary>A line without its end; null when the other side has gone.</summary>
    private async Task<byte[]?> LineAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        using var line = new MemoryStream();
        while (true)
        {
            if (start == end)
            {
                (start, end) = (0, await stream.ReadAsync(buffer, patience.Token));
                if (end == 0) return null;
            }

            var newline = Array.IndexOf(buffer, (byte)'\n', start, end - start);
            var stop = newline < 0 ? end : newline;
            line.Write(buffer, start, stop - start);
            start = newline < 0 ? end : newline + 1;
            if (line.Length > LongestLine) throw new InvalidDataException();
            if (newline >= 0) return line.ToArray() is [.. var text, (byte)'\r'] ? text : line.ToArray();
        }
    }

    private async Task SayAsync(string text) => await stream.WriteAsync(Encoding.ASCII.GetBytes(text + "\r\n"));
}
