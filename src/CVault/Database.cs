using System.Web;
using Npgsql;
using Weasel.Postgresql;

namespace CVault;

/// <summary>How the database is reached and where in it CVault's tables stand.</summary>
public static class Database
{
    /// <summary>The one schema of Marten's, Wolverine's and our own tables.</summary>
    public const string Schema = "cvault";

    /// <summary>A table or sequence of ours.</summary>
    public static PostgresqlObjectName Named(string name) => new(Schema, name, SchemaUtils.IdentifierUsage.General);

    /// <summary>
    /// A connection string from <c>CVAULT_DATABASE_URL</c>, either of Npgsql's own form or a URL
    /// <c>postgresql://user:password@host:port/name</c>, where <c>?host=/folder</c> names a Unix socket's folder.
    /// </summary>
    /// <exception cref="FormatException">The URL has no database name or is no URL at all.</exception>
    /// <exception cref="ArgumentException">Npgsql takes no such parameter, or not with this value.</exception>
    public static string ConnectionString(string url)
    {
        var builder = url.StartsWith("postgres", StringComparison.Ordinal) && url.Contains("://", StringComparison.Ordinal)
            ? FromUrl(url)
            : OfNpgsqlsForm(url);

        // The pool's DISCARD ALL throws away the append function's cached plans at every checkout: the largest single
        // cost of a write. The price: no session SET, LISTEN or temp table on pooled connections.
        builder.NoResetOnClose = true;
        // And no automatic preparation: an automatically prepared statement whose values
        // the server refuses leaves the connection out of step for whoever gets it next (npgsql/npgsql#6391, in
        // 10.0.3; ops/decisions/0006).
        builder.MaxAutoPrepare = 0;
        // Npgsql's defaults are 15 s and 100; a request is better refused soon than kept waiting.
        if (builder.Timeout == 15) builder.Timeout = 5;
        if (builder.MaxPoolSize == 100) builder.MaxPoolSize = 50;
        // A database that stopped answering is given up on soon; no statement of ours takes long.
        if (builder.CommandTimeout == 30) builder.CommandTimeout = 10;
        builder.ApplicationName ??= "cvault";
        return builder.ConnectionString;
    }

    private static NpgsqlConnectionStringBuilder OfNpgsqlsForm(string text)
    {
        try
        {
            return new NpgsqlConnectionStringBuilder(text);
        }
        catch (KeyNotFoundException)
        {
            // So Npgsql says of a name that it does not know when no value follows it.
            throw new FormatException("CVAULT_DATABASE_URL has a parameter that there is not.");
        }
    }

    private static NpgsqlConnectionStringBuilder FromUrl(string url)
    {
        // System.Uri refuses an empty host, which is how libpq writes "by socket".
        var scheme = url.IndexOf("://", StringComparison.Ordinal) + 3;
        var (authority, rest) = Cut(url[scheme..], '/');
        var (name, query) = Cut(rest, '?');
        var at = authority.LastIndexOf('@');
        var (user, password) = Cut(at < 0 ? "" : authority[..at], ':');
        var (host, port) = HostAndPort(authority[(at + 1)..]);
        if (name.Length == 0) throw new FormatException("CVAULT_DATABASE_URL names no database.");

        var builder = new NpgsqlConnectionStringBuilder { Database = Uri.UnescapeDataString(name) };
        if (host.Length > 0) builder.Host = host;
        if (port.Length > 0) builder.Port = Number(port);
        if (user.Length > 0) builder.Username = Uri.UnescapeDataString(user);
        if (password.Length > 0) builder.Password = Uri.UnescapeDataString(password);

        var parameters = HttpUtility.ParseQueryString(query);
        foreach (string? key in parameters)
        {
            switch (key)
            {
                case "host": builder.Host = parameters[key]; break;
                case "port": builder.Port = Number(parameters[key]!); break;
                case "sslmode": builder.SslMode = Enum.Parse<SslMode>(parameters[key]!.Replace("-", "", StringComparison.Ordinal), ignoreCase: true); break;
                case null: break;
                default: builder[key] = parameters[key]; break;
            }
        }

        return builder;
    }

    private static int Number(string port) =>
        ushort.TryParse(port, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number) ? number : throw new FormatException("CVAULT_DATABASE_URL has a port that is none.");

    /// <summary>An IPv6 address stands in brackets, since it has colons of its own (RFC 3986, 3.2.2).</summary>
    private static (string Host, string Port) HostAndPort(string text) =>
        text.StartsWith('[') && text.IndexOf(']', StringComparison.Ordinal) is > 0 and var end ? (text[1..end], text[(end + 1)..].TrimStart(':')) : Cut(text, ':');

    private static (string Before, string After) Cut(string text, char separator)
    {
        var i = text.IndexOf(separator, StringComparison.Ordinal);
        return i < 0 ? (text, "") : (text[..i], text[(i + 1)..]);
    }
}
