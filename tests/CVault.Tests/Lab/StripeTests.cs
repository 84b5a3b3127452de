using System.Net;
using System.Text.Json.Nodes;
using CVault.Billing;
using CVault.Metering;
using CVault.Tests.Api;

namespace CVault.Tests.Lab;

/// <summary>Row 36, as far as it is Stripe's: what is said to it counts once, and what it says is applied once, whatever fails on the way and in whatever order.</summary>
[Collection(Alone.Name)]
public sealed class StripeTests(Stack stack, ITestOutputHelper output) : IAsyncDisposable
{
    private const string Secret = "whsec_of_the_stand_in";
    private static readonly Month Closed = Month.Of(DateTimeOffset.UtcNow.AddDays(-40));

    private readonly EventStore events = new(stack);
    private readonly int seed = int.TryParse(Environment.GetEnvironmentVariable("CVAULT_TEST_SEED"), out var given) ? given : Random.Shared.Next();

    public ValueTask DisposeAsync() => events.DisposeAsync();

    [Fact]
    public async Task a_stripe_that_refuses_is_silent_repeats_and_reorders_counts_each_meter_event_once_and_each_payment_once()
    {
        output.WriteLine($"CVAULT_TEST_SEED={seed}");
        var random = new Random(seed);
        await using var stripe = await StripeStandIn.StartAsync(seed);
        stripe.Trouble = 20;
        await using var node = await NodeAsync(stripe);
        await ReadyAsync(node);
        var plan = (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/plans", new { name = "Plan", currency = "EUR", base_fee = 12_345 })).Is(HttpStatusCode.Created).Text("id");
        var tenants = new List<(TestTenant Tenant, string Customer)>();
        for (var i = 0; i < 6; i++)
        {
            var tenant = await stack.NewTenantAsync();
            tenants.Add((tenant, i == 5 ? "" : "cus_" + Guid.NewGuid().ToString("N")[..14]));
            if (i < 5) await LinkAsync(tenant, tenants[i].Customer);
            (await stack.AsOperatorAsync(HttpMethod.Put, $"/admin/tenants/{tenant.Id}/subscription", new { plan_id = plan, from = Closed.First.ToString("yyyy-MM-dd") })).Is(HttpStatusCode.OK);
        }

        (await stack.AsOperatorAsync(HttpMethod.Patch, $"/admin/tenants/{tenants[1].Tenant.Id}/billing", new { stripe_customer = tenants[0].Customer })).IsProblem(409, "CONFLICT");

        // Usage of six tenants, one of whom is not linked; the node dies in the middle of it.
        var readings = Size.Of(20, 400);
        var moved = tenants.ToDictionary(t => t.Customer, _ => 0L);
        for (var i = 0; i < readings; i++)
        {
            foreach (var (tenant, customer) in tenants)
            {
                var at = DateTimeOffset.UtcNow.AddMinutes(-random.Next(600));
                var (rx, tx) = (random.NextInt64(1, 1L << 40), random.NextInt64(1, 1L << 40));
                await events.MeterAsync(tenant.Id, Guid.NewGuid(), at.AddSeconds(-15), at, new Sample(EventStore.NextNumber(), rx, tx));
                moved[customer] += rx + tx;
            }

            if (i == readings / 2) await node.RestartAsync(NodeSettings(stripe));
        }

        (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/billing/close", new { month = Closed.ToString() })).Is(HttpStatusCode.OK);
        // What a test that failed has left may be said here too.
        var customers = tenants.Take(5).Select(t => t.Customer).ToHashSet();
        JsonObject[] Invoices() => [.. stripe.Invoices.Values.Where(i => customers.Contains(i["customer"]!.ToString()))];
        await Stack.EventuallyAsync("everything is said", TimeSpan.FromSeconds(400), async () =>
        {
            // Whoever was unlucky often waits an hour: longer than the test, and than any claim, which must run out by itself.
            await CountAsync("with sooner as (update cvault.stripe_outbox set next_at = now() where next_at > now() + $1 and tenant_id = any($2) returning 1) select count(*) from sooner", StripeOutbox.Claim + TimeSpan.FromSeconds(2), tenants.Select(t => t.Tenant.Id).ToArray());
            return stripe.Metered.Values.Count(m => customers.Contains(m.Customer)) == 5 * readings && Invoices().Length == 5 && await CountAsync("select count(*) from cvault.stripe_outbox where tenant_id = any($1)", (object)tenants.Select(t => t.Tenant.Id).ToArray()) == 0;
        });
        Assert.All(tenants.Take(5), t => Assert.Equal((t.Customer, moved[t.Customer]), (t.Customer, stripe.Metered.Values.Where(m => m.Customer == t.Customer).Sum(m => m.Bytes))));
        Assert.All(Invoices(), i => Assert.Equal(("open", 12_345L, 1), (i["status"]!.ToString(), i["items"]!.AsArray().Sum(l => l!["amount"]!.GetValue<long>()), i["items"]!.AsArray().Count)));
        Assert.Equal(5, Invoices().Select(i => i["customer"]!.ToString()).Distinct().Count());

        // What becomes of the payments, in any order, some of it twice, to a node that dies once more; Stripe repeats what was not answered 200.
        var (said, paid) = (new List<JsonObject>(), new Dictionary<string, long>());
        foreach (var invoice in Invoices())
        {
            var (id, intent) = (invoice["id"]!.ToString(), "pi_" + Guid.NewGuid().ToString("N"));
            var (back, failed) = (random.Next(1, 12_000), random.Next(1, 300));
            var (refund, other) = (Refund(intent, back, "succeeded"), Refund(intent, failed, "succeeded"));
            said.Add(StripeStandIn.Event("invoice.payment_failed", new JsonObject { ["id"] = id, ["object"] = "invoice", ["attempt_count"] = 1 }));
            said.Add(StripeStandIn.Event("invoice_payment.paid", new JsonObject
            {
                ["id"] = "inpay_" + Guid.NewGuid().ToString("N"), ["object"] = "invoice_payment", ["invoice"] = id, ["amount_paid"] = 12_345, ["amount_requested"] = 12_345, ["currency"] = "eur", ["status"] = "paid",
                ["payment"] = new JsonObject { ["type"] = "payment_intent", ["payment_intent"] = intent },
            }));
            said.Add(StripeStandIn.Event("refund.created", refund));
            said.Add(StripeStandIn.Event("refund.updated", refund.DeepClone().AsObject())); // The same news by another event.
            said.Add(StripeStandIn.Event("refund.created", other));
            var gone = other.DeepClone().AsObject();
            gone["status"] = "failed";
            said.Add(StripeStandIn.Event("refund.failed", gone));
            said.Add(StripeStandIn.Event("customer.updated", new JsonObject { ["id"] = "cus_x", ["object"] = "customer" }));
            paid[invoice["metadata"]!["cvault_invoice"]!.ToString()] = 12_345 - back;
        }

        said.AddRange(said.Where(_ => random.Next(3) == 0).ToArray());
        said.Add(StripeStandIn.Event("refund.created", Refund("pi_of_somebody_else", 5, "succeeded")));
        var wire = new Queue<JsonObject>(said.OrderBy(_ => random.Next()));
        var (deliveries, dies) = (0, wire.Count / 2);
        while (wire.Count > 0)
        {
            var some = Enumerable.Range(0, Math.Min(4, wire.Count)).Select(_ => wire.Dequeue()).ToArray();
            var killed = deliveries < dies && deliveries + some.Length >= dies ? node.RestartAsync(NodeSettings(stripe)) : Task.CompletedTask;
            var answers = await Task.WhenAll(some.Select(s => DeliverAsync(node, s, Secret, DateTimeOffset.UtcNow)));
            foreach (var (s, answer) in some.Zip(answers)) if (answer != 200) wire.Enqueue(s);
            deliveries += some.Length;
            await killed;
        }

        foreach (var (tenant, _) in tenants.Take(5))
        {
            var id = (await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/invoices")).Is(HttpStatusCode.OK).Json["invoices"]![0]!["id"]!.ToString();
            var invoice = (await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/invoices/" + id)).Is(HttpStatusCode.OK);
            var payments = invoice.Json["payments"]!.AsArray();
            Assert.Equal(paid[id], payments.Sum(p => p!["amount"]!.GetValue<long>()));
            Assert.Equal(payments.Count, payments.Select(p => p!["reference"]!.ToString()).Distinct().Count());
            Assert.Single(invoice.Json["payment_failures"]!.AsArray());
        }

        output.WriteLine($"{5 * readings} meter events and 5 invoices through {string.Join(", ", stripe.Troubles.OrderBy(t => t.Key, StringComparer.Ordinal).Select(t => $"{t.Value} x {t.Key}"))}; {deliveries} webhooks of {said.Distinct().Count()} events; two kills; each counted once");
    }

    [Fact]
    public async Task a_forged_or_replayed_webhook_is_refused_and_one_without_stripe_is_unknown()
    {
        await using var stripe = await StripeStandIn.StartAsync(seed);
        await using var node = await NodeAsync(stripe);
        var before = await CountAsync("select count(*) from cvault.stripe_events");
        JsonObject Said() => StripeStandIn.Event("refund.created", Refund("pi_" + Guid.NewGuid().ToString("N"), 5, "succeeded"));
        Assert.Equal(400, await DeliverAsync(node, Said(), "whsec_forged", DateTimeOffset.UtcNow));
        Assert.Equal(400, await DeliverAsync(node, Said(), Secret, DateTimeOffset.UtcNow.AddSeconds(-310)));
        var (body, signature) = StripeStandIn.Sign(Said(), Secret, DateTimeOffset.UtcNow);
        foreach (var (sent, by) in new[] { (body + " ", signature), (body, ""), (body, "t=,v1="), (body, signature.Replace("v1=", "v0=", StringComparison.Ordinal)), ("", signature), ("[" + body + "]", signature) })
        {
            Assert.Equal(400, await PostAsync(node, sent, by));
        }

        // Signed, and nothing that Stripe says.
        foreach (var odd in new[] { "{}", "[]", "null", "7", "{\"id\":7,\"type\":{},\"data\":[]}", "{\"id\":null,\"object\":\"event\",\"type\":\"refund.created\",\"data\":null}", new string('[', 5000) })
        {
            var second = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
            var mac = Convert.ToHexStringLower(System.Security.Cryptography.HMACSHA256.HashData(System.Text.Encoding.UTF8.GetBytes(Secret), System.Text.Encoding.UTF8.GetBytes($"{second}.{odd}")));
            Assert.InRange(await PostAsync(node, odd, $"t={second},v1={mac}"), 200, 499);
        }

        Assert.Equal(413, await PostAsync(node, new string(' ', 300_000), "t=1,v1=00"));
        Assert.Equal(before, await CountAsync("select count(*) from cvault.stripe_events"));
        (await stack.SendAsync(HttpMethod.Post, "/webhooks/stripe", new { id = "evt_1" })).IsProblem(404, "NOT_FOUND");
    }

    [Fact]
    public async Task usage_of_which_nobody_knows_for_a_day_whether_it_was_counted_is_not_said_again_before_an_operator_says_so()
    {
        await using var stripe = await StripeStandIn.StartAsync(seed);
        (stripe.Trouble, stripe.Ways) = (100, ["silent", "silent after it"]);
        await using var node = await NodeAsync(stripe);
        await ReadyAsync(node);
        var tenant = await stack.NewTenantAsync();
        await LinkAsync(tenant, "cus_" + Guid.NewGuid().ToString("N")[..14]);
        var at = DateTimeOffset.UtcNow;
        await events.MeterAsync(tenant.Id, Guid.NewGuid(), at.AddSeconds(-15), at, new Sample(EventStore.NextNumber(), 5, 6));
        await events.MeterAsync(tenant.Id, Guid.NewGuid(), at.AddDays(-36), at.AddDays(-36), new Sample(EventStore.NextNumber(), 7, 8));
        await Stack.EventuallyAsync("one is set aside as too old", TimeSpan.FromSeconds(30), async () => await StateAsync(tenant, "Expired") == 1);
        // Its day passes between two attempts, so that none is under way: one that is has a claim of two minutes.
        await Stack.EventuallyAsync("the other was tried, a day ago", TimeSpan.FromSeconds(60), async () =>
            await CountAsync("""
                with aged as (
                  update cvault.stripe_outbox set unsure_since = now() - interval '24 hours'
                  where tenant_id = $1 and state = 'Waiting' and attempts > 1 and problem is not null and next_at < now() + interval '1 minute' returning 1)
                select count(*) from aged
                """, tenant.Id) == 1);
        stripe.Trouble = 0;
        await Stack.EventuallyAsync("it is set aside", TimeSpan.FromSeconds(60), async () => await StateAsync(tenant, "Doubtful") == 1);
        var listed = (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/billing/stripe")).Is(HttpStatusCode.OK).Json["troubled"]!.AsArray().Where(t => t!["tenant_id"]!.ToString() == tenant.Id).ToDictionary(t => t!["state"]!.ToString(), t => t!["id"]!.ToString());
        var counted = stripe.Metered.Count;
        (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/billing/stripe/" + listed["expired"])).Is(HttpStatusCode.OK);
        (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/billing/stripe/" + listed["expired"])).IsProblem(404, "NOT_FOUND");
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/billing/stripe/{listed["doubtful"]}/resend")).Is(HttpStatusCode.OK);
        await Stack.EventuallyAsync("it is said", TimeSpan.FromSeconds(30), async () => await CountAsync("select count(*) from cvault.stripe_outbox where tenant_id = $1", tenant.Id) == 0);
        Assert.InRange(stripe.Metered.Count - counted, 0, 1); // Perhaps Stripe had counted it after all.
        Assert.Equal(11, stripe.Metered[listed["doubtful"]].Bytes);
    }

    [Fact]
    public async Task stripe_no_longer_asks_for_what_was_credited_or_paid_otherwise()
    {
        await using var stripe = await StripeStandIn.StartAsync(seed);
        await using var node = await NodeAsync(stripe);
        await ReadyAsync(node);
        var tenant = await stack.NewTenantAsync();
        var customer = "cus_" + Guid.NewGuid().ToString("N")[..14];
        await LinkAsync(tenant, customer);
        JsonNode? There() => stripe.Invoices.Values.SingleOrDefault(i => i["customer"]!.ToString() == customer);
        JsonObject[] Notes() => [.. stripe.CreditNotes.Values.Where(n => n["invoice"]!.ToString() == There()!["id"]!.ToString())];
        var plan = (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/plans", new { name = "Plan", currency = "EUR", base_fee = 1000 })).Is(HttpStatusCode.Created).Text("id");
        (await stack.AsOperatorAsync(HttpMethod.Put, $"/admin/tenants/{tenant.Id}/subscription", new { plan_id = plan, from = Closed.First.ToString("yyyy-MM-dd") })).Is(HttpStatusCode.OK);
        // As if somebody had deleted a draft of it there: another is made.
        await using (var gone = stack.Database.CreateCommand("insert into cvault.stripe_invoices (stripe_id, invoice_id, tenant_id) values ($1, $2, $3)"))
        {
            foreach (var value in new object[] { "in_gone_" + tenant.Id, Invoice.IdOf(Guid.Parse(tenant.Id), Closed), tenant.Id }) gone.Parameters.Add(new() { Value = value });
            await gone.ExecuteNonQueryAsync();
        }

        (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/billing/close", new { month = Closed.ToString() })).Is(HttpStatusCode.OK);
        var id = (await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/invoices")).Is(HttpStatusCode.OK).Json["invoices"]![0]!["id"]!.ToString();
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/tenants/{tenant.Id}/invoices/{id}/credit-notes", new { amount = 100, reason = "Sorry" })).Is(HttpStatusCode.OK);
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/tenants/{tenant.Id}/invoices/{id}/payments", new { amount = 900, reference = "bank 1" })).Is(HttpStatusCode.OK);
        await Stack.EventuallyAsync("it is paid there", TimeSpan.FromSeconds(60), () => Task.FromResult(There()?["status"]?.ToString() == "paid"));
        Assert.Equal("true", There()!["out_of_band"]!.ToString());
        Assert.Equal(100, Assert.Single(Notes())["amount"]!.GetValue<long>());

        // What is credited of a paid invoice can only have gone back. The link is not needed for it any more.
        (await stack.AsOperatorAsync(HttpMethod.Patch, $"/admin/tenants/{tenant.Id}/billing", new { stripe_customer = (string?)null })).Is(HttpStatusCode.OK);
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/tenants/{tenant.Id}/invoices/{id}/credit-notes", new { amount = 50, reason = "Sorry again" })).Is(HttpStatusCode.OK);
        await Stack.EventuallyAsync("that is told too", TimeSpan.FromSeconds(60), async () => Notes().Length == 2 && await CountAsync("select count(*) from cvault.stripe_outbox where tenant_id = $1", tenant.Id) == 0);
    }

    [Fact]
    public async Task the_place_up_to_which_was_looked_never_goes_back()
    {
        await using var stripe = await StripeStandIn.StartAsync(seed);
        await using var node = await NodeAsync(stripe);
        await ReadyAsync(node);
        // As where the usage model is made anew, and so is behind.
        const long Ahead = 1_000_000_000_000;
        await MoveAsync(Ahead);
        try
        {
            await Task.Delay(TimeSpan.FromSeconds(7));
            Assert.InRange(await CountAsync("select position from cvault.stripe_position"), Ahead, long.MaxValue);
        }
        finally
        {
            await MoveAsync(-Ahead);
        }
    }

    private async Task MoveAsync(long by)
    {
        await using var command = stack.Database.CreateCommand("update cvault.stripe_position set position = position + $1");
        command.Parameters.Add(new() { Value = by });
        await command.ExecuteNonQueryAsync();
    }

    private static (string, string)[] NodeSettings(StripeStandIn stripe) =>
        [("CVAULT_STRIPE_SECRET_KEY", "sk_test_of_the_stand_in"), ("CVAULT_STRIPE_WEBHOOK_SECRET", Secret), ("CVAULT_STRIPE_API_BASE", stripe.Url), ("CVAULT_STRIPE_TIMEOUT", "1")];

    private async Task<StripeNode> NodeAsync(StripeStandIn stripe) => new(stack, await Node.StartAsync(stack, NodeSettings(stripe)));

    /// <summary>From now on events are looked through.</summary>
    private async Task ReadyAsync(StripeNode node)
    {
        var latest = await CountAsync("select coalesce(max(seq_id), 0) from cvault.mt_events");
        await Stack.EventuallyAsync("the exporter has caught up", TimeSpan.FromSeconds(60), async () => await CountAsync("select coalesce(max(position), -1) from cvault.stripe_position") >= latest);
    }

    private async Task LinkAsync(TestTenant tenant, string customer) =>
        Assert.Equal(customer, (await stack.AsOperatorAsync(HttpMethod.Patch, $"/admin/tenants/{tenant.Id}/billing", new { stripe_customer = customer })).Is(HttpStatusCode.OK).Text("stripe_customer"));

    private static JsonObject Refund(string intent, long amount, string status) => new()
    {
        ["id"] = "re_" + Guid.NewGuid().ToString("N"), ["object"] = "refund", ["amount"] = amount, ["currency"] = "eur", ["payment_intent"] = intent, ["status"] = status,
    };

    private Task<int> DeliverAsync(StripeNode node, JsonObject said, string secret, DateTimeOffset at)
    {
        var (body, signature) = StripeStandIn.Sign(said, secret, at);
        return PostAsync(node, body, signature);
    }

    private async Task<int> PostAsync(StripeNode node, string body, string signature)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(node.Url, "/webhooks/stripe")) { Content = new StringContent(body, System.Text.Encoding.UTF8, "application/json") };
            request.Headers.TryAddWithoutValidation("Stripe-Signature", signature);
            using var response = await stack.Http.SendAsync(request);
            return (int)response.StatusCode;
        }
        catch (HttpRequestException)
        {
            return 0;
        }
    }

    private Task<long> StateAsync(TestTenant tenant, string state) => CountAsync("select count(*) from cvault.stripe_outbox where tenant_id = $1 and state = $2", tenant.Id, state);

    private async Task<long> CountAsync(string sql, params object[] values)
    {
        await using var command = stack.Database.CreateCommand(sql);
        foreach (var value in values) command.Parameters.Add(new() { Value = value });
        return (long)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>A node that is killed and has a successor.</summary>
    private sealed class StripeNode(Stack stack, Node node) : IAsyncDisposable
    {
        private Node node = node;

        public Uri Url => node.Url;

        public async Task RestartAsync((string, string)[] settings)
        {
            node.Kill();
            await node.DisposeAsync();
            node = await Node.StartAsync(stack, settings);
        }

        public ValueTask DisposeAsync() => node.DisposeAsync();
    }
}
