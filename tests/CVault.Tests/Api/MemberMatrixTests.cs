using System.Net;

namespace CVault.Tests.Api;

/// <summary>
/// Every operation under <c>/api/v1/tenant</c> of the OpenAPI document, called by every role, by a tenant whose email is
/// not verified, and by those who are no members at all. What may come of it stands here, written by hand: an operation
/// without a row fails, so that none is added without somebody deciding who may call it.
/// </summary>
public sealed class MemberMatrixTests(Stack stack)
{
    private static readonly string[] Roles = ["owner", "admin", "developer", "billing", "read_only"];

    /// <summary>The roles that may, and whether they may before the email is verified. None: open to anyone.</summary>
    private static readonly Dictionary<string, (string[] Roles, bool BeforeVerified)> Rows = new()
    {
        ["signUp"] = ([], true),
        ["verifyEmail"] = ([], true),
        ["logInMember"] = ([], true),
        ["refreshMemberTokens"] = ([], true),
        ["forgotMemberPassword"] = ([], true),
        ["resetMemberPassword"] = ([], true),
        ["acceptInvitation"] = ([], true),
        ["getMe"] = (Roles, true),
        ["resendVerification"] = (Roles, true),
        ["logOutMember"] = (Roles, true),
        ["changeMemberPassword"] = (Roles, false),
        ["listMembers"] = (Roles, true),
        ["changeMemberRole"] = (["owner", "admin"], false),
        ["removeMember"] = (["owner", "admin"], false),
        ["listInvitations"] = (Roles, true),
        ["inviteMember"] = (["owner", "admin"], false),
        ["revokeInvitation"] = (["owner", "admin"], false),
        ["listApiKeys"] = (["owner", "admin", "developer", "read_only"], true),
        ["createApiKey"] = (["owner", "admin", "developer"], false),
        ["regenerateApiKey"] = (["owner", "admin", "developer"], false),
        ["changeApiKey"] = (["owner", "admin", "developer"], false),
        ["rotateApiKey"] = (["owner", "admin", "developer"], false),
        ["revokeApiKey"] = (["owner", "admin", "developer"], false),
        ["getSettings"] = (Roles, true),
        ["updateSettings"] = (["owner", "admin"], false),
        ["getDashboardStats"] = (Roles, true),
        ["getDashboardUsage"] = (Roles, true),
        ["getDashboardActivity"] = (Roles, true),
        ["getIdentityProvider"] = (Roles, true),
        ["setIdentityProvider"] = (["owner", "admin"], false),
        ["removeIdentityProvider"] = (["owner", "admin"], false),
    };

    [Fact]
    public async Task every_operation_is_open_to_just_the_roles_that_may_call_it()
    {
        var (tenant, owner) = await stack.SignUpAsync();
        var members = new Dictionary<string, TestMember> { ["owner"] = owner };
        foreach (var role in Roles.Skip(1)) members[role] = await owner.NewColleagueAsync(role);
        var unverified = (await stack.SignUpAsync(verify: false)).Owner;
        var user = await tenant.NewUserAsync();
        var removed = await owner.NewColleagueAsync("admin");
        (await owner.SendAsync(HttpMethod.Delete, "/api/v1/tenant/members/" + removed.Id)).Is(HttpStatusCode.OK);

        var offences = new List<string>();
        var tried = 0;
        foreach (var (method, path, name, hasBody, roles) in await OperationsAsync())
        {
            if (!Rows.TryGetValue(name, out var row))
            {
                offences.Add($"{name} ({method} {path}) has no row: decide who may call it, and write it into {nameof(Rows)}.");
                continue;
            }

            if (!roles.SequenceEqual(row.Roles)) offences.Add($"{name}: the description says x-roles [{string.Join(", ", roles)}] and the table [{string.Join(", ", row.Roles)}].");
            // An id that is nobody's, and a body that is none: what is refused is refused before either is looked at.
            var target = System.Text.RegularExpressions.Regex.Replace(path, "{[^}]*}", _ => Guid.CreateVersion7().ToString());
            async Task ExpectAsync(string who, string expected, params (string, string)[] headers)
            {
                tried++;
                var answer = await stack.SendAsync(method, target, hasBody ? "{}" : null, headers: headers);
                var got = answer.Code is "FORBIDDEN" or "UNAUTHENTICATED" or "EMAIL_UNVERIFIED" or "INVALID_API_KEY" or "TENANT_SUSPENDED" ? answer.Code : (int)answer.Status >= 500 ? answer.Body : "open";
                if (got != expected) offences.Add($"{name} is {got} to {who}, and should be {expected}.");
            }

            var anyone = row.Roles.Length == 0;
            foreach (var (role, member) in members) await ExpectAsync(role, anyone || row.Roles.Contains(role) ? "open" : "FORBIDDEN", Bearer(member.AccessToken));
            await ExpectAsync("an unverified owner", anyone || row.BeforeVerified ? "open" : "EMAIL_UNVERIFIED", Bearer(unverified.AccessToken));
            foreach (var (who, headers) in new (string, (string, string)[])[]
            {
                ("nobody", []),
                ("a removed admin", [Bearer(removed.AccessToken)]),
                ("a user", [Bearer(user.AccessToken), ("X-API-Key", tenant.PublishableKey)]),
                ("the tenant's server", [("X-API-Key", tenant.ApiKey), ("X-API-Secret", tenant.ApiSecret)]),
                ("the operator", [Bearer(Stack.OperatorToken)]),
                ("a refresh token", [Bearer(owner.RefreshToken)]),
            })
            {
                await ExpectAsync(who, anyone ? "open" : "UNAUTHENTICATED", headers);
            }
        }

        Assert.True(offences.Count == 0, string.Join('\n', offences));
        TestContext.Current.TestOutputHelper?.WriteLine($"{tried} calls of {Rows.Count} operations");
    }

