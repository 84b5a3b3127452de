using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;

namespace CVault.Tests.Api;

/// <summary>A business signs itself up, and shows that its email is its own.</summary>
public sealed class SignUpTests(Stack stack)
{
    private const string SignUp = "/api/v1/tenant/auth/signup";

    [Fact]
    public async Task a_stranger_signs_up_verifies_the_mail_and_registers_a_user_and_a_device_by_API_alone()
    {
        var email = Scenarios.NewAddress();
        var signedUp = (await stack.SendAsync(HttpMethod.Post, SignUp, new { business_name = " Stranger Ltd ", email, password = Scenarios.Password })).Is(HttpStatusCode.Created);
        Assert.Equal(
            ["access_token", "api_key", "api_secret", "email_verified", "expires_in", "member_id", "publishable_key", "refresh_token", "tenant_id", "token_type"],
            signedUp.Json.AsObject().Select(m => m.Key).Order(StringComparer.Ordinal));
        var mail = await stack.MailToAsync(email);
        Assert.Contains("signed up Stranger Ltd at CVault", mail, StringComparison.Ordinal);
        (await stack.VerifyAsync(Scenarios.TokenIn(mail))).Is(HttpStatusCode.OK);

        var tenant = new TestTenant(stack, signedUp.Text("tenant_id"), signedUp.Text("api_key"), signedUp.Text("api_secret"), signedUp.Text("publishable_key"));
        var device = await (await tenant.NewUserAsync()).NewDeviceAsync();
        Assert.StartsWith("[Interface]", device.Config, StringComparison.Ordinal);

        var seen = (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/tenants/" + tenant.Id)).Is(HttpStatusCode.OK);
        Assert.Equal(("Stranger Ltd", "trial", "50", "50"), (seen.Text("name"), seen.Text("status"), seen.Text("user_limit"), seen.Text("bandwidth_limit_gb")));
        var me = (await stack.SendAsync(HttpMethod.Get, "/api/v1/tenant/me", headers: ("Authorization", "Bearer " + signedUp.Text("access_token")))).Is(HttpStatusCode.OK);
        Assert.Equal((email, "owner", tenant.Id, "true"), (me.Text("email"), me.Text("role"), me.Text("tenant_id"), me.Text("email_verified")));
    }

    [Fact]
    public async Task until_the_email_is_verified_the_keys_open_nothing_and_members_only_read()
    {
        var (tenant, owner) = await stack.SignUpAsync(verify: false);
        (await tenant.SendAsync(HttpMethod.Get, "/api/v1/servers")).IsProblem(403, "EMAIL_UNVERIFIED");
        (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/register", new { email = Scenarios.NewAddress(), password = Scenarios.Password })).IsProblem(403, "EMAIL_UNVERIFIED");
        (await stack.SendAsync(HttpMethod.Get, "/api/v1/servers", headers: ("X-API-Key", tenant.PublishableKey))).IsProblem(403, "EMAIL_UNVERIFIED");
        (await owner.InviteAsync(Scenarios.NewAddress(), "admin")).IsProblem(403, "EMAIL_UNVERIFIED");
        (await owner.SendAsync(HttpMethod.Patch, "/api/v1/tenant/settings", new { name = "New" })).IsProblem(403, "EMAIL_UNVERIFIED");
        Assert.Equal("False", (await owner.SendAsync(HttpMethod.Get, "/api/v1/tenant/me")).Is(HttpStatusCode.OK).Text("email_verified"), ignoreCase: true);

        var (old, _) = (Scenarios.TokenIn(await stack.MailToAsync(owner.Email)), (await owner.SendAsync(HttpMethod.Post, "/api/v1/tenant/auth/verify/resend")).Is(HttpStatusCode.Accepted));
        await Stack.EventuallyAsync("a second mail", TimeSpan.FromSeconds(30), async () => (await stack.MailsToAsync(owner.Email)).Length == 2);
        (await stack.VerifyAsync(old)).IsProblem(400, "INVALID_TOKEN"); // The new one took its place.
        (await stack.VerifyAsync(Scenarios.TokenIn(await stack.MailToAsync(owner.Email)))).Is(HttpStatusCode.OK);
        (await tenant.SendAsync(HttpMethod.Get, "/api/v1/servers")).Is(HttpStatusCode.OK);
        (await owner.SendAsync(HttpMethod.Patch, "/api/v1/tenant/settings", new { name = "New" })).Is(HttpStatusCode.OK);
        var again = (await stack.LogInMemberAsync(owner.Email)).Is(HttpStatusCode.OK);
        (await (owner with { AccessToken = again.Text("access_token") }).SendAsync(HttpMethod.Post, "/api/v1/tenant/auth/verify/resend")).IsProblem(409, "CONFLICT");
    }

    [Fact]
    public async Task a_verification_token_is_good_once_whoever_comes_first()
    {
        var (_, owner) = await stack.SignUpAsync(verify: false);
        var token = Scenarios.TokenIn(await stack.MailToAsync(owner.Email));
        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => stack.VerifyAsync(token)));
        Assert.Single(answers, a => a.Status == HttpStatusCode.OK);
        foreach (var late in answers.Where(a => a.Status != HttpStatusCode.OK)) late.IsProblem(400, "INVALID_TOKEN");
        (await stack.VerifyAsync("cvt_unknown")).IsProblem(400, "INVALID_TOKEN");
    }

