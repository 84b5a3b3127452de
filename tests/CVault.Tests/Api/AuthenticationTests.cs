using System.Net;

namespace CVault.Tests.Api;

/// <summary><c>/api/v1/auth</c>: users register, log in and stay logged in.</summary>
public sealed class AuthenticationTests(Stack stack)
{
    [Fact]
    public async Task a_user_registers_logs_in_and_refreshes()
    {
        var tenant = await stack.NewTenantAsync();
        var email = NewEmail();
        var registered = (await RegisterAsync(tenant, email)).Is(HttpStatusCode.Created);
        var loggedIn = (await LoginAsync(tenant, email)).Is(HttpStatusCode.OK);
        var refreshed = (await RefreshAsync(tenant, loggedIn.Text("refresh_token"))).Is(HttpStatusCode.OK);

        Answer[] all = [registered, loggedIn, refreshed];
        Assert.All(all, a => Assert.Equal(registered.Text("user_id"), a.Text("user_id")));
        Assert.All(all, a => Assert.Equal(("900", "Bearer"), (a.Text("expires_in"), a.Text("token_type"))));
        Assert.Equal(3, all.Select(a => a.Text("refresh_token")).Distinct().Count());
        foreach (var answer in all)
        {
            (await stack.SendAsync(HttpMethod.Get, "/api/v1/vpn/status", headers: ("Authorization", "Bearer " + answer.Text("access_token")))).Is(HttpStatusCode.OK);
        }
    }

