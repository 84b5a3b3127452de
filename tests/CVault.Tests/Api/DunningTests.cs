using System.Net;
using CVault.Billing;

namespace CVault.Tests.Api;

/// <summary>What becomes of a tenant that does not pay, and of one that pays late.</summary>
public sealed class DunningTests(Stack stack) : IAsyncDisposable
{
    private static readonly Month Now = Month.Of(DateTimeOffset.UtcNow);

    private readonly TestBilling billing = new(stack);

    public ValueTask DisposeAsync() => billing.DisposeAsync();

    [Fact]
    public async Task who_does_not_pay_is_suspended_when_the_grace_is_over_and_back_when_the_payment_is_booked()
    {
        var (tenant, owner) = await SignUpAsync();
        (await billing.SubscribeAsync(tenant, await billing.PlanAsync(TestBilling.Terms(base_fee: 1000)), Now.First)).Is(HttpStatusCode.OK);
        // As if it had been issued two months ago: nobody was reminded of it yet, so that comes first.
        await billing.CloseAsync(tenant, Now, DateTimeOffset.UtcNow.AddDays(-60));
        var mail = await stack.MailToAsync(owner.Email, "will be suspended");
        Assert.Contains("10.00 EUR", mail, StringComparison.Ordinal);
        (await tenant.SendAsync(HttpMethod.Get, "/api/v1/servers")).Is(HttpStatusCode.OK);
        await RemindedAsync(tenant);
        await Stack.EventuallyAsync("it is suspended", TimeSpan.FromSeconds(40), async () => (await tenant.SendAsync(HttpMethod.Get, "/api/v1/servers")).Code == "TENANT_SUSPENDED");
        Assert.Contains("10.00 EUR", await stack.MailToAsync(owner.Email, "account is suspended"), StringComparison.Ordinal);

        // Its staff can sign in and see what it owes, and nothing else.
        var signedIn = (await stack.LogInMemberAsync(owner.Email)).Is(HttpStatusCode.OK);
        var member = owner with { AccessToken = signedIn.Text("access_token") };
        Assert.Single((await member.SendAsync(HttpMethod.Get, "/api/v1/billing/invoices")).Is(HttpStatusCode.OK).Json["invoices"]!.AsArray());
        (await member.SendAsync(HttpMethod.Get, "/api/v1/tenant/me")).Is(HttpStatusCode.OK);
        (await member.SendAsync(HttpMethod.Get, "/api/v1/tenant/api-keys")).IsProblem(403, "TENANT_SUSPENDED");
        (await stack.SendAsync(HttpMethod.Post, "/api/v1/tenant/auth/refresh", new { refresh_token = signedIn.Text("refresh_token") })).Is(HttpStatusCode.OK);
        (await tenant.SendAsync(HttpMethod.Get, "/api/v1/billing/invoices")).IsProblem(403, "TENANT_SUSPENDED");

        // The operator's word stands, whatever is unpaid.
        (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { status = "active" })).Is(HttpStatusCode.OK);
        await Task.Delay(TimeSpan.FromSeconds(12));
        (await tenant.SendAsync(HttpMethod.Get, "/api/v1/servers")).Is(HttpStatusCode.OK);

        var (other, otherOwner) = await SignUpAsync();
        await SuspendForMoneyAsync(other, otherOwner);
        var payments = $"/admin/tenants/{other.Id}/invoices/{Invoice.IdOf(Guid.Parse(other.Id), Now)}/payments";
        (await stack.AsOperatorAsync(HttpMethod.Post, payments, new { amount = 1000, reference = "wire" })).Is(HttpStatusCode.OK);
        await Stack.EventuallyAsync("it works again", TimeSpan.FromSeconds(40), async () => (await other.SendAsync(HttpMethod.Get, "/api/v1/servers")).Status == HttpStatusCode.OK);
        Assert.Equal("trial", (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/tenants/" + other.Id)).Text("status"));

        // What is booked is booked as it was, and no more goes back than came in.
        (await stack.AsOperatorAsync(HttpMethod.Post, payments, new { amount = 1000, reference = "wire" })).Is(HttpStatusCode.OK);
        (await stack.AsOperatorAsync(HttpMethod.Post, payments, new { amount = 999, reference = "wire" })).IsProblem(409, "CONFLICT");
        (await stack.AsOperatorAsync(HttpMethod.Post, payments, new { amount = -1001, reference = "back" })).IsProblem(409, "CONFLICT");
    }

    [Fact]
    public async Task what_the_operator_suspends_no_payment_brings_back()
    {
        var (tenant, owner) = await SignUpAsync();
        await SuspendForMoneyAsync(tenant, owner);
        (await stack.LogInMemberAsync(owner.Email)).Is(HttpStatusCode.OK);
        (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/tenants/" + tenant.Id)).Is(HttpStatusCode.OK);
        await Stack.EventuallyAsync("its staff is out", TimeSpan.FromSeconds(10), async () => (await stack.LogInMemberAsync(owner.Email)).Code == "TENANT_SUSPENDED");
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/tenants/{tenant.Id}/invoices/{Invoice.IdOf(Guid.Parse(tenant.Id), Now)}/payments", new { amount = 1000, reference = "wire" })).Is(HttpStatusCode.OK);
        await Task.Delay(TimeSpan.FromSeconds(12));
        Assert.Equal("suspended", (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/tenants/" + tenant.Id)).Text("status"));
        (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { status = "active" })).Is(HttpStatusCode.OK);
    }

    /// <summary>With a limit that does not mind being asked all the time.</summary>
    private async Task<(TestTenant Tenant, TestMember Owner)> SignUpAsync()
    {
        var (tenant, owner) = await stack.SignUpAsync();
        (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { requests_per_minute = 100_000 })).Is(HttpStatusCode.OK);
        return (tenant, owner);
    }

    /// <summary>As if the tenant had been reminded of its invoice twice, long ago.</summary>
    private Task RemindedAsync(TestTenant tenant) =>
        billing.Events.AppendAsync(tenant.Id, Invoice.IdOf(Guid.Parse(tenant.Id), Now), new PaymentReminded(2, DateTimeOffset.UtcNow.AddDays(-30), DateOnly.FromDateTime(DateTime.UtcNow).AddDays(-20)));

    /// <summary>With ten euros unpaid.</summary>
    private async Task SuspendForMoneyAsync(TestTenant tenant, TestMember owner)
    {
        (await billing.SubscribeAsync(tenant, await billing.PlanAsync(TestBilling.Terms(base_fee: 1000)), Now.First)).Is(HttpStatusCode.OK);
        await billing.CloseAsync(tenant, Now, DateTimeOffset.UtcNow.AddDays(-60));
        await stack.MailToAsync(owner.Email, "will be suspended");
        await RemindedAsync(tenant);
        await Stack.EventuallyAsync("it is suspended", TimeSpan.FromSeconds(40), async () => (await tenant.SendAsync(HttpMethod.Get, "/api/v1/servers")).Code == "TENANT_SUSPENDED");
    }
}