    [Fact]
    public async Task a_taken_email_signs_up_alike_is_told_so_by_mail_alone_and_is_never_verified()
    {
        var (_, first) = await stack.SignUpAsync();
        var (tenant, second) = await stack.SignUpAsync(verify: false, email: first.Email.ToUpperInvariant());
        var mail = await stack.MailToAsync(first.Email, "already");
        Assert.DoesNotContain("cvt_", mail, StringComparison.Ordinal);
        (await second.SendAsync(HttpMethod.Post, "/api/v1/tenant/auth/verify/resend")).Is(HttpStatusCode.Accepted);
        await Stack.EventuallyAsync("a third mail", TimeSpan.FromSeconds(30), async () => (await stack.MailsToAsync(first.Email)).Length == 3);
        Assert.All((await stack.MailsToAsync(first.Email))[1..], m => Assert.DoesNotContain("cvt_", m, StringComparison.Ordinal));
        (await tenant.SendAsync(HttpMethod.Get, "/api/v1/servers")).IsProblem(403, "EMAIL_UNVERIFIED");
        Assert.Equal(first.TenantId, (await stack.LogInMemberAsync(first.Email)).Is(HttpStatusCode.OK).Text("tenant_id"));
    }

    [Fact]
    public async Task a_login_by_the_password_of_a_sign_up_does_not_tell_whether_the_email_had_an_account()
    {
        var (_, first) = await stack.SignUpAsync();
        var free = Scenarios.NewAddress();
        foreach (var email in new[] { first.Email, free })
        {
            (await stack.SendAsync(HttpMethod.Post, SignUp, new { business_name = "Mallory", email, password = "mallorys own password" })).Is(HttpStatusCode.Created);
            (await stack.LogInMemberAsync(email, "mallorys own password")).IsProblem(401, "INVALID_CREDENTIALS");
        }
    }

    [Fact]
    public async Task one_mailbox_is_not_filled_by_sign_ups_with_ever_other_additions_to_its_name()
    {
        var name = $"target-{Guid.NewGuid():N}";
        for (var i = 0; i < 5; i++) (await SignUpAsync(i)).Is(HttpStatusCode.Created);
        (await SignUpAsync(5)).IsProblem(429, "RATE_LIMITED");

        Task<Answer> SignUpAsync(int i) => stack.SendAsync(HttpMethod.Post, SignUp, new { business_name = "Mallory", email = $"{name}+{i}@example.com", password = Scenarios.Password });
    }

