using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace CVault.Sdk;

/// <summary>One call of the API: what is sent, but for the credentials.</summary>
internal sealed class Call
{
    private const string JsonType = "application/json";

    /// <summary>.NET knows it by name only since version 5.</summary>
    private static readonly HttpMethod PatchMethod = new("PATCH");
    private string query = "";

    private Call(HttpMethod method, string path, byte[]? body = null) => (Method, Path, Body) = (method, path, body);

    public HttpMethod Method { get; }

    public string Path { get; }

    public string PathAndQuery => Path + query;

    /// <summary>JSON.</summary>
    public byte[]? Body { get; }

    /// <summary>Of a DELETE: the answer where an earlier attempt's was lost and a later one finds nothing left.</summary>
    public byte[]? Gone { get; private set; }

    /// <summary>The media type that is asked for and must be answered.</summary>
    public string Accept { get; private set; } = JsonType;

    /// <summary>Whether it needs the user's or member's token.</summary>
    public bool NeedsToken { get; private set; }

    public static Call Get(string path) => new(HttpMethod.Get, path);

    public static Call Delete(string path, string? gone = null) => new(HttpMethod.Delete, path) { Gone = gone is null ? null : Encoding.UTF8.GetBytes(gone) };

    public static Call Post(string path) => new(HttpMethod.Post, path);

    public static Call Post<T>(string path, T body, JsonTypeInfo<T> type) => new(HttpMethod.Post, path, JsonSerializer.SerializeToUtf8Bytes(body, type));

    public static Call Put<T>(string path, T body, JsonTypeInfo<T> type) => new(HttpMethod.Put, path, JsonSerializer.SerializeToUtf8Bytes(body, type));

    public static Call Patch<T>(string path, T body, JsonTypeInfo<T> type) => new(PatchMethod, path, JsonSerializer.SerializeToUtf8Bytes(body, type));

    public Call AsUser()
    {
        NeedsToken = true;
        return this;
    }

    public Call Accepting(string mediaType)
    {
        Accept = mediaType;
        return this;
    }

    /// <summary>A parameter of the query; none where the value is null.</summary>
    public Call With(string name, string? value)
    {
        if (value is not null) query += (query.Length == 0 ? "?" : "&") + name + "=" + Uri.EscapeDataString(value);
        return this;
    }

    public Call With(string name, int? value) => With(name, value?.ToString(CultureInfo.InvariantCulture));

    public Call With(UsageQuery? usage) => usage is null ? this :
        With("from", Time(usage.From)).With("to", Time(usage.To)).With("granularity", usage.Granularity).With("group_by", usage.GroupBy).With("limit", usage.Limit).With("cursor", usage.Cursor);

    private static string? Time(DateTimeOffset? time) => time?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture);
}
