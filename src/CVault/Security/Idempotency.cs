using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Marten;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Weasel.Postgresql.Tables;
using Wolverine.Http;

namespace CVault.Security;

/// <summary>
/// <c>Idempotency-Key</c> on every POST. The claim is the first statement of the transaction that the request's
/// events are appended in, and the answer its last: a crash leaves either both the work and its answer or neither.
/// A repeat that comes while the first is under way is told so at once (409): a lock on the claim, held by the first's
/// transaction, says that it is.
/// </summary>
/// <remarks>
/// Wolverine has such a feature, but stores the answer as it is; ours carry private keys, secrets and tokens, so they
/// are stored under the master key (ops/decisions/0003).
/// </remarks>
public static class Idempotency
{
    private const string Feature = "cvault.idempotency", PlaceItem = "cvault.idempotency.place";
    private static readonly TimeSpan Kept = TimeSpan.FromHours(24);

    public static Table Schema()
    {
        var table = new Table(Database.Named("idempotency_keys"));
        table.AddColumn("claim", "bytea").AsPrimaryKey();
        table.AddColumn("request_hash", "bytea").NotNull();
        table.AddColumn("status", "integer");
        table.AddColumn("location", "text");
        table.AddColumn("body", "bytea");
        table.AddColumn("expires_at", "timestamptz").NotNull().AddIndex();
        return table;
    }

    /// <summary>Wolverine middleware, before the endpoint loads anything: claims the key or replays its answer.</summary>
    public static async Task<IResult> BeforeAsync(
        HttpContext http, IDocumentSession session, TimeProvider time, MasterKey master, LookupKey lookup, KeyedRequests keyed, CancellationToken cancellation)
    {
        var key = http.Request.Headers["Idempotency-Key"].ToString();
        if (key.Length == 0 || !HttpMethods.IsPost(http.Request.Method)) return WolverineContinue.Result();
        if (key.Length > 255) return new ProblemResult(Problems.Validation(("Idempotency-Key", "At most 255 characters.")));

        // Who asks is part of the claim, so that nobody is ever answered with another's response. Both hashes are keyed:
        // a body may hold a password, and a plain hash of it would be a faster way to guess it than Argon2.
        // Those who are nobody yet are told apart by what they send: a stranger's key is none of theirs.
        var body = await BodyAsync(http.Request, cancellation);
        var who = Actor.Of(http) is var actor && actor == Actor.Anonymous ? actor + "\0" + body : actor;
        var claim = Convert.FromHexString(lookup.Hash("idempotency-claim", string.Join('\0', who, RouteOf(http), key)));
        var requestHash = Convert.FromHexString(lookup.Hash("idempotency-body", Convert.ToHexStringLower(claim) + body));
        var now = time.GetUtcNow();

        // From here on a database connection is held, also while a password is hashed. Requests with keys share some of the
        // connections, so that those without, and other tenants, go on.
        var place = await keyed.EnterAsync(http.Request.Path, http.User.FindFirst(Actor.TenantClaim)?.Value ?? Actor.Of(http), cancellation);
        http.Items[PlaceItem] = place;
        http.Response.RegisterForDispose(place);

        await session.BeginTransactionAsync(cancellation);
        await using var insert = new NpgsqlCommand($"""
            insert into {Database.Schema}.idempotency_keys as i (claim, request_hash, expires_at) select $1, $2, $3 where pg_try_advisory_xact_lock($5)
            on conflict (claim) do update set request_hash = excluded.request_hash, expires_at = excluded.expires_at, status = null, location = null, body = null
              where i.expires_at < $4
            returning 1
            """);
        insert.Parameters.Add(new() { Value = claim });
        insert.Parameters.Add(new() { Value = requestHash });
        insert.Parameters.Add(new() { Value = now + Kept });
        insert.Parameters.Add(new() { Value = now });
        insert.Parameters.Add(new() { Value = BinaryPrimitives.ReadInt64LittleEndian(claim) });
        await using (var claimed = await session.ExecuteReaderAsync(insert, cancellation))
        {
            if (await claimed.ReadAsync(cancellation))
            {
                http.Items[Feature] = claim;
                return WolverineContinue.Result();
            }
        }

        await using var select = new NpgsqlCommand($"select request_hash, status, location, body from {Database.Schema}.idempotency_keys where claim = $1 and expires_at >= $2");
        select.Parameters.Add(new() { Value = claim });
        select.Parameters.Add(new() { Value = now });
        await using var found = await session.ExecuteReaderAsync(select, cancellation);
        if (!await found.ReadAsync(cancellation) || found.IsDBNull(1))
        {
            http.Response.Headers.RetryAfter = "1";
            return new ProblemResult(Problems.Conflict("The first request with this Idempotency-Key is still under way."));
        }

        if (!CryptographicOperations.FixedTimeEquals((byte[])found.GetValue(0), requestHash)) return new ProblemResult(Problems.IdempotencyKeyReused());
        return new Replay(found.GetInt32(1), found.IsDBNull(2) ? null : found.GetString(2), master.Unwrap((byte[])found.GetValue(3), Subject(claim)));
    }

