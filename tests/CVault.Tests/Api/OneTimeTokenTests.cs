using System.Text;
using CVault.Security;
using JasperFx;
using Marten;

namespace CVault.Tests.Api;

/// <summary>One-time tokens, in the stack's own database.</summary>
public sealed class OneTimeTokenTests(Stack stack) : IAsyncDisposable
{
    private static readonly LookupKey Lookup = new([.. Enumerable.Range(0, 32).Select(i => (byte)i)]);
    private static readonly MasterKey Master = new([.. Enumerable.Range(7, 32).Select(i => (byte)i)]);
    private readonly DocumentStore store = DocumentStore.For(o =>
    {
        Configuration.ConfigureStore(o);
        o.Connection(stack.Database);
        o.AutoCreateSchemaObjects = AutoCreate.None;
    });

    private readonly Guid tenant = Guid.NewGuid(), subject = Guid.NewGuid();

    public ValueTask DisposeAsync() => store.DisposeAsync();

    [Fact]
    public async Task a_token_is_good_once_however_many_try_at_once()
    {
        var token = await IssueAsync();
        var spent = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => SpendAsync(token)));
        Assert.Equal(new SpentToken(tenant, subject, null), Assert.Single(spent, s => s is not null));
        Assert.Null(await SpendAsync(token));
    }

    [Fact]
    public async Task a_transaction_that_rolls_back_gives_its_token_back()
    {
        var token = await IssueAsync();
        Assert.NotNull(await SpendAsync(token, commit: false));
        Assert.NotNull(await SpendAsync(token));
    }

    [Fact]
    public async Task a_token_is_nothing_for_another_kind_in_another_tenant_or_after_its_time()
    {
        var token = await IssueAsync();
        Assert.Null(await SpendAsync(token, kind: OneTimeKind.MemberEmail));
        Assert.Null(await SpendAsync(token, of: Guid.NewGuid()));
        Assert.Null(await SpendAsync(token, after: TimeSpan.FromHours(1)));
        Assert.Null(await SpendAsync(token + "x"));
        Assert.NotNull(await SpendAsync(token, of: tenant, after: TimeSpan.FromMinutes(59)));
    }

    [Fact]
    public async Task revoking_ends_a_subjects_tokens_of_that_kind_and_no_others()
    {
        var (first, second, other) = (await IssueAsync(), await IssueAsync(), await IssueAsync(kind: OneTimeKind.MemberEmail));
        await using var session = store.LightweightSession();
        OneTimeTokens.Revoke(OneTimeKind.MemberPassword, subject).Execute(session);
        await session.SaveChangesAsync();
        Assert.Null(await SpendAsync(first));
        Assert.Null(await SpendAsync(second));
        Assert.NotNull(await SpendAsync(other, kind: OneTimeKind.MemberEmail));
    }

    [Fact]
    public async Task what_is_put_away_comes_back_and_neither_it_nor_the_token_is_in_the_database()
    {
        var token = await IssueAsync(payload: Encoding.UTF8.GetBytes("ada@example.com"));
        await using (var command = stack.Database.CreateCommand($"select t::text || encode(payload, 'escape') from {Database.Schema}.one_time_tokens t where subject = $1"))
        {
            command.Parameters.Add(new() { Value = subject });
            var row = (string)(await command.ExecuteScalarAsync())!;
            Assert.DoesNotContain(token, row, StringComparison.Ordinal);
            Assert.DoesNotContain("ada@", row, StringComparison.Ordinal);
        }

        Assert.Equal("ada@example.com", Encoding.UTF8.GetString((await SpendAsync(token))!.Payload!));
    }

    [Fact]
    public async Task the_sweep_takes_what_has_expired_alone()
    {
        var (old, young) = (await IssueAsync(lifetime: TimeSpan.FromDays(-2)), await IssueAsync());
        await OneTimeTokens.SweepAsync(stack.Database, DateTimeOffset.UtcNow.AddDays(-1), TestContext.Current.CancellationToken);
        Assert.Null(await SpendAsync(old, after: TimeSpan.FromDays(-3)));
        Assert.NotNull(await SpendAsync(young));
    }

    private async Task<string> IssueAsync(OneTimeKind kind = OneTimeKind.MemberPassword, byte[]? payload = null, TimeSpan? lifetime = null)
    {
        var (token, row) = OneTimeTokens.Issue(kind, tenant, subject, DateTimeOffset.UtcNow + (lifetime ?? TimeSpan.FromHours(1)), Lookup, Master, payload);
        await using var session = store.LightweightSession();
        row.Execute(session);
        await session.SaveChangesAsync();
        return token;
    }

    private async Task<SpentToken?> SpendAsync(string token, OneTimeKind kind = OneTimeKind.MemberPassword, Guid? of = null, TimeSpan after = default, bool commit = true)
    {
        await using var session = store.LightweightSession();
        var spent = await OneTimeTokens.SpendAsync(session, kind, token, Lookup, Master, DateTimeOffset.UtcNow + after, TestContext.Current.CancellationToken, of);
        if (commit) await session.SaveChangesAsync();
        return spent;
    }
}
