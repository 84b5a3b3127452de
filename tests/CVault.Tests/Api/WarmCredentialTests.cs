using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using CVault.Security;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace CVault.Tests.Api;

/// <summary>What a node remembers of credentials: enough to ask nobody, and not for long.</summary>
[Collection(Alone.Name)]
public sealed class WarmCredentialTests(Stack stack, ITestOutputHelper output)
{
    /// <summary>Nothing that this answers with comes from the database.</summary>
    private const string AnswersFromMemory = "/api/v1/devices?limit=0";

    [Fact]
    public async Task a_warm_request_is_authenticated_without_the_database()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        (await user.SendAsync(HttpMethod.Get, AnswersFromMemory)).IsProblem(400, "VALIDATION_FAILED");
        var cold = await stack.NewTenantAsync();
        // The tenant's own making is heard of with the next reading, a second later at most, and forgotten once more. Two pass.
        for (var round = 0; round < 30; round++, await Task.Delay(100))
        {
            (await user.SendAsync(HttpMethod.Get, AnswersFromMemory)).IsProblem(400, "VALIDATION_FAILED");
        }

        // Whoever reads one of these now waits until the lock is gone.
        await using var connection = await stack.Database.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var locking = connection.CreateCommand())
        {
            locking.CommandText = "lock table cvault.mt_doc_tenant, cvault.mt_doc_apikey, cvault.refresh_tokens, cvault.signing_keys in access exclusive mode";
            await locking.ExecuteNonQueryAsync();
        }

        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < 50; i++) (await user.SendAsync(HttpMethod.Get, AnswersFromMemory)).IsProblem(400, "VALIDATION_FAILED");
        output.WriteLine($"50 warm requests while the credentials' tables are locked: {Stopwatch.GetElapsedTime(start).TotalMilliseconds:0} ms");

        var waiting = cold.SendAsync(HttpMethod.Get, AnswersFromMemory);
        await Task.Delay(300);
        Assert.False(waiting.IsCompleted, "A key that this node never saw was believed or refused without a look.");
        await transaction.RollbackAsync();
        Assert.NotEqual(HttpStatusCode.InternalServerError, (await waiting).Status);

        // Nor does it ask each time what has changed: a reading that is fresh serves. Few calls, since the node's own reading waits, too.
        await using var other = await connection.BeginTransactionAsync();
        await using (var locking = connection.CreateCommand())
        {
            locking.CommandText = "lock table cvault.security_changes in access exclusive mode";
            await locking.ExecuteNonQueryAsync();
        }

        for (var i = 0; i < 5; i++) (await user.SendAsync(HttpMethod.Get, AnswersFromMemory)).IsProblem(400, "VALIDATION_FAILED");
        await other.RollbackAsync();
    }

    [Fact]
    public async Task a_change_by_hand_is_heard_too()
    {
        // Whoever repairs a database by SQL need not know of the feed: a trigger does.
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        (await user.SendAsync(HttpMethod.Get, AnswersFromMemory)).IsProblem(400, "VALIDATION_FAILED");
        await using (var command = stack.Database.CreateCommand("update cvault.mt_doc_apikey set data = jsonb_set(data, '{revokedAt}', to_jsonb(now())) where id = $1"))
        {
            command.Parameters.Add(new() { Value = tenant.PublishableKey });
            Assert.Equal(1, await command.ExecuteNonQueryAsync());
        }

        await Stack.EventuallyAsync("the key is refused", TimeSpan.FromSeconds(5), async () => (await user.SendAsync(HttpMethod.Get, AnswersFromMemory)).Code == "INVALID_API_KEY");
    }

    [Fact]
    public async Task a_change_that_commits_late_is_heard_when_it_does()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        (await user.SendAsync(HttpMethod.Get, AnswersFromMemory)).IsProblem(400, "VALIDATION_FAILED");
        await using var connection = await stack.Database.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var command = connection.CreateCommand())
        {
            command.CommandText = "update cvault.mt_doc_apikey set data = jsonb_set(data, '{revokedAt}', to_jsonb(now())) where id = $1";
            command.Parameters.Add(new() { Value = tenant.PublishableKey });
            await command.ExecuteNonQueryAsync();
        }

        // Meanwhile the node reads on, past the transaction's id.
        for (var i = 0; i < 3; i++)
        {
            await stack.NewTenantAsync();
            await Task.Delay(1100);
        }

        (await user.SendAsync(HttpMethod.Get, AnswersFromMemory)).IsProblem(400, "VALIDATION_FAILED");
        await transaction.CommitAsync();
        await Stack.EventuallyAsync("the key is refused", TimeSpan.FromSeconds(5), async () => (await user.SendAsync(HttpMethod.Get, AnswersFromMemory)).Code == "INVALID_API_KEY");
    }

    [Fact]
    public async Task a_change_that_its_own_node_could_not_read_leaves_nothing_believed()
    {
        var away = false;
        var builder = new NpgsqlDataSourceBuilder(Stack.ConnectionString);
        builder.ConnectionStringBuilder.Pooling = false;
        builder.UsePhysicalConnectionInitializer(_ => throw new NotSupportedException(), _ => away ? throw new NpgsqlException("away") : Task.CompletedTask);
        await using var database = builder.Build();
        var time = new Ticks();
        using var feed = new SecurityFeed(database, new SigningKeys(new MasterKey(RandomNumberGenerator.GetBytes(32)), time), time, NullLogger<SecurityFeed>.Instance);
        await feed.CatchUpAsync(CancellationToken.None);
        Assert.True(feed.EnsureFreshAsync(CancellationToken.None).AsTask().IsCompleted, "A fresh reading was not enough.");

        away = true;
        await using var services = new ServiceCollection().AddSingleton(feed).BuildServiceProvider();
        var http = new DefaultHttpContext { RequestServices = services };
        await new Reply(200, new { }) { ChangesCredentials = true }.ExecuteAsync(http);
        Assert.Equal(200, http.Response.StatusCode); // The change is committed, so its caller is told so.
        await Assert.ThrowsAsync<NpgsqlException>(async () => await feed.EnsureFreshAsync(CancellationToken.None));

        away = false;
        await feed.EnsureFreshAsync(CancellationToken.None);
        Assert.True(feed.EnsureFreshAsync(CancellationToken.None).AsTask().IsCompleted, "What was read again is not believed.");
    }

    /// <summary>Time that makes no reading old: each look is a tick after the one before.</summary>
    private sealed class Ticks : TimeProvider
    {
        private long now;

        public override long GetTimestamp() => Interlocked.Increment(ref now);
    }
}
