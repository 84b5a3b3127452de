using System.Net;
using System.Text.Json.Nodes;
using CVault.Billing;
using CVault.Metering;
using CVault.Projections.Billing;

namespace CVault.Tests.Api;

/// <summary>Plans, subscriptions and invoices, against the running API; months are closed by the same code in this process, whose clock can be any.</summary>
public sealed class BillingTests(Stack stack) : IAsyncDisposable
{
    private static readonly Month Now = Month.Of(DateTimeOffset.UtcNow);

    private readonly TestBilling billing = new(stack);

    public ValueTask DisposeAsync() => billing.DisposeAsync();

    [Fact]
    public async Task a_plans_terms_have_versions_and_a_subscription_keeps_its_own()
    {
        var plan = (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/plans", TestBilling.Terms(base_fee: 1000))).Is(HttpStatusCode.Created);
        Assert.Equal(("1", "EUR", "1000"), (plan.Text("version"), plan.Text("currency"), plan.Text("base_fee")));
        var tenant = await stack.NewTenantAsync();
        (await billing.SubscribeAsync(tenant, plan.Text("id"), Now.First)).Is(HttpStatusCode.OK);

        var second = (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/plans/" + plan.Text("id"), new { base_fee = 2000, name = "Another name" })).Is(HttpStatusCode.OK);
        Assert.Equal(("2", "2000", "Another name"), (second.Text("version"), second.Text("base_fee"), second.Text("name")));
        var account = (await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/account")).Is(HttpStatusCode.OK);
        Assert.Equal(("1", "1000"), (account.Json["subscriptions"]![0]!["plan_version"]!.ToString(), account.Json["subscriptions"]![0]!["terms"]!["base_fee"]!.ToString()));
        Assert.Equal(account.Body, (await stack.AsOperatorAsync(HttpMethod.Get, $"/admin/tenants/{tenant.Id}/billing")).Is(HttpStatusCode.OK).Body);

        (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/plans/" + plan.Text("id"))).Is(HttpStatusCode.OK);
        (await billing.SubscribeAsync(tenant, plan.Text("id"), Now.First)).IsProblem(409, "CONFLICT");
        (await billing.SubscribeAsync(tenant, Guid.CreateVersion7().ToString(), Now.First)).IsProblem(400, "VALIDATION_FAILED");
    }

    public static TheoryData<string, object> BadPlans => new()
    {
        { "name", new { name = "", currency = "EUR" } },
        { "currency", new { name = "x", currency = "eur" } },
        { "base_fee", new { name = "x", currency = "EUR", base_fee = -1 } },
        { "trial_days", new { name = "x", currency = "EUR", trial_days = 367 } },
        { "prices.metric", TestBilling.Terms(prices: new { metric = "bytes", tiers = new[] { new { unit_price = "1" } } }) },
        { "prices.region", TestBilling.Terms(prices: new { metric = "active_users", region = "us-east", tiers = new[] { new { unit_price = "1" } } }) },
        { "prices.tiers", TestBilling.Terms(prices: new { metric = "traffic" }) },
        { "prices.tiers.unit_price", TestBilling.Terms(prices: new { metric = "traffic", tiers = new[] { new { unit_price = "1.0000000000001" } } }) },
        { "prices.tiers.unit_price", TestBilling.Terms(prices: new { metric = "traffic", tiers = new[] { new { unit_price = "-1" } } }) },
        { "prices.tiers.up_to", TestBilling.Terms(prices: new { metric = "traffic", tiers = new[] { new { up_to = "5", unit_price = "1" } } }) },
        { "prices.tiers.up_to", TestBilling.Terms(prices: new { metric = "traffic", tiers = new object[] { new { up_to = "5", unit_price = "1" }, new { up_to = "5", unit_price = "1" }, new { unit_price = "1" } } }) },
        { "prices.included", TestBilling.Terms(prices: new { metric = "traffic", included = "1e5", tiers = new[] { new { unit_price = "1" } } }) },
        { "prices", TestBilling.Terms(prices: [new { metric = "traffic", tiers = new[] { new { unit_price = "1" } } }, new { metric = "traffic", tiers = new[] { new { unit_price = "2" } } }]) },
    };

    [Theory, MemberData(nameof(BadPlans), DisableDiscoveryEnumeration = true)]
    public async Task a_plan_that_cannot_be_is_refused_with_what_is_wrong(string field, object body)
    {
        var problem = await stack.AsOperatorAsync(HttpMethod.Post, "/admin/plans", body);
        problem.IsProblem(400, "VALIDATION_FAILED");
        Assert.Contains(field, problem.Json["errors"]!.AsObject().Select(e => e.Key));
    }

    [Fact]
    public async Task a_month_is_billed_by_what_was_used_and_its_invoice_never_changes()
    {
        var tenant = await stack.NewTenantAsync();
        var (one, two) = (await ServerAsync("us-east"), await ServerAsync("eu-west"));
        await UseAsync(tenant, one, Now.From.AddHours(1), gigabytes: 30, hours: 2);
        await UseAsync(tenant, two, Now.From.AddHours(2), gigabytes: 5, hours: 1);
        var plan = await billing.PlanAsync(TestBilling.Terms(base_fee: 5000, monthly_minimum: 100, prices:
        [
            new { metric = "traffic", included = "10", mode = "graduated", tiers = new object[] { new { up_to = "10", unit_price = "4.5" }, new { unit_price = "3" } } },
            new { metric = "traffic", region = "eu-west", tiers = new[] { new { unit_price = "7.1" } } },
            new { metric = "active_users", tiers = new[] { new { unit_price = "25" } } },
            new { metric = "connection_time", tiers = new[] { new { unit_price = "0.5" } } },
        ]));
        (await billing.SubscribeAsync(tenant, plan, Now.First)).Is(HttpStatusCode.OK);
        (await stack.AsOperatorAsync(HttpMethod.Patch, $"/admin/tenants/{tenant.Id}/billing", new { taxes = new[] { new { name = "VAT 19%", percent = "19" } }, bill_to = "Acme GmbH\nHauptstraße 1", payment_days = 30 })).Is(HttpStatusCode.OK);
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/tenants/{tenant.Id}/credits", new { amount = 50, reason = "Sorry" })).Is(HttpStatusCode.OK);
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/tenants/{tenant.Id}/discounts", new { name = "Launch", percent = "10" })).Is(HttpStatusCode.OK);

        // 20 GB over 10 included: 10 at 4.5 and 10 at 3; 5 GB at 7.1, which is 35.5 and rounds up; 2 users; 3 hours at 0.5.
        var statement = (await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/statement")).Is(HttpStatusCode.OK);
        Assert.Equal(
            [("base_fee", null, 5000L), ("usage", "traffic", 75), ("usage", "traffic", 36), ("usage", "active_users", 50), ("usage", "connection_time", 2), ("discount", null, -516), ("credit", null, -50), ("tax", null, 873)],
            Lines(statement).Select(l => (l["kind"]!.ToString(), l["metric"]?.ToString(), l["amount"]!.GetValue<long>())));

        await billing.CloseAsync(tenant, Now);
        var listed = Assert.Single((await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/invoices")).Is(HttpStatusCode.OK).Json["invoices"]!.AsArray())!;
        var invoice = (await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/invoices/" + listed["id"])).Is(HttpStatusCode.OK);
        Assert.Equal(Lines(statement).Select(l => l.ToJsonString()), Lines(invoice).Select(l => l.ToJsonString()));
        Assert.Equal(("5470", "5470", "open", "Acme GmbH\nHauptstraße 1"), (invoice.Text("total"), invoice.Text("due"), invoice.Text("status"), invoice.Text("bill_to")));
        Assert.Equal(5470, Lines(invoice).Sum(l => l["amount"]!.GetValue<long>()));
        Assert.Matches(@"^\d{4}-\d{6}$", invoice.Text("number"));
        Task<Answer> FormAsync(string accept) => stack.SendAsync(HttpMethod.Get, "/api/v1/billing/invoices/" + listed["id"], headers: [("X-API-Key", tenant.ApiKey), ("X-API-Secret", tenant.ApiSecret), ("Accept", accept)]);
        var csv = await FormAsync("text/csv");
        Assert.Contains($"{invoice.Text("number")},discount,{Now},", csv.Body, StringComparison.Ordinal);
        Assert.Contains(",-5.16,EUR\r\n", csv.Body, StringComparison.Ordinal);

        var pdf = await FormAsync("application/pdf");
        if (pdf.Status == HttpStatusCode.OK)
        {
            Assert.Equal("%PDF-1.7"u8.ToArray(), pdf.Bytes[..8]);
            Assert.Contains(TestBilling.Seller.Name, InvoicePdfTests.TextOf(pdf.Bytes), StringComparison.Ordinal); // Of whoever issued it, not of the node that prints it.
        }
        else
        {
            pdf.IsProblem(503, "PDF_UNAVAILABLE");
        }

        // Whatever is edited later, the invoice stays, to the byte.
        (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/plans/" + plan, new { name = "Dearer", base_fee = 9, monthly_minimum = 99_999, trial_days = 3, prices = new object[]
        {
            new { metric = "traffic", mode = "volume", included = "7", tiers = new object[] { new { up_to = "1", unit_price = "99" }, new { unit_price = "98" } } }, new { metric = "traffic", region = "eu-west", tiers = new[] { new { unit_price = "97" } } },
        } })).Is(HttpStatusCode.OK);
        (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/plans/" + plan, new { prices = Array.Empty<object>() })).Is(HttpStatusCode.OK);
        (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/plans/" + plan)).Is(HttpStatusCode.OK);
        (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { name = "Another name" })).Is(HttpStatusCode.OK);
        (await stack.AsOperatorAsync(HttpMethod.Patch, $"/admin/tenants/{tenant.Id}/billing", new { taxes = Array.Empty<object>(), bill_to = (string?)null, payment_days = 1 })).Is(HttpStatusCode.OK);
        foreach (var discount in (await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/account")).Json["discounts"]!.AsArray()) (await stack.AsOperatorAsync(HttpMethod.Delete, $"/admin/tenants/{tenant.Id}/discounts/{discount!["id"]}")).Is(HttpStatusCode.OK);
        (await billing.SubscribeAsync(tenant, plan, Now.First)).IsProblem(409, "CONFLICT");
        (await stack.AsOperatorAsync(HttpMethod.Delete, $"/admin/tenants/{tenant.Id}/subscription?from={Now.First:yyyy-MM-dd}")).IsProblem(409, "CONFLICT");
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/tenants/{tenant.Id}/discounts", new { name = "Late", percent = "50", from = Now.ToString() })).IsProblem(409, "CONFLICT");
        await UseAsync(tenant, one, Now.From.AddHours(30), gigabytes: 1, hours: 1);
        Assert.Equal(invoice.Body, (await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/invoices/" + listed["id"])).Body);
        Assert.Equal(csv.Bytes, (await FormAsync("text/csv")).Bytes);
        if (pdf.Status == HttpStatusCode.OK) Assert.Equal(pdf.Bytes, (await FormAsync("application/pdf")).Bytes);

        // What came late is a correction on the next one.
        var next = Lines((await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/statement")).Is(HttpStatusCode.OK));
        await billing.CloseAsync(tenant, Now.Next);
        var second = (await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/invoices/" + Invoice.IdOf(Guid.Parse(tenant.Id), Now.Next))).Is(HttpStatusCode.OK);
        var corrections = Lines(second).Where(l => l["kind"]!.ToString() == "adjustment").ToArray();
        Assert.Equal([("traffic", 3L, 1_000_000_000L), ("active_users", 25, 1), (null, -3, null)], corrections.Select(l => (l["metric"]?.ToString(), l["amount"]!.GetValue<long>(), l["quantity"]?.GetValue<long>())));
        Assert.All(corrections, l => Assert.Equal(Now.ToString(), l["month"]!.ToString()));
        Assert.NotEmpty(next);

        // Replayed from events alone both are what was billed.
        foreach (var month in new[] { Now, Now.Next })
        {
            await using var output = new StringWriter();
            Assert.Equal((0, true), (await Replay.RunAsync(stack.Database, billing.Events.Store, Guid.Parse(tenant.Id), month, null, output, default), output.ToString().Contains("equal: ", StringComparison.Ordinal)));
        }

        // What is not what the events say is found, line by line; and what another plan would have cost is said.
        await using var tampered = new StringWriter();
        await using (var command = stack.Database.CreateCommand("update cvault.mt_events set data = jsonb_set(data, '{lines,0,amount}', '1') where type = 'invoice_issued_v1' and stream_id = $1"))
        {
            command.Parameters.Add(new() { Value = Invoice.IdOf(Guid.Parse(tenant.Id), Now) });
            Assert.Equal(1, await command.ExecuteNonQueryAsync());
        }

        Assert.Equal(1, await Replay.RunAsync(stack.Database, billing.Events.Store, Guid.Parse(tenant.Id), Now, null, tampered, default));
        Assert.Contains("DIFFERENT", tampered.ToString(), StringComparison.Ordinal);
        Assert.Contains("\n-           0.01", tampered.ToString(), StringComparison.Ordinal);
        await using var other = new StringWriter();
        var cheap = await billing.PlanAsync(TestBilling.Terms(base_fee: 77));
        Assert.Equal(0, await Replay.RunAsync(stack.Database, billing.Events.Store, Guid.Parse(tenant.Id), Now, (Guid.Parse(cheap), null), other, default));
        Assert.Contains("0.77", other.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task a_month_closed_by_many_at_once_has_one_invoice_and_numbers_have_no_gap()
    {
        var plan = await billing.PlanAsync(TestBilling.Terms(base_fee: 100));
        var tenants = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => stack.NewTenantAsync()));
        foreach (var tenant in tenants) (await billing.SubscribeAsync(tenant, plan, Now.First)).Is(HttpStatusCode.OK);
        // One by one and all together, each in another order.
        await Task.WhenAll([.. tenants.SelectMany(t => Enumerable.Range(0, 3).Select(_ => billing.CloseAsync(t, Now))), .. Enumerable.Range(0, 6).Select(i => billing.CloseAsync([.. tenants[i..], .. tenants[..i]], Now))]);
        foreach (var tenant in tenants)
        {
            Assert.Single((await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/invoices")).Json["invoices"]!.AsArray());
            Assert.Equal(1, await billing.CountAsync("select count(*) from cvault.mt_events where tenant_id = $1 and type = 'invoice_issued_v1'", tenant.Id));
        }

        await NumbersHaveNoGapAsync();
    }

    [Fact]
    public async Task tenants_closed_together_are_billed_each_for_itself_and_one_that_cannot_be_stops_no_other()
    {
        var plan = await billing.PlanAsync(TestBilling.Terms(base_fee: 100, prices: new { metric = "traffic", tiers = new[] { new { unit_price = "10" } } }));
        var tenants = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => stack.NewTenantAsync()));
        foreach (var tenant in tenants) (await billing.SubscribeAsync(tenant, plan, Now.First)).Is(HttpStatusCode.OK);
        var (server, broken) = (await ServerAsync("us-east"), tenants[1]);
        await UseAsync(tenants[0], server, Now.From.AddHours(1), gigabytes: 3, hours: 1);
        await UseAsync(tenants[2], server, Now.From.AddHours(1), gigabytes: 5, hours: 1);
        Task TaxAsync(params Tax[] taxes) => billing.Events.AppendAsync(broken.Id, BillingAccount.IdOf(Guid.Parse(broken.Id)), new BillingDetailsChanged(taxes, 14, null));
        await TaxAsync(new Tax("More money than there is", decimal.MaxValue));

        Assert.Equal((2, 1), await billing.CloseAsync(tenants, Now));
        Assert.Equal(["130", "", "150"], await Task.WhenAll(tenants.Select(t => TotalAsync(t, Now))));
        await NumbersHaveNoGapAsync();
        await TaxAsync();
        Assert.Equal((1, 0), await billing.CloseAsync(tenants, Now));
        Assert.Equal(["130", "100", "150"], await Task.WhenAll(tenants.Select(t => TotalAsync(t, Now))));

        // What came late is corrected where it came.
        await UseAsync(broken, server, Now.From.AddHours(30), gigabytes: 7, hours: 1);
        Assert.Equal((3, 0), await billing.CloseAsync(tenants, Now.Next));
        Assert.Equal(["100", "170", "100"], await Task.WhenAll(tenants.Select(t => TotalAsync(t, Now.Next))));
        await NumbersHaveNoGapAsync();
    }

    [Fact]
    public async Task a_payment_is_booked_once_and_a_credit_note_takes_no_more_than_there_is()
    {
        var tenant = await stack.NewTenantAsync();
        (await billing.SubscribeAsync(tenant, await billing.PlanAsync(TestBilling.Terms(base_fee: 1000)), Now.First)).Is(HttpStatusCode.OK);
        await billing.CloseAsync(tenant, Now);
        var path = $"/admin/tenants/{tenant.Id}/invoices/{Invoice.IdOf(Guid.Parse(tenant.Id), Now)}";
        var answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => stack.AsOperatorAsync(HttpMethod.Post, path + "/payments", new { amount = 600, reference = "wire 1" })));
        Assert.All(answers, a => Assert.Equal("400", a.Is(HttpStatusCode.OK).Text("due")));
        var noted = (await stack.AsOperatorAsync(HttpMethod.Post, path + "/credit-notes", new { amount = 400, reason = "An outage" })).Is(HttpStatusCode.OK);
        Assert.Equal(("0", "paid", "1000"), (noted.Text("due"), noted.Text("status"), noted.Text("total")));
        Assert.Matches(@"^CN-\d{4}-\d{6}$", noted.Json["credit_notes"]![0]!["number"]!.ToString());
        (await stack.AsOperatorAsync(HttpMethod.Post, path + "/credit-notes", new { amount = 601, reason = "Too much" })).IsProblem(409, "CONFLICT");
        Assert.Equal("600", (await stack.AsOperatorAsync(HttpMethod.Post, path + "/payments", new { amount = -600, reference = "refund 1" })).Is(HttpStatusCode.OK).Text("due"));
        (await stack.AsOperatorAsync(HttpMethod.Post, path + "/payments", new { amount = 0, reference = "nothing" })).IsProblem(400, "VALIDATION_FAILED");
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/tenants/{(await stack.NewTenantAsync()).Id}/invoices/{Invoice.IdOf(Guid.Parse(tenant.Id), Now)}/payments", new { amount = 1, reference = "x" })).IsProblem(404, "NOT_FOUND");
    }

    [Fact]
    public async Task another_plan_can_be_asked_for_and_what_is_anothers_is_unknown()
    {
        var (tenant, other) = (await stack.NewTenantAsync(), await stack.NewTenantAsync());
        await UseAsync(tenant, await ServerAsync("us-east"), Now.From.AddHours(1), gigabytes: 10, hours: 1);
        (await billing.SubscribeAsync(tenant, await billing.PlanAsync(TestBilling.Terms(base_fee: 1000)), Now.First)).Is(HttpStatusCode.OK);
        var dearer = await billing.PlanAsync(TestBilling.Terms(base_fee: 0, prices: new { metric = "traffic", mode = "volume", tiers = new object[] { new { up_to = "10", unit_price = "8" }, new { unit_price = "1" } } }));
        Assert.Equal("80", (await tenant.SendAsync(HttpMethod.Get, $"/api/v1/billing/what-if?plan={dearer}")).Is(HttpStatusCode.OK).Text("total"));
        Assert.Equal("1000", (await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/statement")).Is(HttpStatusCode.OK).Text("total"));
        (await tenant.SendAsync(HttpMethod.Get, $"/api/v1/billing/what-if?plan={Guid.CreateVersion7()}")).IsProblem(404, "NOT_FOUND");
        (await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/what-if?month=2026-13")).IsProblem(400, "VALIDATION_FAILED");

        await billing.CloseAsync(tenant, Now);
        var id = Invoice.IdOf(Guid.Parse(tenant.Id), Now);
        Assert.Equal(
            (await other.SendAsync(HttpMethod.Get, "/api/v1/billing/invoices/" + Guid.CreateVersion7())).ButRequestId,
            (await other.SendAsync(HttpMethod.Get, "/api/v1/billing/invoices/" + id)).ButRequestId);
        Assert.Empty((await other.SendAsync(HttpMethod.Get, "/api/v1/billing/invoices")).Json["invoices"]!.AsArray());
        (await stack.SendAsync(HttpMethod.Get, "/api/v1/billing/statement", headers: [("X-API-Key", tenant.PublishableKey)])).IsProblem(403, "FORBIDDEN");
    }

    [Fact]
    public async Task members_see_billing_by_their_role()
    {
        var (_, owner) = await stack.SignUpAsync();
        Assert.Null((await owner.SendAsync(HttpMethod.Get, "/api/v1/billing/account")).Is(HttpStatusCode.OK).Json["currency"]);
        Assert.Equal("0", (await owner.SendAsync(HttpMethod.Get, "/api/v1/billing/statement")).Is(HttpStatusCode.OK).Text("total"));
        (await (await owner.NewColleagueAsync("billing")).SendAsync(HttpMethod.Get, "/api/v1/billing/invoices")).Is(HttpStatusCode.OK);
        (await (await owner.NewColleagueAsync("developer")).SendAsync(HttpMethod.Get, "/api/v1/billing/statement")).IsProblem(403, "FORBIDDEN");
    }

    [Fact]
    public async Task what_an_operator_mistyped_can_be_taken_back()
    {
        var tenant = await stack.NewTenantAsync();
        var account = $"/admin/tenants/{tenant.Id}/billing";
        // The first month there is: what ends it is a month before.
        var discount = (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/tenants/{tenant.Id}/discounts", new { name = "Old", percent = "10", from = "2000-01" })).Is(HttpStatusCode.OK);
        (await stack.AsOperatorAsync(HttpMethod.Delete, $"/admin/tenants/{tenant.Id}/discounts/{discount.Json["discounts"]![0]!["id"]}")).Is(HttpStatusCode.OK);
        (await stack.AsOperatorAsync(HttpMethod.Get, account)).Is(HttpStatusCode.OK);

        (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/plans", new { name = "Plan", currency = "EUO" })).IsProblem(400, "VALIDATION_FAILED");
        var (dollars, euros) = ((await stack.AsOperatorAsync(HttpMethod.Post, "/admin/plans", new { name = "Plan", currency = "USD" })).Is(HttpStatusCode.Created).Text("id"), await billing.PlanAsync(TestBilling.Terms()));
        (await billing.SubscribeAsync(tenant, dollars, Now.First)).Is(HttpStatusCode.OK);
        (await billing.SubscribeAsync(tenant, euros, Now.First)).Is(HttpStatusCode.OK);
        Assert.Equal("EUR", (await stack.AsOperatorAsync(HttpMethod.Get, account)).Text("currency"));

        var credits = $"/admin/tenants/{tenant.Id}/credits";
        (await stack.AsOperatorAsync(HttpMethod.Post, credits, new { amount = 100_000, reason = "Sorry" })).Is(HttpStatusCode.OK);
        (await billing.SubscribeAsync(tenant, dollars, Now.First)).IsProblem(409, "CONFLICT");
        (await stack.AsOperatorAsync(HttpMethod.Post, credits, new { amount = -100_001, reason = "Typed" })).IsProblem(409, "CONFLICT");
        Assert.Equal("1000", (await stack.AsOperatorAsync(HttpMethod.Post, credits, new { amount = -99_000, reason = "Typed" })).Is(HttpStatusCode.OK).Text("credit"));
    }

    /// <summary>Pages of any size, and a consumer that dies between what it does with a line and the next.</summary>
    [Fact]
    public async Task a_consumer_of_the_export_that_keeps_its_cursor_sees_each_line_once()
    {
        var (tenant, other) = (await stack.NewTenantAsync(), await stack.NewTenantAsync());
        var server = await ServerAsync("us-east");
        (await billing.SubscribeAsync(tenant, await billing.PlanAsync(TestBilling.Terms(base_fee: 1000)), Now.First)).Is(HttpStatusCode.OK);
        var random = new Random(1);
        var expected = 0L;
        for (var i = 0; i < 30; i++)
        {
            foreach (var one in new[] { tenant, other })
            {
                // One reading is longer than any page.
                var sessions = await Task.WhenAll(Enumerable.Range(0, i == 15 ? 40 : 3).Select(_ => billing.Events.StartAsync(one.Id, Guid.NewGuid(), Guid.NewGuid(), server, Now.From)));
                var bytes = random.Next(1, 1_000_000);
                await billing.Events.MeterAsync(one.Id, server, Now.From, Now.From.AddSeconds(15), [.. sessions.Select(s => new Sample(s.Number, bytes, 2 * bytes))]);
                if (one == tenant) expected += 3L * sessions.Length * bytes;
            }
        }

        await billing.CloseAsync(tenant, Now);
        var (seen, cursor, kills) = (new Dictionary<string, JsonNode>(StringComparer.Ordinal), "", 0);
        for (var idle = 0; idle < 3;)
        {
            var page = (await tenant.SendAsync(HttpMethod.Get, $"/api/v1/billing/export?limit={random.Next(1, 4)}&cursor={cursor}")).Is(HttpStatusCode.OK);
            var lines = page.Body.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonNode.Parse(l)!).ToArray();
            // Each line is stored with its cursor in one step; the rest of the page goes with the consumer.
            var died = kills < 100 && lines.Length > 0 ? random.Next(lines.Length) : lines.Length;
            foreach (var line in lines.Take(died))
            {
                Assert.True(seen.TryAdd(line["id"]!.ToString(), line), "A line came twice.");
                cursor = line["cursor"]!.ToString();
            }

            if (died < lines.Length) kills++;
            else cursor = page.Headers["CVault-Next-Cursor"];
            if (lines.Length > 0) idle = 0;
            else if (seen.Values.Any(l => l["type"]!.ToString() == "invoice_line")) idle++;
            else await Task.Delay(50);
        }

        Assert.Equal((127, 1), (seen.Values.Count(l => l["type"]!.ToString() == "usage"), seen.Values.Count(l => l["type"]!.ToString() == "invoice_line")));
        Assert.Equal(expected, seen.Values.Where(l => l["type"]!.ToString() == "usage").Sum(l => l["rx_bytes"]!.GetValue<long>() + l["tx_bytes"]!.GetValue<long>()));
        Assert.All(seen.Values, l => Assert.Equal(tenant.Id, l["tenant_id"]!.ToString()));
        Assert.All(seen.Values.Where(l => l["type"]!.ToString() == "usage"), l => Assert.Equal("us-east", l["region"]!.ToString()));
        TestContext.Current.TestOutputHelper?.WriteLine($"{seen.Count} lines, the consumer died {kills} times");

        var focus = (await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/export?columns=focus&limit=10000")).Is(HttpStatusCode.OK);
        var charge = JsonNode.Parse(Assert.Single(focus.Body.Split('\n', StringSplitOptions.RemoveEmptyEntries)))!;
        Assert.Equal(("10", "Purchase", "EUR"), (charge["BilledCost"]!.ToString(), charge["ChargeCategory"]!.ToString(), charge["BillingCurrency"]!.ToString()));
        Assert.Equal(charge["x_LineId"]!.ToString(), JsonNode.Parse((await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/export?columns=focus&limit=1")).Is(HttpStatusCode.OK).Body)!["x_LineId"]!.ToString());

        // Payments and credit notes say of which invoice they are, and in what.
        var invoiceId = Invoice.IdOf(Guid.Parse(tenant.Id), Now);
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/tenants/{tenant.Id}/invoices/{invoiceId}/credit-notes", new { amount = 100, reason = "Sorry" })).Is(HttpStatusCode.OK);
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/tenants/{tenant.Id}/invoices/{invoiceId}/payments", new { amount = 900, reference = "wire" })).Is(HttpStatusCode.OK);
        var money = new List<JsonNode>();
        await Stack.EventuallyAsync("they are exported", TimeSpan.FromSeconds(10), async () =>
        {
            var page = (await tenant.SendAsync(HttpMethod.Get, $"/api/v1/billing/export?cursor={cursor}")).Is(HttpStatusCode.OK);
            money.AddRange(page.Body.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonNode.Parse(l)!));
            cursor = page.Headers["CVault-Next-Cursor"];
            return money.Count == 2;
        });
        Assert.Equal([("credit_note", "-100"), ("payment", "900")], money.Select(l => (l["type"]!.ToString(), l["amount"]!.ToString())));
        Assert.All(money, l => Assert.Equal((invoiceId.ToString(), Now.ToString(), "EUR"), (l["invoice_id"]!.ToString(), l["invoice_month"]!.ToString(), l["currency"]!.ToString())));
        Assert.Equal(100, kills);
        (await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/export?cursor=abc")).IsProblem(400, "VALIDATION_FAILED");
        (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/billing/export?format=csv&limit=5")).Is(HttpStatusCode.OK);
    }

    /// <summary>Empty where there is no invoice.</summary>
    private static async Task<string> TotalAsync(TestTenant tenant, Month month)
    {
        var invoice = await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/invoices/" + Invoice.IdOf(Guid.Parse(tenant.Id), month));
        return invoice.Status == HttpStatusCode.OK ? invoice.Text("total") : "";
    }

    private async Task NumbersHaveNoGapAsync() => Assert.Equal(0, await billing.CountAsync($"""
            select count(*) from cvault.invoice_numbers n where n.series = '' and n.year = {DateTimeOffset.UtcNow.Year}
              and n.last <> (select count(distinct data ->> 'number') from cvault.mt_events where type = 'invoice_issued_v1' and data ->> 'number' like n.year || '-%')
            """));

    private static JsonNode[] Lines(Answer answer) => [.. answer.Json["lines"]!.AsArray().Select(l => l!)];

    private async Task<Guid> ServerAsync(string region)
    {
        var all = (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers?limit=200")).Json["servers"]!.AsArray();
        return Guid.Parse(all.First(s => s!["region"]!.ToString() == region)!["id"]!.ToString());
    }

    /// <summary>A user on a new device, connected for some hours, with so many gigabytes.</summary>
    private async Task UseAsync(TestTenant tenant, Guid server, DateTimeOffset at, long gigabytes, double hours)
    {
        var (id, number) = await billing.Events.StartAsync(tenant.Id, Guid.NewGuid(), Guid.NewGuid(), server, at);
        await billing.Events.MeterAsync(tenant.Id, server, at, at.AddMinutes(1), new Sample(number, gigabytes * 200_000_000, gigabytes * 800_000_000));
        await billing.Events.EndAsync(tenant.Id, id, at.AddHours(hours));
        var last = await billing.CountAsync("select max(seq_id) from cvault.mt_events where tenant_id = $1", tenant.Id);
        await Stack.EventuallyAsync("usage is read", TimeSpan.FromSeconds(10), async () => await billing.CountAsync("select position from cvault.read_models where name = 'usage'") >= last);
    }
}
