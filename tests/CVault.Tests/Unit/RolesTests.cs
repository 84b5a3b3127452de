using CVault.Members;
using CVault.Security;
using CVault.Tenants;

namespace CVault.Tests.Unit;

/// <summary>Who may do what, and to whom.</summary>
public sealed class RolesTests
{
    private static readonly Guid Owner = Guid.NewGuid(), Admin = Guid.NewGuid(), Developer = Guid.NewGuid(), Invited = Guid.NewGuid();

    private static readonly Tenant Staffed = Samples.Tenant
        .Apply(new MemberJoined(Owner, Role.Owner, new Sealed("s1.owner"), true, Samples.Now))
        .Apply(new MemberJoined(Admin, Role.Admin, new Sealed("s1.admin"), true, Samples.Now))
        .Apply(new MemberJoined(Developer, Role.Developer, new Sealed("s1.developer"), true, Samples.Now));

    [Theory]
    [InlineData(Role.Owner, "ReadTenant ManageSettings ReadKeys ManageKeys ReadMembers ManageMembers ReadUsage ReadBilling ManageBilling ManageIdentity")]
    [InlineData(Role.Admin, "ReadTenant ManageSettings ReadKeys ManageKeys ReadMembers ManageMembers ReadUsage ReadBilling ManageBilling ManageIdentity")]
    [InlineData(Role.Developer, "ReadTenant ReadKeys ManageKeys ReadMembers ReadUsage")]
    [InlineData(Role.Billing, "ReadTenant ReadMembers ReadUsage ReadBilling ManageBilling")]
    [InlineData(Role.ReadOnly, "ReadTenant ReadKeys ReadMembers ReadUsage")]
    public void each_role_has_these_permissions_and_no_others(Role role, string permissions) =>
        Assert.Equal(permissions, string.Join(' ', Enum.GetValues<Permission>().Where(p => role.Has(p))));

    [Fact]
    public void only_an_owner_makes_changes_or_removes_an_owner()
    {
        foreach (var actor in Enum.GetValues<Role>())
        {
            foreach (Role? before in (Role?[])[null, .. Enum.GetValues<Role>()])
            {
                foreach (Role? after in (Role?[])[null, .. Enum.GetValues<Role>()])
                {
                    Assert.Equal(actor == Role.Owner || (actor == Role.Admin && before != Role.Owner && after != Role.Owner), actor.MayChange(before, after));
                }
            }
        }
    }

    [Fact]
    public void the_last_owner_stays_one()
    {
        Assert.Equal("LAST_OWNER", CodeOf(Staff.WhyNot(Staffed, Owner, Owner, Role.Admin)));
        Assert.Equal("LAST_OWNER", CodeOf(Staff.WhyNot(Staffed, Owner, Owner, null)));
        Assert.Null(Staff.WhyNot(Staffed, Owner, Owner, Role.Owner));
        var two = Staffed.Apply(new MemberRoleChanged(Admin, Role.Owner));
        Assert.Null(Staff.WhyNot(two, Owner, Owner, Role.Admin));
        Assert.Null(Staff.WhyNot(two, Admin, Owner, null));
    }

    [Fact]
    public void who_is_gone_or_may_not_changes_nobody_and_nobody_is_not_found()
    {
        Assert.Equal("UNAUTHENTICATED", CodeOf(Staff.WhyNot(Staffed.Apply(new MemberRemoved(Admin)), Admin, Developer, Role.Billing)));
        Assert.Equal("FORBIDDEN", CodeOf(Staff.WhyNot(Staffed, Developer, Admin, Role.Billing)));
        Assert.Equal("FORBIDDEN", CodeOf(Staff.WhyNot(Staffed, Admin, Owner, Role.Billing)));
        Assert.Equal("FORBIDDEN", CodeOf(Staff.WhyNot(Staffed, Admin, Developer, Role.Owner)));
        Assert.Equal("NOT_FOUND", CodeOf(Staff.WhyNot(Staffed, Owner, Guid.NewGuid(), Role.Owner)));
        Assert.Null(Staff.WhyNot(Staffed, Admin, Developer, null));
    }

    [Fact]
    public void a_staff_is_what_its_events_say()
    {
        var until = Samples.Now.AddDays(7);
        var tenant = Staffed.Apply(new MemberInvited(Invited, Role.Billing, new Sealed("s1.x"), until));
        Assert.Equal(new Invitation(Role.Billing, new Sealed("s1.x"), until), tenant.Invitations[Invited]);
        Assert.Empty(tenant.Apply(new InvitationRevoked(Invited)).Invitations);

        tenant = tenant.Apply(new MemberJoined(Invited, Role.Billing, new Sealed("s1.x"), true, Samples.Now)).Apply(new MemberRoleChanged(Invited, Role.Admin)).Apply(new MemberRemoved(Developer));
        Assert.Empty(tenant.Invitations);
        Assert.Equal([Role.Owner, Role.Admin, Role.Admin], tenant.Members.Values.Select(m => m.Role).Order());
        Assert.Equal(tenant.Members.Count, tenant.Apply(new MemberRoleChanged(Developer, Role.Owner)).Members.Count); // Of who is gone nothing comes back.
    }

    [Fact]
    public void a_tenant_that_signed_itself_up_is_unverified_until_its_owners_email_is()
    {
        var tenant = Tenant.Create(Samples.Stored(Guid.NewGuid(), new TenantCreated("A", TenantStatus.Trial, new TenantSettings(), Samples.Now, SelfService: true)))
            .Apply(new MemberJoined(Owner, Role.Owner, new Sealed("s1.x"), EmailVerified: false, Samples.Now));
        Assert.False(tenant.Verified);
        tenant = tenant.Apply(new MemberEmailVerified(Owner));
        Assert.True(tenant.Verified);
        Assert.True(tenant.Members[Owner].EmailVerified);
        Assert.True(Samples.Tenant.Verified);
    }

    [Fact]
    public void a_tenant_stored_before_there_were_members_is_verified_and_has_none()
    {
        var stored = System.Text.Json.JsonSerializer.Deserialize<Tenant>(
            """{"id":"01890a5d-ac96-774b-bcce-b302099a8059","name":"Acme","status":0,"settings":{"maxDevicesPerUser":5},"createdAt":"2026-03-01T12:00:00Z"}""", System.Text.Json.JsonSerializerOptions.Web)!;
        Assert.True(stored.Verified);
        Assert.Empty(stored.Members);
        Assert.Empty(stored.Invitations);
    }

    [Fact]
    public void what_is_stored_of_a_staff_is_read_back()
    {
        var json = System.Text.Json.JsonSerializer.Serialize(Staffed.Apply(new TenantContactChanged(new Sealed("s1.c"))), System.Text.Json.JsonSerializerOptions.Web);
        var read = System.Text.Json.JsonSerializer.Deserialize<Tenant>(json, System.Text.Json.JsonSerializerOptions.Web)!;
        Assert.Equal(Staffed.Members[Admin], read.Members[Admin]);
        Assert.Equal(new Sealed("s1.c"), read.ContactEmail);
    }

    private static string? CodeOf(Microsoft.AspNetCore.Mvc.ProblemDetails? problem) => problem is null ? null : Problems.CodeOf(problem);
}
