using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace CVault.Tests.Api;

/// <summary>How much a tenant, an account and an address may ask for in a time.</summary>
public sealed class LimitTests(Stack stack, ITestOutputHelper output)
{
    private const string Servers = "/api/v1/servers", Login = "/api/v1/auth/login";

    [Fact]
    public async Task every_answer_to_a_tenant_says_what_is_left_of_its_limit()
    {
        var (_, answers) = await CountedAsync(50, async tenant =>
        {
            var user = await tenant.NewUserAsync();
            return
            [
                await tenant.SendAsync(HttpMethod.Get, Servers),
                await user.SendAsync(HttpMethod.Get, "/api/v1/devices"),
                await user.SendAsync(HttpMethod.Get, "/api/v1/devices/" + Guid.NewGuid()),
                await user.SendAsync(HttpMethod.Post, "/api/v1/devices", "no JSON"),
                await stack.SendAsync(HttpMethod.Get, "/api/v1/vpn/status", headers: ("Authorization", "Bearer " + user.AccessToken)),
            ];
        });
        Assert.Equal([200, 200, 404, 400, 200], answers.Select(a => (int)a.Status));
        for (var i = 0; i < answers.Length; i++)
        {
            var headers = answers[i].Headers;
            Assert.Equal(("\"tenant\";q=50;w=60", "50"), (headers["RateLimit-Policy"], headers["RateLimit-Limit"]));
            var told = Regex.Match(headers["RateLimit"], "^\"tenant\";r=(\\d+);t=(\\d+)$");
            Assert.Equal((headers["RateLimit-Remaining"], headers["RateLimit-Reset"]), (told.Groups[1].Value, told.Groups[2].Value));
            Assert.Equal(50 - 2 - i, int.Parse(headers["RateLimit-Remaining"]));
            Assert.InRange(int.Parse(headers["RateLimit-Reset"]), 1, 60);
        }

        foreach (var nobodys in new[] { await stack.SendAsync(HttpMethod.Get, "/health"), await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers"), await stack.SendAsync(HttpMethod.Get, Servers) })
        {
            Assert.DoesNotContain(nobodys.Headers, h => h.Key.StartsWith("RateLimit", StringComparison.OrdinalIgnoreCase));
        }
    }

    [Fact]
    public async Task of_a_hundred_calls_at_once_as_many_pass_as_the_limit_says_and_the_others_change_nothing()
    {
        TestUser user = null!;
        var (tenant, answers) = await CountedAsync(40, async tenant =>
        {
            (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { max_devices_per_user = 1000 })).Is(HttpStatusCode.OK);
            user = await tenant.NewUserAsync();
            return await Task.WhenAll(Enumerable.Range(0, 100).Select(i => user.RegisterDeviceAsync($"Device {i}")));
        });
        foreach (var refused in answers.Where(a => a.Status != HttpStatusCode.Created))
        {
            refused.IsProblem(429, "RATE_LIMITED");
            Assert.InRange(int.Parse(refused.Headers["Retry-After"]), 1, 61);
            Assert.Equal(("0", "40"), (refused.Headers["RateLimit-Remaining"], refused.Headers["RateLimit-Limit"]));
        }

        Assert.Equal(39, answers.Count(a => a.Status == HttpStatusCode.Created)); // and the registration of the user
        Assert.Equal(39L, await ScalarAsync("select count(*) from cvault.mt_doc_device where tenant_id = $1", tenant.Id));

        // Another limit holds at once.
        (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { requests_per_minute = 1000 })).Is(HttpStatusCode.OK);
        Assert.Equal(39, (await user.SendAsync(HttpMethod.Get, "/api/v1/devices")).Is(HttpStatusCode.OK).Json["devices"]!.AsArray().Count);
    }

