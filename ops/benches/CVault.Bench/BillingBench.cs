using System.Diagnostics;
using System.Globalization;
using System.Text;
using CVault.Billing;

namespace CVault.Bench;

/// <summary>
/// Closing a month for many tenants, by the running API and to its last commit, beside the same sums over the samples in one
/// statement of SQL. The samples, and what the read model makes of them, are written before.
/// </summary>
public sealed class BillingBench(Stack stack, bool quick)
{
    private const int Users = 10;
    private readonly int tenants = quick ? 50 : 1000;
    private readonly long samples = quick ? 500_000 : 10_000_000;
    private readonly Month month = Month.Of(Month.Of(DateTimeOffset.UtcNow).First.AddDays(-1));

    public async Task<string> RunAsync()
    {
        var plan = (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/plans", new
        {
            name = "Bench", currency = "EUR", base_fee = 4900, prices = new object[]
            {
                new { metric = "traffic", included = "10", tiers = new object[] { new { up_to = "100", unit_price = "4.5" }, new { unit_price = "3" } } },
                new { metric = "traffic", region = "eu-west", tiers = new object[] { new { unit_price = "7.1" } } },
                new { metric = "connection_time", tiers = new object[] { new { unit_price = "0.25" } } },
                new { metric = "active_users", tiers = new object[] { new { unit_price = "25" } } },
            },
        }))["id"]!.ToString();
        var ids = new List<Guid>();
        for (var i = 0; i < tenants; i++) ids.Add(Guid.Parse((await stack.AsOperatorAsync(HttpMethod.Post, "/admin/tenants", new { name = "Billed " + i }))["id"]!.ToString()));
        var filled = await FillAsync([.. ids]);
        Console.Error.WriteLine($"    {tenants} subscriptions");
        await Parallel.ForEachAsync(ids, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (id, _) =>
            await stack.AsOperatorAsync(HttpMethod.Put, $"/admin/tenants/{id}/subscription", new { plan_id = plan, from = month.First.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) }));
        Console.Error.WriteLine($"    closing {month}");
        var start = Stopwatch.GetTimestamp();
        var answer = await stack.AsOperatorAsync(HttpMethod.Post, "/admin/billing/close", new { month = month.ToString() });
        var closing = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (answer["closed"]!.GetValue<long>() != tenants) throw new InvalidOperationException("The request was to close all of them: " + answer.ToJsonString());

        var floor = await MedianAsync("""
            select count(*) from (
              select tenant_id, region, sum(rx_bytes + tx_bytes), 15 * count(*), count(distinct user_id) from bench.billed where at >= $1 and at < $2 group by tenant_id, region) s
            """);
        var days = await MedianAsync("""
            select count(*) from (
              select s.tenant_id, s.region, sum(d.rx_bytes + d.tx_bytes), sum(d.connected_seconds), count(distinct s.user_id)
              from cvault.usage_days d join cvault.usage_sessions s using (tenant_id, number) where d.start >= $1 and d.start < $2 group by s.tenant_id, s.region) s
            """);
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"# Billing, {DateTimeOffset.UtcNow:yyyy-MM-dd}").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"`ops/bench billing{(quick ? " --quick" : "")}` of {Stack.Variable("CVAULT_BENCH_COMMIT")}, {Environment.ProcessorCount} cores for everything: {tenants:N0} tenants with {Users} users each, {filled:N0} samples.").AppendLine();
        text.AppendLine("| | seconds | samples a second |").AppendLine("|---|---:|---:|");
        text.AppendLine(CultureInfo.InvariantCulture, $"| closing the month: {await stack.CountAsync("select count(*) from cvault.mt_events where type = 'invoice_issued_v1'"):N0} invoices, to the last commit | {closing:0.0} | {filled / closing:N0} |");
        text.AppendLine(CultureInfo.InvariantCulture, $"| the same sums over the samples, one statement of SQL, median of 3 | {floor:0.0} | {filled / floor:N0} |");
        text.AppendLine(CultureInfo.InvariantCulture, $"| the same sums over the read model's days, which is what closing reads, one statement of SQL, median of 3 | {days:0.0} | {filled / days:N0} |").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"Ratio {floor / closing:0.00} to the sums over the samples; target 0.25: {(floor / closing >= 0.25 ? "met" : "missed")}.");
        return text.ToString();
    }

    /// <summary>How long a statement about the month takes.</summary>
    private async Task<double> MedianAsync(string sql)
    {
        var seconds = new List<double>();
        for (var round = 0; round < 3; round++)
        {
            var start = Stopwatch.GetTimestamp();
            await stack.QueryAsync(sql, month.From, month.Until);
            seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return seconds.Order().ElementAt(1);
    }

    /// <summary>A session a user and day, half of them in each region, with a sample each 15 s.</summary>
    private async Task<long> FillAsync(Guid[] of)
    {
        var perSession = samples / (tenants * Users * month.Days);
        Console.Error.WriteLine($"    {perSession * tenants * Users * month.Days:N0} samples");
        await stack.QueryAsync("create schema if not exists bench");
        await stack.QueryAsync("drop table if exists bench.billed");
        await stack.QueryAsync("create table bench.billed (tenant_id uuid not null, at timestamptz not null, number bigint not null, user_id uuid not null, region text not null, rx_bytes bigint not null, tx_bytes bigint not null)");
        await stack.QueryAsync("create table if not exists bench.billed_users (tenant_id uuid, n int, user_id uuid)");
        await stack.QueryAsync("insert into bench.billed_users select t, n, gen_random_uuid() from unnest($1::uuid[]) t, generate_series(0, $2 - 1) n", of, Users);
        await stack.QueryAsync("""
            insert into bench.billed
            select u.tenant_id, $3 + d * interval '24 hours' + u.n * interval '1 hour' + s * interval '15 seconds', (1::bigint << 51) + d * 1000000 + row_number() over (partition by d, s order by u.tenant_id, u.n), u.user_id,
              case when u.n % 2 = 0 then 'us-east' else 'eu-west' end, 1000000, 20000000
            from generate_series(0, $1 - 1) d, bench.billed_users u, generate_series(0, $2 - 1) s
            """, month.Days, (int)perSession, month.From);
        await stack.QueryAsync("""
            insert into cvault.usage_sessions (tenant_id, number, session_id, user_id, device_id, server_id, region, started_at, ended_at, reason)
            select tenant_id, number, gen_random_uuid(), user_id, user_id, gen_random_uuid(), region, min(at), max(at), 'timed_out' from bench.billed group by tenant_id, number, user_id, region
            """);
        await stack.QueryAsync("insert into cvault.usage_days select tenant_id, date_trunc('day', at, 'UTC'), number, sum(rx_bytes), sum(tx_bytes), 15 * count(*) from bench.billed group by 1, 2, 3");
        await stack.QueryAsync("vacuum analyze bench.billed, cvault.usage_sessions, cvault.usage_days");
        return await stack.CountAsync("select count(*) from bench.billed");
    }
}
