using System.Net;
using CVault.Tests.Unit;

namespace CVault.Tests.Api;

/// <summary>Passwords and logins of a tenant's users: chosen, changed, forgotten, rehashed; and the end of a login.</summary>
public sealed class PasswordTests(Stack stack)
{
    private const string Another = "a wholly different one";

    [Theory]
    [InlineData("password1")]
    [InlineData("PASSWORD1")]
    [InlineData("Qwertyuiop")]
    [InlineData("Somebody.Here@Example.com")]
    public async Task a_common_password_or_the_email_itself_is_refused_wherever_one_is_chosen(string password)
    {
        var tenant = await stack.NewTenantAsync();
        var refused = await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/register", new { email = "somebody.here@example.com", password });
        refused.IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(["password"], refused.BadFields);

        var user = await tenant.NewUserAsync("somebody.here@example.com");
        Assert.Equal(["new_password"], (await ChangeAsync(user, Scenarios.Password, password)).BadFields);
        var token = await ForgetAsync(user);
        var reset = await ResetAsync(tenant, token, password);
        reset.IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(["password"], reset.BadFields);
        // The token is still good for a better one.
        (await ResetAsync(tenant, token, Another)).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task a_password_is_the_same_however_the_keyboard_sends_it()
    {
        var tenant = await stack.NewTenantAsync();
        var email = $"user-{Guid.NewGuid():N}@example.com";
        (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/register", new { email, password = "crème brûlée" })).Is(HttpStatusCode.Created);
        (await LoginAsync(tenant, email, "cre\u0300me bru\u0302le\u0301e")).Is(HttpStatusCode.OK);
        (await LoginAsync(tenant, email, "creme brulee")).IsProblem(401, "INVALID_CREDENTIALS");
    }

    [Fact]
    public async Task a_hash_of_lesser_parameters_is_replaced_at_the_next_login()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        await SetHashAsync(user, PasswordsTests.Weak(Scenarios.Password));
        (await LoginAsync(user.Tenant, user.Email, "not the password")).IsProblem(401, "INVALID_CREDENTIALS");
        Assert.Contains("m=8192,t=1", await HashAsync(user), StringComparison.Ordinal);

        var logins = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => LoginAsync(user.Tenant, user.Email, Scenarios.Password)));
        Assert.All(logins, l => l.Is(HttpStatusCode.OK));
        var after = await HashAsync(user);
        Assert.Contains("m=19456,t=2,p=1", after, StringComparison.Ordinal);
        (await LoginAsync(user.Tenant, user.Email, Scenarios.Password)).Is(HttpStatusCode.OK);
        Assert.Equal(after, await HashAsync(user));
    }

    [Fact]
    public async Task a_changed_password_ends_every_other_login()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var other = (await LoginAsync(user.Tenant, user.Email, Scenarios.Password)).Is(HttpStatusCode.OK);
        (await ChangeAsync(user, "not the password", Another)).IsProblem(401, "INVALID_CREDENTIALS");
        (await ChangeAsync(user, Scenarios.Password, Another)).Is(HttpStatusCode.OK);

        (await RefreshAsync(user.Tenant, other.Text("refresh_token"))).IsProblem(401, "UNAUTHENTICATED");
        (await StatusAsync(other.Text("access_token"))).IsProblem(401, "UNAUTHENTICATED");
        (await StatusAsync(user.AccessToken)).Is(HttpStatusCode.OK);
        (await RefreshAsync(user.Tenant, user.RefreshToken)).Is(HttpStatusCode.OK);
        (await LoginAsync(user.Tenant, user.Email, Scenarios.Password)).IsProblem(401, "INVALID_CREDENTIALS");
        (await LoginAsync(user.Tenant, user.Email, Another)).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task no_login_by_the_old_password_outlives_its_change()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var logins = Enumerable.Range(0, 12).Select(async i =>
        {
            await Task.Delay(i * 15);
            return await LoginAsync(user.Tenant, user.Email, Scenarios.Password);
        }).ToArray();
        await Task.Delay(60);
        (await ChangeAsync(user, Scenarios.Password, Another)).Is(HttpStatusCode.OK);
        foreach (var login in await Task.WhenAll(logins))
        {
            if (login.Status == HttpStatusCode.OK) (await RefreshAsync(user.Tenant, login.Text("refresh_token"))).IsProblem(401, "UNAUTHENTICATED");
        }
    }

    [Fact]
    public async Task a_forgotten_password_is_set_anew_by_the_mails_token_once_and_ends_every_login()
    {
        var tenant = await stack.NewTenantAsync(new { name = "Nordlicht" });
        var user = await tenant.NewUserAsync();
        var mail = await ForgetMailAsync(user);
        Assert.StartsWith("Nordlicht: ", mail, StringComparison.Ordinal);
        var token = Scenarios.TokenIn(mail);

        (await ResetAsync(await stack.NewTenantAsync(), token, Another)).IsProblem(400, "VALIDATION_FAILED");
        (await ResetAsync(tenant, token, Another)).Is(HttpStatusCode.OK);
        (await LoginAsync(tenant, user.Email, Another)).Is(HttpStatusCode.OK);
        (await LoginAsync(tenant, user.Email, Scenarios.Password)).IsProblem(401, "INVALID_CREDENTIALS");
        (await RefreshAsync(tenant, user.RefreshToken)).IsProblem(401, "UNAUTHENTICATED");
        (await StatusAsync(user.AccessToken)).IsProblem(401, "UNAUTHENTICATED");
        var again = await ResetAsync(tenant, token, "and a third one");
        again.IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(["token"], again.BadFields);
        Assert.Equal(again.ButRequestId, (await ResetAsync(tenant, "cvt_unknown", "and a third one")).ButRequestId);
    }

    [Fact]
    public async Task a_second_mail_makes_the_first_ones_token_void_and_so_does_a_change()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var first = await ForgetAsync(user);
        var second = await ForgetAsync(user);
        Assert.NotEqual(first, second);
        (await ResetAsync(user.Tenant, first, Another)).IsProblem(400, "VALIDATION_FAILED");
        (await ChangeAsync(user, Scenarios.Password, Another)).Is(HttpStatusCode.OK);
        (await ResetAsync(user.Tenant, second, "and a third one")).IsProblem(400, "VALIDATION_FAILED");
    }

    [Fact]
    public async Task an_unknown_email_is_answered_as_a_known_one_and_gets_no_mail()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        var nobody = $"nobody-{Guid.NewGuid():N}@example.com";
        var unknown = (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/password/forgot", new { email = nobody })).Is(HttpStatusCode.Accepted);
        var known = (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/password/forgot", new { email = user.Email })).Is(HttpStatusCode.Accepted);
        Assert.Equal(known.Body, unknown.Body);
        Assert.Equal(known.Headers.Keys.Order(), unknown.Headers.Keys.Order());
        await stack.MailToAsync(user.Email);
        Assert.Empty(await stack.MailsToAsync(nobody));
    }

    [Fact]
    public async Task where_emails_are_verified_a_known_one_is_answered_as_an_unknown_one_and_only_its_mailbox_learns_more()
    {
        var tenant = await stack.NewTenantAsync(new { email_verification = "required", name = "Nordlicht" });
        var (email, password) = ($"user-{Guid.NewGuid():N}@example.com", Scenarios.Password);
        var first = (await RegisterAsync(tenant, email, password)).Is(HttpStatusCode.Accepted);
        Assert.Equal("verification_sent", first.Text("status"));
        (await LoginAsync(tenant, email, password)).IsProblem(401, "INVALID_CREDENTIALS");
        var token = Scenarios.TokenIn(await stack.MailToAsync(email, "confirm"));
        (await VerifyAsync(await stack.NewTenantAsync(), token)).IsProblem(400, "VALIDATION_FAILED");
        (await VerifyAsync(tenant, token)).Is(HttpStatusCode.Created);
        (await VerifyAsync(tenant, token)).IsProblem(400, "VALIDATION_FAILED");
        (await LoginAsync(tenant, email, password)).Is(HttpStatusCode.OK);

        var second = (await RegisterAsync(tenant, email, Another)).Is(HttpStatusCode.Accepted);
        Assert.Equal(first.Body, second.Body);
        Assert.Equal(first.Headers.Keys.Order(), second.Headers.Keys.Order());
        Assert.DoesNotContain("cvt_", await stack.MailToAsync(email, "account already"), StringComparison.Ordinal);
        (await LoginAsync(tenant, email, Another)).IsProblem(401, "INVALID_CREDENTIALS");
    }

    [Fact]
    public async Task of_two_registrations_of_an_email_the_first_verified_is_its_user()
    {
        var tenant = await stack.NewTenantAsync(new { email_verification = "required" });
        var email = $"user-{Guid.NewGuid():N}@example.com";
        (await RegisterAsync(tenant, email, Scenarios.Password)).Is(HttpStatusCode.Accepted);
        var first = Scenarios.TokenIn(await stack.MailToAsync(email));
        (await RegisterAsync(tenant, email, Another)).Is(HttpStatusCode.Accepted);
        await Stack.EventuallyAsync("two mails", TimeSpan.FromSeconds(20), async () => (await stack.MailsToAsync(email)).Length == 2);
        var second = (await stack.MailsToAsync(email)).Select(Scenarios.TokenIn).Single(t => t != first);
        (await VerifyAsync(tenant, second)).Is(HttpStatusCode.Created);
        (await VerifyAsync(tenant, first)).IsProblem(409, "EMAIL_TAKEN");
        (await LoginAsync(tenant, email, Another)).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task logging_out_ends_the_login_of_the_access_token_and_no_other()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var other = (await LoginAsync(user.Tenant, user.Email, Scenarios.Password)).Is(HttpStatusCode.OK);
        (await user.SendAsync(HttpMethod.Post, "/api/v1/auth/logout")).Is(HttpStatusCode.OK);
        (await RefreshAsync(user.Tenant, user.RefreshToken)).IsProblem(401, "UNAUTHENTICATED");
        (await StatusAsync(user.AccessToken)).IsProblem(401, "UNAUTHENTICATED");
        (await RefreshAsync(user.Tenant, other.Text("refresh_token"))).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task logging_out_by_the_refresh_token_needs_no_access_token_and_the_right_tenant()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var next = (await RefreshAsync(user.Tenant, user.RefreshToken)).Is(HttpStatusCode.OK);
        (await LogoutAsync(await stack.NewTenantAsync(), user.RefreshToken)).Is(HttpStatusCode.OK);
        (await StatusAsync(next.Text("access_token"))).Is(HttpStatusCode.OK);
        // A spent one names its family as well.
        (await LogoutAsync(user.Tenant, user.RefreshToken)).Is(HttpStatusCode.OK);
        (await RefreshAsync(user.Tenant, next.Text("refresh_token"))).IsProblem(401, "UNAUTHENTICATED");
        (await StatusAsync(next.Text("access_token"))).IsProblem(401, "UNAUTHENTICATED");
        (await LogoutAsync(user.Tenant, user.RefreshToken)).Is(HttpStatusCode.OK);
        (await user.Tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/logout")).IsProblem(400, "VALIDATION_FAILED");
    }

    [Fact]
    public async Task a_refresh_at_the_moment_of_logging_out_does_not_outlive_it()
    {
        var tenant = await stack.NewTenantAsync();
        for (var i = 0; i < Size.Of(8, 100); i++)
        {
            var user = await tenant.NewUserAsync();
            var refresh = RefreshAsync(tenant, user.RefreshToken);
            var logout = LogoutAsync(tenant, user.RefreshToken);
            (await logout).Is(HttpStatusCode.OK);
            if (await refresh is { Status: HttpStatusCode.OK } refreshed) (await RefreshAsync(tenant, refreshed.Text("refresh_token"))).IsProblem(401, "UNAUTHENTICATED");
        }
    }

    /// <summary>The same, with the refresh halted where it spends its token.</summary>
    [Fact]
    public async Task logging_out_waits_for_a_refresh_under_way()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        await using var connection = await stack.Database.OpenConnectionAsync();
        await using var halt = await connection.BeginTransactionAsync();
        await using (var hold = new Npgsql.NpgsqlCommand("select 1 from cvault.refresh_tokens where user_id = $1 for update", connection, halt))
        {
            hold.Parameters.Add(new() { Value = Guid.Parse(user.Id) });
            Assert.Equal(1, await hold.ExecuteScalarAsync());
        }

        var refresh = RefreshAsync(user.Tenant, user.RefreshToken);
        await Task.Delay(TimeSpan.FromSeconds(1));
        var logout = LogoutAsync(user.Tenant, user.RefreshToken);
        await Task.Delay(TimeSpan.FromSeconds(1));
        await halt.CommitAsync();
        (await logout).Is(HttpStatusCode.OK);
        var next = (await refresh).Is(HttpStatusCode.OK).Text("refresh_token");
        (await RefreshAsync(user.Tenant, next)).IsProblem(401, "UNAUTHENTICATED");
    }

    [Fact]
    public async Task every_attempt_is_in_the_security_log_without_the_email()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        (await LoginAsync(tenant, user.Email, "not the password")).IsProblem(401, "INVALID_CREDENTIALS");
        (await LoginAsync(tenant, user.Email, Scenarios.Password)).Is(HttpStatusCode.OK);
        (await LoginAsync(tenant, "nobody@example.com", "not the password")).IsProblem(401, "INVALID_CREDENTIALS");
        await ForgetAsync(user);
        (await ChangeAsync(user, Scenarios.Password, Another)).Is(HttpStatusCode.OK);
        (await user.SendAsync(HttpMethod.Post, "/api/v1/auth/logout")).Is(HttpStatusCode.OK);

        string[] lines = [];
        await Stack.EventuallyAsync("the log has the last of them", TimeSpan.FromSeconds(10), async () =>
        {
            lines = [.. (await LogAsync()).Where(l => l.Contains(tenant.Id, StringComparison.Ordinal))];
            return lines.Any(l => l.Contains("SignedOut", StringComparison.Ordinal));
        });
        foreach (var (what, about) in new[]
        {
            ("SignedUp", user.Id), ("SignInFailed", user.Id), ("SignInSucceeded", user.Id), ("SignInFailed", "method=password user= "), ("PasswordResetRequested", ""), ("PasswordChanged", user.Id), ("SignedOut", user.Id),
        })
        {
            Assert.Contains(lines, l => l.Contains(what, StringComparison.Ordinal) && (l + " ").Contains(about, StringComparison.Ordinal));
        }

        Assert.DoesNotContain(await LogAsync(), l => l.Contains(user.Email, StringComparison.OrdinalIgnoreCase) || l.Contains(Scenarios.Password, StringComparison.Ordinal));
    }

    private static async Task<string[]> LogAsync()
    {
        await using var file = new FileStream(Path.Combine(Stack.StateDir, "logs", "api.log"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(file);
        return (await reader.ReadToEndAsync()).Split('\n');
    }

    private async Task<string> ForgetMailAsync(TestUser user)
    {
        var before = (await stack.MailsToAsync(user.Email)).Length;
        (await user.Tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/password/forgot", new { email = user.Email })).Is(HttpStatusCode.Accepted);
        await Stack.EventuallyAsync("a mail with a token", TimeSpan.FromSeconds(20), async () => (await stack.MailsToAsync(user.Email)).Length > before);
        return (await stack.MailsToAsync(user.Email))[^1];
    }

    private async Task<string> ForgetAsync(TestUser user) => Scenarios.TokenIn(await ForgetMailAsync(user));

    private async Task<string> HashAsync(TestUser user)
    {
        await using var command = stack.Database.CreateCommand("select data ->> 'passwordHash' from cvault.mt_doc_usercredentials where id = $1");
        command.Parameters.Add(new() { Value = Guid.Parse(user.Id) });
        return (string)(await command.ExecuteScalarAsync())!;
    }

    private async Task SetHashAsync(TestUser user, string hash)
    {
        await using var command = stack.Database.CreateCommand("update cvault.mt_doc_usercredentials set data = jsonb_set(data, array['passwordHash'], to_jsonb($2::text)) where id = $1");
        command.Parameters.Add(new() { Value = Guid.Parse(user.Id) });
        command.Parameters.Add(new() { Value = hash });
        Assert.Equal(1, await command.ExecuteNonQueryAsync());
    }

    private Task<Answer> StatusAsync(string accessToken) => stack.SendAsync(HttpMethod.Get, "/api/v1/vpn/status", headers: ("Authorization", "Bearer " + accessToken));
    private static Task<Answer> RegisterAsync(TestTenant tenant, string email, string password) => tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/register", new { email, password });
    private static Task<Answer> VerifyAsync(TestTenant tenant, string token) => tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/verify", new { token });
    private static Task<Answer> LoginAsync(TestTenant tenant, string email, string password) => tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/login", new { email, password });
    private static Task<Answer> RefreshAsync(TestTenant tenant, string token) => tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = token });
    private static Task<Answer> LogoutAsync(TestTenant tenant, string token) => tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/logout", new { refresh_token = token });
    private static Task<Answer> ResetAsync(TestTenant tenant, string token, string password) => tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/password/reset", new { token, password });

    private static Task<Answer> ChangeAsync(TestUser user, string current, string next) =>
        user.SendAsync(HttpMethod.Post, "/api/v1/auth/password", new { current_password = current, new_password = next });
}