    [Fact]
    public async Task an_app_does_the_same_with_the_publishable_key_alone()
    {
        var tenant = await stack.NewTenantAsync();
        var body = new { email = NewEmail(), password = Scenarios.Password };
        (await stack.SendAsync(HttpMethod.Post, "/api/v1/auth/register", body, headers: ("X-API-Key", tenant.PublishableKey))).Is(HttpStatusCode.Created);
        var login = (await stack.SendAsync(HttpMethod.Post, "/api/v1/auth/login", body, headers: ("X-API-Key", tenant.PublishableKey))).Is(HttpStatusCode.OK);
        (await stack.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = login.Text("refresh_token") }, headers: ("X-API-Key", tenant.PublishableKey))).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task an_email_is_one_whatever_its_case_and_surrounding_space()
    {
        var tenant = await stack.NewTenantAsync();
        var email = NewEmail();
        var registered = (await RegisterAsync(tenant, $"  {email.ToUpperInvariant()} ")).Is(HttpStatusCode.Created);
        Assert.Equal(registered.Text("user_id"), (await LoginAsync(tenant, email)).Is(HttpStatusCode.OK).Text("user_id"));
        (await RegisterAsync(tenant, email)).IsProblem(409, "EMAIL_TAKEN");
    }

    [Fact]
    public async Task a_taken_email_is_refused_and_stays_its_owners()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        (await RegisterAsync(tenant, user.Email, "another password")).IsProblem(409, "EMAIL_TAKEN");
        (await LoginAsync(tenant, user.Email, "another password")).IsProblem(401, "INVALID_CREDENTIALS");
        (await LoginAsync(tenant, user.Email)).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task of_many_who_want_the_same_email_at_once_one_gets_it()
    {
        var tenant = await stack.NewTenantAsync();
        var email = NewEmail();
        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => RegisterAsync(tenant, email)));
        Assert.Single(answers, a => a.Status == HttpStatusCode.Created);
        foreach (var refused in answers.Where(a => a.Status != HttpStatusCode.Created)) refused.IsProblem(409, "EMAIL_TAKEN");
    }

    [Fact]
    public async Task the_same_email_in_two_tenants_is_two_users_with_passwords_of_their_own()
    {
        var (one, two) = (await stack.NewTenantAsync(), await stack.NewTenantAsync());
        var email = NewEmail();
        var first = (await RegisterAsync(one, email, "password of one")).Is(HttpStatusCode.Created);
        var second = (await RegisterAsync(two, email, "password of two")).Is(HttpStatusCode.Created);
        Assert.NotEqual(first.Text("user_id"), second.Text("user_id"));
        (await LoginAsync(two, email, "password of one")).IsProblem(401, "INVALID_CREDENTIALS");
        (await LoginAsync(two, email, "password of two")).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task an_unknown_email_and_a_wrong_password_answer_the_same()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        var wrong = await LoginAsync(tenant, user.Email, "wrong password");
        var unknown = await LoginAsync(tenant, NewEmail(), "wrong password");
        wrong.IsProblem(401, "INVALID_CREDENTIALS");
        Assert.Equal(wrong.ButRequestId, unknown.ButRequestId);
        Assert.Equal(wrong.Headers.Keys.Order(), unknown.Headers.Keys.Order());
        Assert.Equal(wrong.ButRequestId, (await LoginAsync(tenant, user.Email, new string('x', 500))).ButRequestId);
        Assert.Equal(wrong.ButRequestId, (await LoginAsync(tenant, "no email", "wrong password")).ButRequestId);
    }

    [Theory]
    [InlineData("""{}""", "email,password")]
    [InlineData("""{"email":null,"password":null}""", "email,password")]
    [InlineData("""{"email":"nobody","password":"long enough"}""", "email")]
    [InlineData("""{"email":"a@b@c.com","password":"long enough"}""", "email")]
    [InlineData("""{"email":"a\u0000@example.com","password":"long enough"}""", "email")]
    [InlineData("""{"email":"a b@example.com","password":"long enough"}""", "email")]
    [InlineData("""{"email":"a@example.com","password":"7 chars"}""", "password")]
    [InlineData("""{"email":"a@example.com","password":""}""", "password")]
    [InlineData("""{"email":"nobody","password":"short"}""", "email,password")]
    public async Task bad_emails_and_passwords_are_named(string body, string fields)
    {
        var tenant = await stack.NewTenantAsync();
        var refused = await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/register", body);
        refused.IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(fields.Split(','), refused.BadFields);
    }

    [Fact]
    public async Task a_password_has_eight_to_128_characters_of_any_alphabet()
    {
        var tenant = await stack.NewTenantAsync();
        foreach (var password in new[] { "8 chars!", new string('x', 128), "пароль-密码-🔑" })
        {
            var email = NewEmail();
            (await RegisterAsync(tenant, email, password)).Is(HttpStatusCode.Created);
            (await LoginAsync(tenant, email, password)).Is(HttpStatusCode.OK);
        }

        Assert.Equal(["password"], (await RegisterAsync(tenant, NewEmail(), new string('x', 129))).BadFields);
    }

    [Fact]
    public async Task of_twenty_at_once_exactly_as_many_as_the_limit_become_users()
    {
        var tenant = await stack.NewTenantAsync(new { user_limit = 7 });
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => RegisterAsync(tenant, NewEmail())));
        Assert.Equal(7, answers.Count(a => a.Status == HttpStatusCode.Created));
        foreach (var refused in answers.Where(a => a.Status != HttpStatusCode.Created)) refused.IsProblem(403, "USER_LIMIT_EXCEEDED");
    }

    [Fact]
    public async Task a_refused_registration_takes_no_place()
    {
        var tenant = await stack.NewTenantAsync(new { user_limit = 2 });
        var first = await tenant.NewUserAsync();
        for (var i = 0; i < 3; i++) (await RegisterAsync(tenant, first.Email)).IsProblem(409, "EMAIL_TAKEN");
        await tenant.NewUserAsync();
        (await RegisterAsync(tenant, NewEmail())).IsProblem(403, "USER_LIMIT_EXCEEDED");
    }

    [Fact]
    public async Task a_limit_of_none_lets_nobody_in_until_it_is_raised()
    {
        var tenant = await stack.NewTenantAsync(new { user_limit = 0 });
        (await RegisterAsync(tenant, NewEmail())).IsProblem(403, "USER_LIMIT_EXCEEDED");
        (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { user_limit = 1 })).Is(HttpStatusCode.OK);
        await tenant.NewUserAsync();
        (await RegisterAsync(tenant, NewEmail())).IsProblem(403, "USER_LIMIT_EXCEEDED");
    }

    private static string NewEmail() => $"user-{Guid.NewGuid():N}@example.com";

    private static Task<Answer> RegisterAsync(TestTenant tenant, string email, string password = Scenarios.Password) =>
        tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/register", new { email, password });

    private static Task<Answer> LoginAsync(TestTenant tenant, string email, string password = Scenarios.Password) =>
        tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/login", new { email, password });

    private static Task<Answer> RefreshAsync(TestTenant tenant, string token) => tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = token });
}