    [Fact]
    public async Task of_two_sign_ups_with_one_email_the_one_that_is_verified_first_has_it()
    {
        var email = Scenarios.NewAddress();
        var (_, first) = await stack.SignUpAsync(verify: false, email: email);
        var (loser, _) = await stack.SignUpAsync(verify: false, email: email);
        await Stack.EventuallyAsync("both mails", TimeSpan.FromSeconds(30), async () => (await stack.MailsToAsync(email)).Length == 2);
        var tokens = (await stack.MailsToAsync(email)).Select(Scenarios.TokenIn).ToArray();
        var answers = await Task.WhenAll(tokens.Select(stack.VerifyAsync));
        Assert.Single(answers, a => a.Status == HttpStatusCode.OK);
        answers.Single(a => a.Status != HttpStatusCode.OK).IsProblem(409, "EMAIL_TAKEN");
        var winner = (await stack.LogInMemberAsync(email)).Is(HttpStatusCode.OK).Text("tenant_id");
        Assert.Contains(winner, new[] { first.TenantId, loser.Id });
    }

    [Fact]
    public async Task a_sign_up_with_an_idempotency_key_is_one_sign_up()
    {
        var body = new { business_name = "Once", email = Scenarios.NewAddress(), password = Scenarios.Password };
        var key = Guid.NewGuid().ToString();
        var first = (await stack.SendAsync(HttpMethod.Post, SignUp, body, key)).Is(HttpStatusCode.Created);
        var second = (await stack.SendAsync(HttpMethod.Post, SignUp, body, key)).Is(HttpStatusCode.Created);
        Assert.Equal(first.Body, second.Body);
        await stack.MailToAsync(body.email);
        Assert.Single(await stack.MailsToAsync(body.email));
    }

    [Fact]
    public async Task what_is_wrong_is_named_field_by_field()
    {
        var refused = await stack.SendAsync(HttpMethod.Post, SignUp, new { business_name = " ", email = "nobody", password = "short" });
        refused.IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(["business_name", "email", "password"], refused.BadFields);
        (await stack.SendAsync(HttpMethod.Post, SignUp, "null")).IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(["password"], (await stack.SendAsync(HttpMethod.Post, SignUp, new { business_name = "A", email = Scenarios.NewAddress(), password = new string('x', 129) })).BadFields);
    }

    [Fact]
    public async Task a_business_cannot_write_lines_of_its_own_into_a_mail()
    {
        var (_, owner) = await stack.SignUpAsync(verify: false, name: "Acme\u2028cvt_notours" + new string('x', 200));
        var mail = await stack.MailToAsync(owner.Email);
        Assert.NotEqual("cvt_notours", Scenarios.TokenIn(mail));
        Assert.DoesNotContain('\u2028', mail);
    }

    [Fact]
    public async Task neither_the_email_nor_the_password_stands_in_the_database_in_the_clear()
    {
        var (tenant, owner) = await stack.SignUpAsync(verify: false);
        var local = owner.Email.Split('@')[0];
        await using var command = stack.Database.CreateCommand($"""
            select count(*) from (
              select data::text as t from {Database.Schema}.mt_events where tenant_id = $1
              union all select data::text from {Database.Schema}.mt_doc_tenant where tenant_id = $1
              union all select data::text from {Database.Schema}.mt_doc_membercredentials
              union all select encode(body, 'escape') from {Database.Schema}.wolverine_incoming_envelopes
              union all select encode(payload, 'escape') from {Database.Schema}.mails
              union all select encode(payload, 'escape') from {Database.Schema}.one_time_tokens) all_rows
            where t like '%' || $2 || '%' or t like '%correct horse%'
            """);
        command.Parameters.Add(new() { Value = tenant.Id });
        command.Parameters.Add(new() { Value = local });
        Assert.Equal(0L, await command.ExecuteScalarAsync());
    }

