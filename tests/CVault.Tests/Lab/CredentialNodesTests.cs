using System.Net;

namespace CVault.Tests.Lab;

/// <summary>What one node is told of a credential holds on three, within five seconds.</summary>
[Collection(Alone.Name)]
public sealed class CredentialNodesTests(Stack stack, ITestOutputHelper output)
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task what_is_suspended_ended_revoked_or_removed_is_refused_on_three_nodes_within_five_seconds()
    {
        await using var second = await Node.StartAsync(stack);
        await using var third = await Node.StartAsync(stack);
        Uri[] nodes = [Stack.Url, second.Url, third.Url];
        var tenant = await stack.NewTenantAsync();
        var (user, leaving) = (await tenant.NewUserAsync(), await tenant.NewUserAsync());
        foreach (var node in nodes)
        {
            Assert.Equal(HttpStatusCode.OK, (await CallAsync(node, user)).Status);
            Assert.Equal(HttpStatusCode.OK, (await CallAsync(node, leaving)).Status);
        }

        // A reused refresh token ends the login that it is of: its access token, too.
        await using (var age = stack.Database.CreateCommand("update cvault.refresh_tokens set used_at = now() - interval '1 minute' where user_id = $1"))
        {
            age.Parameters.Add(new() { Value = Guid.Parse(leaving.Id) });
            await age.ExecuteNonQueryAsync();
        }

        var start = RunningTime.Start();
        (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = leaving.RefreshToken })).IsProblem(401, "UNAUTHENTICATED");
        await RefusedAsync(nodes, leaving, "UNAUTHENTICATED", "a login whose refresh token was reused", start);
        Assert.Equal(HttpStatusCode.OK, (await CallAsync(third.Url, user)).Status);

        start = RunningTime.Start();
        (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/tenants/" + tenant.Id)).Is(HttpStatusCode.OK);
        (await CallAsync(Stack.Url, user)).IsProblem(403, "TENANT_SUSPENDED");
        await RefusedAsync(nodes, user, "TENANT_SUSPENDED", "a suspended tenant", start);

        (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { status = "active" })).Is(HttpStatusCode.OK);
        foreach (var node in nodes) await Stack.EventuallyAsync($"{node} takes the tenant back", Soon, async () => (await CallAsync(node, user)).Status == HttpStatusCode.OK);

        start = RunningTime.Start();
        var kid = new Microsoft.IdentityModel.JsonWebTokens.JsonWebToken(user.AccessToken).Kid;
        (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/signing-keys/" + kid)).Is(HttpStatusCode.OK);
        await RefusedAsync(nodes, user, "UNAUTHENTICATED", "a token of a removed signing key", start);
        var later = await tenant.NewUserAsync();
        var (business, owner) = await stack.SignUpAsync();
        var customer = await business.NewUserAsync();
        foreach (var node in nodes) await Stack.EventuallyAsync($"{node} knows the other tenant", Soon, async () => (await CallAsync(node, customer)).Status == HttpStatusCode.OK);
        start = RunningTime.Start();
        (await owner.SendAsync(HttpMethod.Delete, "/api/v1/tenant/api-keys/" + business.PublishableKey)).Is(HttpStatusCode.OK);
        await RefusedAsync(nodes, customer, "INVALID_API_KEY", "a revoked API key", start);
        foreach (var node in nodes) await Stack.EventuallyAsync($"{node} believes the new key", Soon, async () => (await CallAsync(node, later)).Status == HttpStatusCode.OK);
    }

    [Fact]
    public async Task a_node_that_slept_through_a_change_believes_nothing_that_it_remembers()
    {
        await using var node = await Node.StartAsync(stack);
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        Assert.Equal(HttpStatusCode.OK, (await CallAsync(node.Url, user)).Status);

        await node.PauseAsync();
        (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/tenants/" + tenant.Id)).Is(HttpStatusCode.OK);
        await Task.Delay(SecurityFeedFreshness + TimeSpan.FromSeconds(1));
        var asked = CallAsync(node.Url, user);
        await node.ContinueAsync();
        (await asked).IsProblem(403, "TENANT_SUSPENDED");
    }

    private static TimeSpan SecurityFeedFreshness => CVault.Security.SecurityFeed.Freshness;

    private async Task RefusedAsync(Uri[] nodes, TestUser user, string code, string what, RunningTime start)
    {
        await Task.WhenAll(nodes.Select(async node =>
        {
            await Stack.EventuallyAsync($"{node} refuses {what}", Soon, async () => (await CallAsync(node, user)).Code == code);
            output.WriteLine($"{what}: refused by {node} after {start.Elapsed.TotalMilliseconds:0} ms");
            Assert.True(start.Elapsed < Soon, $"{node} took too long to refuse {what}.");
        }));
    }

    private async Task<Answer> CallAsync(Uri node, TestUser user) =>
        await stack.SendAsync(HttpMethod.Get, new Uri(node, "/api/v1/devices").ToString(), headers: [("X-API-Key", user.Tenant.PublishableKey), ("Authorization", "Bearer " + user.AccessToken)]);
}
