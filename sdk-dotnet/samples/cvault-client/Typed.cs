using System.Net;
using CVault.Sdk;

namespace CVault.Client;

/// <summary>What users type, read and refused in their words. The messages repeat no value: it could be a secret in the wrong place.</summary>
public static class Typed
{
    public static string Needed(string field, string? value) =>
        string.IsNullOrWhiteSpace(value) ? throw Wrong(field, "This is needed.") : field == "password" ? value : value.Trim();

    public static Uri ApiUrl(string? text) =>
        Url(Needed("api_url", text)) is { } url && url.Query == "" && url.Fragment == "" ? Secure("api_url", url) : throw Wrong("api_url", "A URL such as https://api.example.com.");

    /// <summary>A publishable key. A secret one is refused before it is kept or sent anywhere.</summary>
    public static string ApiKey(string? text)
    {
        var key = Needed("api_key", text);
        if (key.StartsWith("cvk_", StringComparison.Ordinal) || key.StartsWith("cvs_", StringComparison.Ordinal))
        {
            throw Wrong("api_key", "This is a secret key, which belongs on a server alone. Take a publishable one (cvp_…).");
        }

        return key.StartsWith("cvp_", StringComparison.Ordinal) && key.Length <= 64 && key.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')
            ? key
            : throw Wrong("api_key", "A publishable key begins with cvp_. The business whose app this is gives it.");
    }

    /// <summary>Null for none. http is taken: the answer is an address that the network sees anyway.</summary>
    public static Uri? CheckUrl(string? text) =>
        string.IsNullOrWhiteSpace(text) ? null : Url(text.Trim()) ?? throw Wrong("check_url", "A URL such as https://ip.example.com, or nothing.");

    private static Uri? Url(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url) && (url.Scheme == Uri.UriSchemeHttps || url.Scheme == Uri.UriSchemeHttp) && url.UserInfo == "" ? url : null;

    private static Uri Secure(string field, Uri url) =>
        url.Scheme == Uri.UriSchemeHttps || url.Host == "localhost" || (IPAddress.TryParse(url.Host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address))
            ? url
            : throw Wrong(field, "https is needed, except for this computer.");

    private static CVaultException Wrong(string field, string message) => new(CVaultErrorCodes.ValidationFailed, $"{field}: {message}")
    {
        Errors = new Dictionary<string, IReadOnlyList<string>> { [field] = [message] },
    };
}
