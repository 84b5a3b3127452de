using Microsoft.AspNetCore.Http;

namespace CVault.Projections;

/// <summary>What a caller wants to read.</summary>
public static class Accepts
{
    /// <summary>
    /// Whether a media type is asked for by its name and no less than JSON is (RFC 9110, section 12.5.1): it is never what
    /// somebody gets who takes anything.
    /// </summary>
    public static bool Prefers(this HttpRequest request, string type)
    {
        var accept = request.GetTypedHeaders().Accept;
        double Weight(string of) => accept.Where(a => a.MediaType.Equals(of, StringComparison.OrdinalIgnoreCase)).Select(a => a.Quality ?? 1).DefaultIfEmpty(0).Max();
        return Weight(type) is > 0 and var weight && weight >= Weight("application/json");
    }
}