    [Fact]
    public async Task a_tenant_with_a_limit_of_none_is_refused_everything()
    {
        var (tenant, answers) = await CountedAsync(0, async tenant => [await tenant.SendAsync(HttpMethod.Get, Servers)]);
        answers.Single().IsProblem(429, "RATE_LIMITED");
        (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/tenants/" + tenant.Id)).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task without_a_limit_of_its_own_a_tenant_has_a_hundred_a_minute()
    {
        var (_, answers) = await CountedAsync(null, tenant => Task.WhenAll(Enumerable.Range(0, 130).Select(_ => tenant.SendAsync(HttpMethod.Get, Servers))));
        Assert.Equal((100, 30), (answers.Count(a => a.Status == HttpStatusCode.OK), answers.Count(a => a.Code == "RATE_LIMITED")));
    }

    /// <summary>From 1,000 on a node takes some in advance: none of them may be lost while it is refusing already.</summary>
    [Fact]
    public async Task a_large_limit_is_granted_to_the_last_one_too()
    {
        var took = TimeSpan.Zero;
        var (_, answers) = await CountedAsync(3007, async tenant =>
        {
            var start = Stopwatch.GetTimestamp();
            var some = new System.Collections.Concurrent.ConcurrentBag<Answer>();
            await Parallel.ForEachAsync(Enumerable.Range(0, 3400), new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (_, _) => some.Add(await tenant.SendAsync(HttpMethod.Get, Servers)));
            took = Stopwatch.GetElapsedTime(start);
            return [.. some];
        });
        var granted = answers.Count(a => a.Status == HttpStatusCode.OK);
        output.WriteLine($"{granted} of 3007 in {took.TotalSeconds:0.0} s");
        Assert.SkipWhen(took > TimeSpan.FromSeconds(55), "This machine is too slow for 3,400 calls in one window.");
        Assert.Equal(3007, granted);
    }

    [Fact]
    public async Task while_nobody_can_count_calls_pass_and_attempts_to_sign_in_do_not()
    {
        var user = await (await stack.NewTenantAsync(new { requests_per_minute = 900 })).NewUserAsync();
        (await LoginAsync(user, "wrong password")).IsProblem(401, "INVALID_CREDENTIALS");
        var account = (string)(await ScalarAsync("select data ->> 'emailIndex' from cvault.mt_doc_usercredentials where tenant_id = $1", user.Tenant.Id))!;
        await using var connection = await stack.Database.OpenConnectionAsync();
        await using (var held = await connection.BeginTransactionAsync())
        {
            await using var hold = new Npgsql.NpgsqlCommand("select subject from cvault.request_limits where subject = any ($1) for update", connection, held) { Parameters = { new() { Value = new[] { "tenant:" + user.Tenant.Id, "account:" + account } } } };
            await hold.ExecuteNonQueryAsync();
            (await LoginAsync(user, Scenarios.Password)).IsProblem(503, "SERVICE_UNAVAILABLE");
            Assert.DoesNotContain("RateLimit", (await user.SendAsync(HttpMethod.Get, "/api/v1/devices")).Is(HttpStatusCode.OK).Headers.Keys);
            await held.RollbackAsync();
        }

        await Stack.EventuallyAsync("calls are counted again", TimeSpan.FromSeconds(10), async () => (await user.SendAsync(HttpMethod.Get, "/api/v1/devices")).Headers.ContainsKey("RateLimit"));
        (await LoginAsync(user, Scenarios.Password)).Is(HttpStatusCode.OK);
    }

    /// <summary>Row 31 of the plan, on one account: a thousand tries at once, of which none may be more than the twentieth to be looked at.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task of_a_thousand_guesses_at_once_on_one_account_twenty_are_looked_at(bool known)
    {
        var tenant = await stack.NewTenantAsync();
        var email = known ? (await tenant.NewUserAsync()).Email : $"nobody-{Guid.NewGuid():N}@example.com";
        var answers = await Task.WhenAll(Enumerable.Range(0, 1000).Select(i => tenant.SendAsync(HttpMethod.Post, Login, new { email = i % 2 == 0 ? email : email.ToUpperInvariant(), password = "wrong password " + i })));
        output.WriteLine(string.Join(", ", answers.GroupBy(a => (int)a.Status).Select(g => $"{g.Count()} answered {g.Key}")));
        Assert.Equal(20, answers.Count(WasLookedAt));
        foreach (var refused in answers.Where(a => a.Code != "INVALID_CREDENTIALS")) refused.IsProblem(429, "RATE_LIMITED");

        var right = await tenant.SendAsync(HttpMethod.Post, Login, new { email, password = Scenarios.Password });
        right.IsProblem(429, "RATE_LIMITED");
        Assert.InRange(int.Parse(right.Headers["Retry-After"]), 14 * 60, 16 * 60);
        // Nobody else is meant.
        var other = await tenant.NewUserAsync();
        (await tenant.SendAsync(HttpMethod.Post, Login, new { email = other.Email, password = Scenarios.Password })).Is(HttpStatusCode.OK);
    }

    /// <summary>Wherever else a password can be tried: of members, and by whoever has a stolen token and would have the password.</summary>
    [Theory]
    [InlineData("a member who signs in")]
    [InlineData("a member who changes it")]
    [InlineData("a user who changes it")]
    public async Task of_all_guesses_twenty_are_looked_at(string whose)
    {
        var member = whose == "a user who changes it" ? null : (await stack.SignUpAsync()).Owner;
        var user = member is null ? await (await stack.NewTenantAsync()).NewUserAsync() : null;
        Task<Answer> TryAsync(string password) => whose switch
        {
            "a member who signs in" => stack.LogInMemberAsync(member!.Email, password),
            "a member who changes it" => member!.SendAsync(HttpMethod.Post, "/api/v1/tenant/auth/password", new { current_password = password, new_password = "another " + Scenarios.Password }),
            _ => user!.SendAsync(HttpMethod.Post, "/api/v1/auth/password", new { current_password = password, new_password = "another " + Scenarios.Password }),
        };
        for (var i = 0; i < 20; i++) (await TryAsync("wrong password " + i)).IsProblem(401, "INVALID_CREDENTIALS");
        var right = await TryAsync(Scenarios.Password);
        right.IsProblem(429, "RATE_LIMITED");
        Assert.InRange(int.Parse(right.Headers["Retry-After"]), 14 * 60, 16 * 60);
    }

    /// <summary>Known or not, or the sixth would tell.</summary>
    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task a_mailbox_gets_five_mails_about_a_forgotten_password_in_an_hour(bool ofMember, bool known)
    {
        var tenant = await stack.NewTenantAsync();
        var email = !known ? $"nobody-{Guid.NewGuid():N}@example.com" : ofMember ? (await stack.SignUpAsync()).Owner.Email : (await tenant.NewUserAsync()).Email;
        // A member's sign-up has sent one to it.
        for (var i = ofMember && known ? 1 : 0; i < 5; i++) (await AskAsync()).Is(HttpStatusCode.Accepted);
        (await AskAsync()).IsProblem(429, "RATE_LIMITED");

        Task<Answer> AskAsync() => ofMember
            ? stack.SendAsync(HttpMethod.Post, "/api/v1/tenant/auth/password/forgot", new { email })
            : tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/password/forgot", new { email });
    }

    [Fact]
    public async Task a_right_password_gives_the_account_its_tries_back()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        for (var round = 0; round < 3; round++)
        {
            for (var i = 0; i < 15; i++) (await LoginAsync(user, "wrong password")).IsProblem(401, "INVALID_CREDENTIALS");
            (await LoginAsync(user, Scenarios.Password)).Is(HttpStatusCode.OK);
        }
    }

    /// <summary>Row 31 of the plan, over accounts: the tenant's own limit of authentication calls, half of its requests.</summary>
    [Fact]
    public async Task guesses_over_many_accounts_are_limited_for_the_tenant()
    {
        var guesses = Size.Of(500, 10_000);
        var tenant = await stack.NewTenantAsync(new { requests_per_minute = 100 });
        var start = Stopwatch.GetTimestamp();
        var answers = new List<Answer>();
        foreach (var some in Enumerable.Range(0, guesses).Chunk(100))
        {
            answers.AddRange(await Task.WhenAll(some.Select(i => tenant.SendAsync(HttpMethod.Post, Login, new { email = $"someone-{i}@example.com", password = "password" }))));
        }

        var windows = 1 + (int)(Stopwatch.GetElapsedTime(start).TotalSeconds / 60);
        output.WriteLine($"of {guesses} in {Stopwatch.GetElapsedTime(start).TotalSeconds:0} s: " + string.Join(", ", answers.GroupBy(a => (int)a.Status).Select(g => $"{g.Count()} answered {g.Key}")));
        Assert.InRange(answers.Count(WasLookedAt), 50, 50 * windows);
        foreach (var refused in answers.Where(a => a.Code != "INVALID_CREDENTIALS")) refused.IsProblem(429, "RATE_LIMITED");
    }

    [Fact]
    public async Task an_address_may_authenticate_sixty_times_a_minute_with_a_publishable_key_and_a_tenants_server_as_often_as_it_likes()
    {
        var tenant = await stack.NewTenantAsync();
        var address = SomeAddress();
        var byApp = await Task.WhenAll(Enumerable.Range(0, 80).Select(i => RefreshFromAsync(address, i, ("X-API-Key", tenant.PublishableKey))));
        Assert.Equal((60, 20), (byApp.Count(a => a.Code == "UNAUTHENTICATED"), byApp.Count(a => a.Code == "RATE_LIMITED")));

        var byServer = await Task.WhenAll(Enumerable.Range(0, 80).Select(i => RefreshFromAsync(address, i, ("X-API-Key", tenant.ApiKey), ("X-API-Secret", tenant.ApiSecret))));
        Assert.All(byServer, a => a.IsProblem(401, "UNAUTHENTICATED"));
        (await RefreshFromAsync(SomeAddress(), 0, ("X-API-Key", tenant.PublishableKey))).IsProblem(401, "UNAUTHENTICATED");
        // Calls that authenticate nobody are not meant.
        (await stack.SendAsync(HttpMethod.Get, Servers, headers: [("X-API-Key", tenant.PublishableKey), ("X-Forwarded-For", address)])).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task addresses_of_one_IPv6_network_count_as_one()
    {
        var tenant = await stack.NewTenantAsync();
        var network = $"2001:db8:{RandomNumberGenerator.GetInt32(65536):x}:{RandomNumberGenerator.GetInt32(65536):x}";
        var answers = await Task.WhenAll(Enumerable.Range(1, 80).Select(i => RefreshFromAsync($"{network}::{i:x}", i, ("X-API-Key", tenant.PublishableKey))));
        // Not logins: of eighty at once some wait too long for a core, and are refused for that.
        Assert.Equal((60, 20), (answers.Count(a => a.Code == "UNAUTHENTICATED"), answers.Count(a => a.Code == "RATE_LIMITED")));
    }

    [Fact]
    public async Task an_address_that_guesses_credentials_is_refused_before_they_are_looked_at()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        var address = SomeAddress();
        var answers = new List<Answer>();
        foreach (var kind in Enumerable.Range(0, 180).Chunk(60))
        {
            answers.AddRange(await Task.WhenAll(kind.Select(i => stack.SendAsync(HttpMethod.Get, Servers, headers:
            [
                ("X-Forwarded-For", address),
                .. (i % 3) switch
                {
                    0 => new[] { ("X-API-Key", "cvk_" + i) },
                    1 => [("X-API-Key", tenant.ApiKey), ("X-API-Secret", "cvs_" + i)],
                    _ => [("Authorization", "Bearer " + user.AccessToken[..^5] + "AAAAA")],
                },
            ]))));
        }

        Assert.Equal((120, 60), (answers.Count(a => a.Status == HttpStatusCode.Unauthorized), answers.Count(a => a.Code == "RATE_LIMITED")));
        (await stack.SendAsync(HttpMethod.Get, Servers, headers: [("X-Forwarded-For", address), ("X-API-Key", tenant.ApiKey), ("X-API-Secret", tenant.ApiSecret)])).IsProblem(429, "RATE_LIMITED");
        // A token that holds was not guessed, and elsewhere nothing happened.
        (await stack.SendAsync(HttpMethod.Get, "/api/v1/vpn/status", headers: [("X-Forwarded-For", address), ("Authorization", "Bearer " + user.AccessToken)])).Is(HttpStatusCode.OK);
        (await stack.SendAsync(HttpMethod.Get, Servers, headers: [("X-Forwarded-For", SomeAddress()), ("X-API-Key", tenant.ApiKey), ("X-API-Secret", tenant.ApiSecret)])).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task an_address_may_try_twenty_operators_tokens_a_minute()
    {
        var address = SomeAddress();
        var answers = new List<Answer>();
        for (var i = 0; i < 25; i++) answers.Add(await stack.SendAsync(HttpMethod.Get, "/admin/servers", headers: [("Authorization", "Bearer " + new string('x', 40) + i), ("X-Forwarded-For", address)]));
        Assert.Equal((20, 5), (answers.Count(a => a.Code == "UNAUTHENTICATED"), answers.Count(a => a.Code == "RATE_LIMITED")));
        (await stack.SendAsync(HttpMethod.Get, "/admin/servers", headers: [("Authorization", "Bearer " + Stack.OperatorToken), ("X-Forwarded-For", address)])).IsProblem(429, "RATE_LIMITED");
        (await stack.SendAsync(HttpMethod.Get, "/admin/servers", headers: [("Authorization", "Bearer " + Stack.OperatorToken), ("X-Forwarded-For", SomeAddress())])).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task calls_are_counted_by_month_and_key_and_refused_ones_are_not()
    {
        var (tenant, _) = await CountedAsync(12, async tenant =>
        {
            var user = await tenant.NewUserAsync();
            var answers = new List<Answer>();
            for (var i = 0; i < 4; i++) answers.Add(await user.SendAsync(HttpMethod.Get, "/api/v1/devices"));
            for (var i = 0; i < 3; i++) answers.Add(await tenant.SendAsync(HttpMethod.Get, Servers));
            for (var i = 0; i < 9; i++) answers.Add(await stack.SendAsync(HttpMethod.Get, "/api/v1/vpn/status", headers: ("Authorization", "Bearer " + user.AccessToken)));
            return [.. answers];
        });
        await Stack.EventuallyAsync("12 calls are counted", TimeSpan.FromSeconds(15), async () => (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/tenants/" + tenant.Id)).Text("api_calls_this_month") == "12");
        Assert.Equal(4L, await ScalarAsync($"select sum(calls)::bigint from cvault.api_calls where tenant_id = $1 and key_id = '{tenant.ApiKey}'", tenant.Id));
        Assert.Equal(4L, await ScalarAsync($"select sum(calls)::bigint from cvault.api_calls where tenant_id = $1 and key_id = '{tenant.PublishableKey}'", tenant.Id));
        Assert.Equal(4L, await ScalarAsync("select sum(calls)::bigint from cvault.api_calls where tenant_id = $1 and key_id = ''", tenant.Id));
    }

    /// <summary>Never the same twice: from where the random one of this run begins.</summary>
    private static string SomeAddress()
    {
        var next = (ushort)Interlocked.Increment(ref addresses);
        return $"198.18.{next >> 8}.{next & 255}";
    }

    private static int addresses = RandomNumberGenerator.GetInt32(65536);

    /// <summary>Of who waits too long for a core, that is said in a second or two; of a limit, when there is more.</summary>
    private static bool WasLookedAt(Answer answer) => answer.Code == "INVALID_CREDENTIALS" || answer.Headers.GetValueOrDefault("Retry-After") == "2";

    /// <summary>
    /// What a tenant with that limit was answered, once all of it was counted: where the database does not answer for a
    /// second, calls pass and are told of no limit (ops/decisions/0016), and the test begins anew with another tenant.
    /// </summary>
    private async Task<(TestTenant Tenant, Answer[] Answers)> CountedAsync(int? limit, Func<TestTenant, Task<Answer[]>> ask)
    {
        for (var tries = 1; ; tries++)
        {
            var tenant = await stack.NewTenantAsync(new { requests_per_minute = limit });
            var answers = await ask(tenant);
            if (answers.All(a => a.Headers.ContainsKey("RateLimit")) || tries == 5) return (tenant, answers);
            output.WriteLine($"{answers.Count(a => !a.Headers.ContainsKey("RateLimit"))} of {answers.Length} calls were not counted");
        }
    }

    private static Task<Answer> LoginAsync(TestUser user, string password) => user.Tenant.SendAsync(HttpMethod.Post, Login, new { email = user.Email, password });

    /// <summary>An auth call that costs no hash.</summary>
    private Task<Answer> RefreshFromAsync(string address, int number, params (string, string)[] credentials) =>
        stack.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = $"cvr_nobodys-{number}" }, headers: [("X-Forwarded-For", address), .. credentials]);

    private async Task<object?> ScalarAsync(string sql, string tenantId)
    {
        await using var command = stack.Database.CreateCommand(sql);
        command.Parameters.Add(new() { Value = tenantId });
        return await command.ExecuteScalarAsync();
    }
}
