using System.Net;
using CVault.Billing;
using CVault.Projections.Billing;
using CVault.Tests.Unit;
using Microsoft.Extensions.Logging.Abstractions;

namespace CVault.Tests.Api;

/// <summary>What tests of billing do to plans, subscriptions and months; months are closed by the same code in this process, whose clock can be any.</summary>
internal sealed class TestBilling(Stack stack) : IAsyncDisposable
{
    /// <summary>Another than the stack's own, so that whose name an invoice bears can be told.</summary>
    public static Seller Seller { get; } = new("Seller of then", "", null);

    public EventStore Events { get; } = new(stack);

    public ValueTask DisposeAsync() => Events.DisposeAsync();

    public static object Terms(long base_fee = 0, long monthly_minimum = 0, params object[] prices) => new { name = "Plan", currency = "EUR", base_fee, monthly_minimum, prices };

    public async Task<string> PlanAsync(object terms) => (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/plans", terms)).Is(HttpStatusCode.Created).Text("id");

    public Task<Answer> SubscribeAsync(TestTenant tenant, string plan, DateOnly from) =>
        stack.AsOperatorAsync(HttpMethod.Put, $"/admin/tenants/{tenant.Id}/subscription", new { plan_id = plan, from = from.ToString("yyyy-MM-dd") });

    public async Task CloseAsync(TestTenant tenant, Month month, DateTimeOffset? at = null) => Assert.Equal(0, (await CloseAsync([tenant], month, at)).Failed);

    public async Task<(int Closed, int Failed)> CloseAsync(IReadOnlyCollection<TestTenant> tenants, Month month, DateTimeOffset? at = null)
    {
        using var months = new CloseMonths(Events.Store, stack.Database, BillingRules.Default, Seller, at is { } then ? new Clock(then) : TimeProvider.System, NullLogger<CloseMonths>.Instance);
        var last = await CountAsync("select max(seq_id) from cvault.mt_events where tenant_id = any($1)", (object)tenants.Select(t => t.Id).ToArray());
        await Stack.EventuallyAsync("usage is read", TimeSpan.FromSeconds(10), async () => await CountAsync("select position from cvault.read_models where name = 'usage'") >= last);
        return await months.CloseAsync([.. tenants.Select(t => new DueMonth(Guid.Parse(t.Id), month))], last, default);
    }

    public async Task<long> CountAsync(string sql, params object[] values)
    {
        await using var command = stack.Database.CreateCommand(sql);
        foreach (var value in values) command.Parameters.Add(new() { Value = value });
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