    [Fact]
    public async Task a_free_and_a_taken_email_take_the_same_time()
    {
        var mailed = new Queue<string>();
        string Taken()
        {
            var email = mailed.Dequeue();
            mailed.Enqueue(email);
            return email;
        }

        async Task<double> MeasureAsync(string path, object body)
        {
            var start = Stopwatch.GetTimestamp();
            Assert.True((int)(await stack.SendAsync(HttpMethod.Post, path, body)).Status is 201 or 202 or 401);
            return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        foreach (var (what, path, body) in new (string, string, Func<string, object>)[]
        {
            ("sign-up", SignUp, e => new { business_name = "Same", email = e, password = Scenarios.Password }),
            ("login", "/api/v1/tenant/auth/login", e => new { email = e, password = "wrong password" }),
            ("forgotten password", "/api/v1/tenant/auth/password/forgot", e => new { email = e }),
        })
        {
            var apart = double.MaxValue;
            // A busy machine sets them apart now and then; what tells one from the other does so every time.
            for (var attempt = 0; attempt < 3 && apart >= 25; attempt++) apart = await ApartAsync(what, path, body);
            Assert.True(apart < 25, $"{what}: a known and an unknown email are {apart:F1} ms apart.");
        }

        async Task<double> ApartAsync(string what, string path, Func<string, object> body)
        {
            // Several, since one is sent five mails an hour at most.
            mailed.Clear();
            for (var i = 0; i < 6; i++) mailed.Enqueue((await stack.SignUpAsync()).Owner.Email);
            for (var warm = 0; warm < 4; warm++) await MeasureAsync(path, body(warm % 2 == 0 ? Taken() : Scenarios.NewAddress()));
            var (known, unknown) = (new List<double>(), new List<double>());
            for (var i = 0; i < 20; i++)
            {
                // Each goes first as often as the other: the mail of one is on its way while the next is measured.
                if (i % 2 == 0) known.Add(await MeasureAsync(path, body(Taken())));
                unknown.Add(await MeasureAsync(path, body(Scenarios.NewAddress())));
                if (i % 2 == 1) known.Add(await MeasureAsync(path, body(Taken())));
            }

            var (k, u) = (known.Order().ElementAt(10), unknown.Order().ElementAt(10));
            TestContext.Current.TestOutputHelper?.WriteLine($"{what}: known {k:F1} ms, unknown {u:F1} ms, apart {Math.Abs(k - u):F1} ms (medians of 20)");
            return Math.Abs(k - u);
        }
    }

    [Fact]
    public async Task known_and_unknown_emails_are_answered_alike()
    {
        var taken = (await stack.SignUpAsync()).Owner.Email;
        foreach (var (path, of) in new (string, Func<string, object>)[]
        {
            ("/api/v1/tenant/auth/login", e => new { email = e, password = "wrong password" }),
            ("/api/v1/tenant/auth/password/forgot", e => new { email = e }),
        })
        {
            var (known, unknown) = (await stack.SendAsync(HttpMethod.Post, path, of(taken)), await stack.SendAsync(HttpMethod.Post, path, of(Scenarios.NewAddress())));
            Assert.Equal(known.ButRequestId, unknown.ButRequestId);
        }

        static JsonArray Shape(Answer a) => [.. a.Json.AsObject().Select(m => JsonValue.Create($"{m.Key}:{m.Value?.ToString().Length / 8}"))];
        var free = await stack.SendAsync(HttpMethod.Post, SignUp, new { business_name = "A", email = Scenarios.NewAddress(), password = Scenarios.Password });
        var used = await stack.SendAsync(HttpMethod.Post, SignUp, new { business_name = "A", email = taken, password = Scenarios.Password });
        Assert.Equal((free.Status, Shape(free).ToJsonString()), (used.Status, Shape(used).ToJsonString()));
        Assert.Equal(free.Headers.Keys.Order(StringComparer.Ordinal), used.Headers.Keys.Order(StringComparer.Ordinal));
    }
}