    [Fact]
    public async Task another_tenants_member_finds_nobody_here()
    {
        var (_, owner) = await stack.SignUpAsync();
        var colleague = await owner.NewColleagueAsync("developer");
        var email = Scenarios.NewAddress();
        var invitation = (await owner.InviteAsync(email, "admin")).Text("invitation_id");
        var stranger = (await stack.SignUpAsync()).Owner;
        foreach (var (method, path, id, body) in new (HttpMethod, string, string, object?)[]
        {
            (HttpMethod.Patch, "/api/v1/tenant/members/", colleague.Id, new { role = "billing" }),
            (HttpMethod.Delete, "/api/v1/tenant/members/", colleague.Id, null),
            (HttpMethod.Delete, "/api/v1/tenant/invitations/", invitation, null),
        })
        {
            var (foreign, unknown) = (await stranger.SendAsync(method, path + id, body), await stranger.SendAsync(method, path + Guid.CreateVersion7(), body));
            foreign.IsProblem(404, "NOT_FOUND");
            Assert.Equal(unknown.ButRequestId, foreign.ButRequestId);
        }

        foreach (var path in new[] { "members", "invitations", "me", "settings" })
        {
            var shown = (await stranger.SendAsync(HttpMethod.Get, "/api/v1/tenant/" + path)).Is(HttpStatusCode.OK).Body;
            Assert.All(new[] { owner.Id, owner.Email, colleague.Id, colleague.Email, invitation, email, owner.TenantId }, s => Assert.DoesNotContain(s, shown, StringComparison.Ordinal));
        }

        Assert.True(await colleague.IsInAsync());
    }

    private static (string, string) Bearer(string token) => ("Authorization", "Bearer " + token);

    private async Task<(HttpMethod Method, string Path, string Name, bool HasBody, string[] Roles)[]> OperationsAsync()
    {
        var document = (await stack.SendAsync(HttpMethod.Get, "/openapi/v1.json")).Is(HttpStatusCode.OK).Json;
        var operations = document["paths"]!.AsObject().Where(p => p.Key.StartsWith("/api/v1/tenant/", StringComparison.Ordinal))
            .SelectMany(p => p.Value!.AsObject().Select(o => (
                new HttpMethod(o.Key.ToUpperInvariant()), p.Key, o.Value!["operationId"]!.ToString(), o.Value["requestBody"] is not null,
                o.Value["x-roles"]?.AsArray().Select(r => r!.ToString()).ToArray() ?? [])))
            .OrderBy(o => o.Item3 == "logOutMember").ToArray(); // Last: who logged out can try nothing more.
        Assert.True(operations.Length >= 15, "The document names hardly any operation of members.");
        return operations;
    }
}
