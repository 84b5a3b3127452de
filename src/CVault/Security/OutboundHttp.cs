using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Hosting;

namespace CVault.Security;

/// <summary>
/// Calls to addresses that a tenant chose. They reach the public internet and nothing else: the address is looked at
/// when the connection is made, after its name was resolved, so that no name, spelling, redirect or change of DNS leads
/// inside. https alone, no redirects, no proxy; bounded in time and size. In Development this machine may be called too.
/// </summary>
public sealed class OutboundHttp(IHostEnvironment environment) : IDisposable
{
    /// <summary>From the first byte sent to the last one read.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Bytes of an answer's body.</summary>
    public const int MostBytes = 256 * 1024;

    private readonly bool development = environment.IsDevelopment();
    private readonly HttpClient http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseProxy = false,
        UseCookies = false,
        // A compressed answer could be larger than it looks, and none of ours is large.
        AutomaticDecompression = DecompressionMethods.None,
        ConnectTimeout = Patience,
        MaxResponseHeadersLength = 16, // KiB
        PooledConnectionLifetime = TimeSpan.FromMinutes(1),
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(20),
        ConnectCallback = (context, cancellation) => ConnectAsync(context.DnsEndPoint, environment.IsDevelopment(), cancellation),
    })
    { Timeout = Timeout.InfiniteTimeSpan };

    /// <summary>Whether an address of a tenant's has the shape of one that may be called: https, or http to this machine in Development.</summary>
    public bool MayCall(Uri url) => url.Scheme == Uri.UriSchemeHttps || (development && url.Scheme == Uri.UriSchemeHttp && url.IsLoopback);

    /// <summary>The body of a GET that answers 200.</summary>
    /// <exception cref="OutboundException">It does not, or not in time, or with too much, or from where it may not.</exception>
    public async Task<string> GetAsync(Uri url, CancellationToken cancellation)
    {
        if (!MayCall(url)) throw new OutboundException("https is needed");
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limited.CancelAfter(Patience);
        try
        {
            using var answer = await http.GetAsync(url, HttpCompletionOption.ResponseHeadersRead, limited.Token);
            if (answer.StatusCode != HttpStatusCode.OK) throw new OutboundException($"it answered {(int)answer.StatusCode}");
            await using var body = await answer.Content.ReadAsStreamAsync(limited.Token);
            var bytes = new byte[MostBytes + 1];
            var length = await body.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, limited.Token);
            return length <= MostBytes ? Encoding.UTF8.GetString(bytes, 0, length) : throw new OutboundException("the answer is too large");
        }
        catch (Exception e) when (e is HttpRequestException or IOException or SocketException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            throw new OutboundException(e.GetBaseException() is OutboundException refused ? refused.Message : e is OperationCanceledException ? "it took too long" : "it could not be reached", e);
        }
    }

    /// <summary>Whether an address is one of the public internet's (IANA's special-purpose registries, RFC 6890).</summary>
    public static bool IsPublic(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        return address.AddressFamily == AddressFamily.InterNetwork
            ? !Special4.Any(n => n.Contains(address))
            : Global6.Contains(address) && !Special6.Any(n => n.Contains(address));
    }

    public void Dispose() => http.Dispose();

    private static async ValueTask<Stream> ConnectAsync(DnsEndPoint to, bool development, CancellationToken cancellation)
    {
        var addresses = (await Dns.GetHostAddressesAsync(to.Host, cancellation)).Where(a => IsPublic(a) || (development && IPAddress.IsLoopback(a))).ToArray();
        if (addresses.Length == 0) throw new OutboundException("its address is not a public one");
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, to.Port, cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static readonly IPNetwork[] Special4 =
    [
        .. new[]
        {
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
            "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        }.Select(IPNetwork.Parse),
    ];

    /// <summary>All that is given to anyone; loopback, link-local, unique local, multicast and NAT64 lie outside.</summary>
    private static readonly IPNetwork Global6 = IPNetwork.Parse("2000::/3");

    /// <summary>Protocol assignments with Teredo, documentation, and 6to4, which holds an IPv4 address of any kind.</summary>
    private static readonly IPNetwork[] Special6 = [.. new[] { "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20" }.Select(IPNetwork.Parse)];
}

/// <summary>A call to the outside that came to nothing. Its words are for logs and never quote the answer.</summary>
public sealed class OutboundException(string why, Exception? inner = null) : Exception(why, inner);