    /// <summary>Wolverine middleware, after the endpoint decided and before the commit: the answer joins the transaction.</summary>
    public static void After(Reply reply, HttpContext http, IDocumentSession session, MasterKey master)
    {
        if (http.Items[Feature] is not byte[] claim) return;
        session.QueueSqlCommand(
            $"update {Database.Schema}.idempotency_keys set status = ?, location = nullif(?, ''), body = ? where claim = ?",
            reply.Status, reply.Location ?? "",
            master.Wrap(reply.Utf8Body(), Subject(claim)), claim);
        FailPoint.Reached("before-commit");
    }

    /// <summary>
    /// The answer changed after the commit (the peer went live): a repeat should hear the same. Not part of the
    /// promise; after a crash the repeat hears <c>pending</c>.
    /// </summary>
    public static async Task AmendAsync(HttpContext http, Reply reply)
    {
        if (http.Items[Feature] is not byte[] claim) return;
        var master = http.RequestServices.GetRequiredService<MasterKey>();
        await using var update = http.RequestServices.GetRequiredService<NpgsqlDataSource>()
            .CreateCommand($"update {Database.Schema}.idempotency_keys set body = $1 where claim = $2");
        update.Parameters.Add(new() { Value = master.Wrap(reply.Utf8Body(), Subject(claim)) });
        update.Parameters.Add(new() { Value = claim });
        try
        {
            await update.ExecuteNonQueryAsync(http.RequestAborted);
        }
        catch (NpgsqlException)
        {
            // The work is committed and its answer stored; this was only its finer point.
        }
    }

    /// <summary>Deletes what is older than the promise of 24 hours.</summary>
    public static async Task<int> SweepAsync(NpgsqlDataSource database, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"delete from {Database.Schema}.idempotency_keys where expires_at < $1");
        command.Parameters.Add(new() { Value = now });
        return await command.ExecuteNonQueryAsync(cancellation);
    }

    internal static string Subject(byte[] claim) => "idempotency:" + Convert.ToHexStringLower(claim);

    /// <summary>The work is committed: what follows only waits for a server.</summary>
    public static void Leave(HttpContext http) => (http.Items[PlaceItem] as IDisposable)?.Dispose();

    /// <summary>The endpoint and its ids, however the caller spelled the path.</summary>
    private static string RouteOf(HttpContext http) =>
        http.Request.Method + " " + (http.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText + " "
        + string.Join(' ', http.Request.RouteValues.OrderBy(v => v.Key, StringComparer.Ordinal).Select(v => v.Value?.ToString()?.ToLowerInvariant()));

    private static async Task<string> BodyAsync(HttpRequest request, CancellationToken cancellation)
    {
        request.Body.Position = 0;
        using var reader = new StreamReader(request.Body, Encoding.Latin1, leaveOpen: true);
        var body = await reader.ReadToEndAsync(cancellation);
        request.Body.Position = 0;
        return body;
    }

    private sealed class Replay(int status, string? location, byte[] body) : IResult
    {
        public async Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.StatusCode = status;
            httpContext.Response.Headers["Idempotent-Replayed"] = "true";
            if (location is not null) httpContext.Response.Headers.Location = location;
            httpContext.Response.ContentType = "application/json";
            await httpContext.Response.Body.WriteAsync(body, httpContext.RequestAborted);
        }
    }
}

/// <summary>
/// How many requests with an idempotency key may be under way at once: as many as half of the connection pool, of one
/// tenant (or of nobody's, or of operators) a quarter of those. Sign-ins have half of the places to themselves: they
/// wait for passwords to be hashed and for identity providers that tenants chose, and nothing else should wait for that.
/// </summary>
public sealed class KeyedRequests
{
    private readonly int most;
    private readonly SemaphoreSlim signIns, others;
    private readonly Dictionary<(bool, string), Share> shares = [];

    public KeyedRequests(NpgsqlDataSource database) : this(new NpgsqlConnectionStringBuilder(database.ConnectionString).MaxPoolSize / 2) { }

    public KeyedRequests(int places)
    {
        most = Math.Max(1, places / 4);
        (signIns, others) = (new(Math.Max(1, places / 2)), new(Math.Max(1, places / 2)));
    }

    /// <summary>Waits for a place; disposing it, once or more often, gives it back.</summary>
    /// <param name="path">What is asked for.</param>
    /// <param name="asker">Who shares a share: a tenant.</param>
    public async Task<IDisposable> EnterAsync(PathString path, string asker, CancellationToken cancellation)
    {
        var signIn = path.StartsWithSegments("/api/v1/auth") || path.StartsWithSegments("/api/v1/tenant/auth");
        var (all, of) = (signIn ? signIns : others, (signIn, asker));
        Share? share;
        lock (shares)
        {
            if (!shares.TryGetValue(of, out share)) shares[of] = share = new Share(new SemaphoreSlim(most));
            share.Users++;
        }

        var mine = false;
        try
        {
            await share.Places.WaitAsync(cancellation);
            mine = true;
            await all.WaitAsync(cancellation);
        }
        catch
        {
            Leave(of, share, mine);
            throw;
        }

        return new Place(() =>
        {
            all.Release();
            Leave(of, share, mine: true);
        });
    }

    private void Leave((bool, string) of, Share share, bool mine)
    {
        if (mine) share.Places.Release();
        lock (shares)
        {
            if (--share.Users == 0) shares.Remove(of);
        }
    }

    private sealed class Share(SemaphoreSlim places)
    {
        public SemaphoreSlim Places => places;
        public int Users { get; set; }
    }

    private sealed class Place(Action leave) : IDisposable
    {
        private int given;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref given, 1) == 0) leave();
        }
    }
}
