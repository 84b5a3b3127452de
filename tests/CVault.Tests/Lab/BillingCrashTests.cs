using CVault.Billing;

namespace CVault.Tests.Lab;

/// <summary>Months closed by two nodes at once, of which one is killed: one invoice a tenant and month, whatever dies when.</summary>
[Collection(Alone.Name)]
public sealed class BillingCrashTests(Stack stack, ITestOutputHelper output)
{
    [Fact]
    public async Task a_month_that_is_closed_through_kills_and_by_two_nodes_has_one_invoice()
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("CVAULT_TEST_SEED"), out var given) ? given : Random.Shared.Next();
        output.WriteLine($"CVAULT_TEST_SEED={seed}");
        var (random, kills, closed) = (new Random(seed), Size.Of(4, 50), Month.Of(DateTimeOffset.UtcNow.AddDays(-40)));
        var plan = (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/plans", new { name = "Plan", currency = "EUR", base_fee = 100 })).Is(System.Net.HttpStatusCode.Created).Text("id");
        await using var second = await Node.StartAsync(stack);
        var api = await ApiProcess.OfAsync(stack);
        var (tenants, inside) = (new List<string>(), 0);
        try
        {
            for (var i = 0; i < kills; i++)
            {
                for (var t = 0; t < 5; t++) // In one transaction, if no other node comes first.
                {
                    var tenant = await stack.NewTenantAsync();
                    (await stack.AsOperatorAsync(HttpMethod.Put, $"/admin/tenants/{tenant.Id}/subscription", new { plan_id = plan, from = closed.First.ToString("yyyy-MM-dd") })).Is(System.Net.HttpStatusCode.OK);
                    tenants.Add(tenant.Id);
                }

                // Every other one dies by itself, right before a closing's commit or right after it.
                var point = (i % 4) switch { 1 => "billing-before-commit", 3 => "billing-after-commit", _ => null };
                if (point is not null)
                {
                    await api.StartAsync(("CVAULT_FAIL_POINT", point));
                    await api.HealthyOrEndedAsync(); // It may find something to close as it starts.
                }

                var here = CloseAsync(Stack.Url);
                var there = CloseAsync(second.Url);
                if (point is null) await Task.Delay(random.Next(120));
                else await here;
                if (point is not null && api.HasEnded) inside++;
                await api.StartAsync();
                await Task.WhenAll(here, there);
                await api.HealthyAsync();
            }
        }
        finally
        {
            await StackProcess.UpAsync();
        }

        await Stack.EventuallyAsync("all are closed", TimeSpan.FromSeconds(60), async () =>
        {
            await CloseAsync(Stack.Url);
            return await CountAsync("select count(distinct tenant_id) from cvault.mt_events where type = 'month_closed_v1' and tenant_id = any($1) and data ->> 'month' = $2", tenants.ToArray(), closed.ToString()) == tenants.Count;
        });
        foreach (var type in new[] { "invoice_issued_v1", "month_closed_v1" })
        {
            Assert.Equal(tenants.Count, await CountAsync($"select count(*) from cvault.mt_events where type = '{type}' and tenant_id = any($1) and data ->> 'month' = $2", tenants.ToArray(), closed.ToString()));
        }

        Assert.Equal(0, await CountAsync("""
            select count(*) from cvault.invoice_numbers n where n.series = ''
              and n.last <> (select count(distinct data ->> 'number') from cvault.mt_events where type = 'invoice_issued_v1' and data ->> 'number' like n.year || '-%')
            """));
        Assert.NotEqual(0, inside);
        output.WriteLine($"{kills} kills, {inside} of them inside a closing, {tenants.Count} tenants, one invoice each, numbers without a gap");
    }

    /// <summary>The node may die under it.</summary>
    private static async Task CloseAsync(Uri node)
    {
        try
        {
            using var http = new HttpClient { BaseAddress = node, Timeout = TimeSpan.FromSeconds(30) };
            using var request = new HttpRequestMessage(HttpMethod.Post, "/admin/billing/close") { Content = System.Net.Http.Json.JsonContent.Create(new { month = Month.Of(DateTimeOffset.UtcNow.AddDays(-40)).ToString() }) };
            request.Headers.Add("Authorization", "Bearer " + Stack.OperatorToken);
            using var answer = await http.SendAsync(request);
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException or IOException)
        {
        }
    }

    private async Task<long> CountAsync(string sql, params object[] values)
    {
        await using var command = stack.Database.CreateCommand(sql);
        foreach (var value in values) command.Parameters.Add(new() { Value = value });
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
