using System.Net;

namespace CVault.Client.Ui;

/// <summary>Asks a page with which address this computer is seen.</summary>
public static class AddressCheck
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);

    /// <returns>An IPv4 or IPv6 address; null when the page does not answer, or not with one.</returns>
    public static async Task<string?> AskAsync(Uri url, CancellationToken cancellation)
    {
        // A client for each question: a kept connection would still go the way it was made, outside the tunnel.
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false, UseCookies = false }) { Timeout = Patience, MaxResponseContentBufferSize = 256 };
        try
        {
            var answer = (await http.GetStringAsync(url, cancellation)).Trim();
            return IPAddress.TryParse(answer, out var address) ? address.ToString() : null;
        }
        catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return null;
        }
    }
}
