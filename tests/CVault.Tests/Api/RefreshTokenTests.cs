using System.Net;

namespace CVault.Tests.Api;

/// <summary><c>POST /api/v1/auth/refresh</c>: a token is good once, and one that comes back ends its family.</summary>
public sealed class RefreshTokenTests(Stack stack)
{
    [Fact]
    public async Task a_client_that_lost_the_answer_may_ask_again_at_once()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var first = (await RefreshAsync(user, user.RefreshToken)).Is(HttpStatusCode.OK);
        var second = (await RefreshAsync(user, user.RefreshToken)).Is(HttpStatusCode.OK);
        Assert.NotEqual(first.Text("refresh_token"), second.Text("refresh_token"));
        (await RefreshAsync(user, second.Text("refresh_token"))).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task after_ten_seconds_a_used_token_ends_its_whole_family()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var next = (await RefreshAsync(user, user.RefreshToken)).Is(HttpStatusCode.OK).Text("refresh_token");
        await LetTenSecondsPassAsync(user);
        (await RefreshAsync(user, user.RefreshToken)).IsProblem(401, "UNAUTHENTICATED");
        (await RefreshAsync(user, next)).IsProblem(401, "UNAUTHENTICATED");
    }

    [Fact]
    public async Task another_login_of_the_same_user_is_another_family()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var login = (await user.Tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/login", new { email = user.Email, password = Scenarios.Password })).Is(HttpStatusCode.OK);
        (await RefreshAsync(user, user.RefreshToken)).Is(HttpStatusCode.OK);
        await LetTenSecondsPassAsync(user);
        (await RefreshAsync(user, user.RefreshToken)).IsProblem(401, "UNAUTHENTICATED");
        (await RefreshAsync(user, login.Text("refresh_token"))).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task a_token_that_nobody_used_stays_good_when_unknown_ones_are_tried()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        (await RefreshAsync(user, user.RefreshToken + "x")).IsProblem(401, "UNAUTHENTICATED");
        (await RefreshAsync(user, user.AccessToken[..200])).IsProblem(401, "UNAUTHENTICATED");
        (await RefreshAsync(user, user.RefreshToken)).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task another_tenants_key_neither_spends_a_token_nor_ends_its_family()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var stranger = await stack.NewTenantAsync();
        (await stranger.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = user.RefreshToken })).IsProblem(401, "UNAUTHENTICATED");
        var next = (await RefreshAsync(user, user.RefreshToken)).Is(HttpStatusCode.OK).Text("refresh_token");
        await LetTenSecondsPassAsync(user);
        (await stranger.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = user.RefreshToken })).IsProblem(401, "UNAUTHENTICATED");
        (await RefreshAsync(user, next)).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task a_token_ends_thirty_days_after_the_login_however_often_it_was_refreshed()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        await ChangeAsync(user, "expires_at = expires_at - interval '29 days'");
        // On its last day: what comes of it has that day, too, and no month of its own.
        var next = (await RefreshAsync(user, user.RefreshToken)).Is(HttpStatusCode.OK).Text("refresh_token");
        await ChangeAsync(user, "expires_at = expires_at - interval '1 day'");
        (await RefreshAsync(user, next)).IsProblem(401, "UNAUTHENTICATED");
    }

    [Theory]
    [InlineData("""{}""")]
    [InlineData("""{"refresh_token":""}""")]
    [InlineData("""{"refresh_token":null}""")]
    public async Task without_a_token_the_field_is_named(string body)
    {
        var tenant = await stack.NewTenantAsync();
        var refused = await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", body);
        refused.IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(["refresh_token"], refused.BadFields);
    }

    private static Task<Answer> RefreshAsync(TestUser user, string token) => user.Tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = token });

    /// <summary>What was used just now was used before the grace: the rows say so, so that no test waits.</summary>
    private Task LetTenSecondsPassAsync(TestUser user) => ChangeAsync(user, "used_at = used_at - interval '11 seconds'");

    private async Task ChangeAsync(TestUser user, string set)
    {
        await using var command = stack.Database.CreateCommand($"update cvault.refresh_tokens set {set} where user_id = $1");
        command.Parameters.Add(new() { Value = Guid.Parse(user.Id) });
        Assert.NotEqual(0, await command.ExecuteNonQueryAsync());
    }
}
