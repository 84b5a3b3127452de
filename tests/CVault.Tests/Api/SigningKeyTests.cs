using System.Net;
using Microsoft.IdentityModel.JsonWebTokens;

namespace CVault.Tests.Api;

/// <summary>The keys that sign access tokens: replaced without a logout, and removed when somebody else may have one.</summary>
[Collection(Alone.Name)]
public sealed class SigningKeyTests(Stack stack)
{
    [Fact]
    public async Task a_rotation_logs_nobody_out_and_a_removed_keys_tokens_are_worth_nothing()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        var before = new JsonWebToken(user.AccessToken).Kid;

        var rotated = (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/signing-keys")).Is(HttpStatusCode.Created);
        var next = rotated.Text("kid");
        Assert.Equal("next", rotated.Text("state"));
        Assert.NotEqual(before, next);

        // Published before it signs, so that whoever reads the key set now will know it.
        Assert.Equal(new[] { before, next }.Order(), (await KeySetAsync()).Intersect([before, next]).Order());
        Assert.Equal(before, new JsonWebToken((await tenant.NewUserAsync()).AccessToken).Kid);
        (await ListAsync(user)).Is(HttpStatusCode.OK);

        TestUser later = null!;
        await Stack.EventuallyAsync("the new key signs", TimeSpan.FromSeconds(20), async () => new JsonWebToken((later = await tenant.NewUserAsync()).AccessToken).Kid == next);
        (await ListAsync(user)).Is(HttpStatusCode.OK);
        (await ListAsync(later)).Is(HttpStatusCode.OK);
        Assert.Equal(["verifying", "signing"], [await StateAsync(before), await StateAsync(next)]);

        (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/signing-keys/" + before)).Is(HttpStatusCode.OK);
        (await ListAsync(user)).IsProblem(401, "UNAUTHENTICATED");
        (await ListAsync(later)).Is(HttpStatusCode.OK);
        Assert.DoesNotContain(before, await KeySetAsync());

        // Its owner was not logged out: the refresh token is no token of that key.
        var again = (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = user.RefreshToken })).Is(HttpStatusCode.OK);
        (await ListAsync(user with { AccessToken = again.Text("access_token") })).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task removing_the_one_that_signs_puts_another_in_its_place_at_once()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        var kid = new JsonWebToken(user.AccessToken).Kid;
        (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/signing-keys/" + kid)).Is(HttpStatusCode.OK);
        (await ListAsync(user)).IsProblem(401, "UNAUTHENTICATED");
        var later = await tenant.NewUserAsync();
        Assert.NotEqual(kid, new JsonWebToken(later.AccessToken).Kid);
        (await ListAsync(later)).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task an_unknown_key_is_not_found() =>
        (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/signing-keys/nobodys")).IsProblem(404, "NOT_FOUND");

    private static Task<Answer> ListAsync(TestUser user) => user.SendAsync(HttpMethod.Get, "/api/v1/devices");

    private async Task<string[]> KeySetAsync() =>
        [.. (await stack.SendAsync(HttpMethod.Get, "/.well-known/jwks.json")).Json["keys"]!.AsArray().Select(k => k!["kid"]!.ToString())];

    private async Task<string> StateAsync(string kid) =>
        (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/signing-keys")).Json["signing_keys"]!.AsArray().Select(k => k!.AsObject()).Single(k => k["kid"]!.ToString() == kid)["state"]!.ToString();
}
