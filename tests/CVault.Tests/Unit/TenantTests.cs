using System.Security.Cryptography;
using System.Text.Json;
using CVault.Security;
using CVault.Tenants;

namespace CVault.Tests.Unit;

/// <summary>A tenant's life, and what changes it.</summary>
public sealed class TenantTests
{
    private static readonly Tenant Active = Samples.Tenant, Suspended = Samples.Tenant with { Status = TenantStatus.Suspended };

    [Fact]
    public void a_tenant_is_what_its_events_say()
    {
        var tenant = Tenant.Create(Samples.Stored(Active.Id, new TenantCreated("Acme", TenantStatus.Trial, new TenantSettings(UserLimit: 3), Active.CreatedAt)));
        Assert.Equal(new Tenant(Active.Id, "Acme", TenantStatus.Trial, new TenantSettings(UserLimit: 3), Samples.Now), tenant);

        tenant = tenant.Apply(new TenantRenamed("Acme Ltd")).Apply(new TenantSettingsChanged(new TenantSettings(UserLimit: 4))).Apply(new TenantSuspended("operator"));
        Assert.Equal(("Acme Ltd", 4, true), (tenant.Name, tenant.Settings.UserLimit, tenant.IsSuspended));

        tenant = tenant.Apply(new TenantReinstated(TenantStatus.Trial));
        Assert.Equal((TenantStatus.Trial, false), (tenant.Status, tenant.IsSuspended));
    }

    [Fact]
    public void a_change_to_what_already_is_changes_nothing() =>
        Assert.Empty(UpdateTenant.Decide(TenantChangesTests.Of("""{"name":" Acme ","status":"active","max_devices_per_user":5,"user_limit":null}"""), Active));

    [Fact]
    public void branding_sent_again_as_it_is_changes_nothing()
    {
        var branded = Active with { Settings = Active.Settings with { WhitelabelConfig = JsonDocument.Parse("""{"color":"red"}""").RootElement } };
        Assert.Empty(UpdateTenant.Decide(TenantChangesTests.Of("""{"whitelabel_config":{"color":"red"}}"""), branded));
        Assert.Single(UpdateTenant.Decide(TenantChangesTests.Of("""{"whitelabel_config":{"color":"blue"}}"""), branded));
    }

    [Fact]
    public void each_kind_of_change_is_an_event_of_its_own() => Assert.Equal(
        [new TenantRenamed("New"), new TenantSettingsChanged(new TenantSettings(UserLimit: 7)), new TenantSuspended("operator")],
        UpdateTenant.Decide(TenantChangesTests.Of("""{"name":"New","user_limit":7,"status":"suspended"}"""), Active));

    [Fact]
    public void a_suspended_tenant_is_reinstated_as_what_was_asked() =>
        Assert.Equal([new TenantReinstated(TenantStatus.Trial)], UpdateTenant.Decide(TenantChangesTests.Of("""{"status":"trial"}"""), Suspended));

    [Fact]
    public void the_answer_to_a_change_shows_the_tenant_after_it()
    {
        var (reply, events, messages) = UpdateTenant.Answer(TenantChangesTests.Of("""{"name":"New","status":"suspended"}"""), Active, null);
        var view = Assert.IsType<TenantView>(reply.Body);
        Assert.Equal((200, "New", "suspended"), (reply.Status, view.Name, view.Status));
        Assert.Equal(2, events.Length);
        Assert.Equal([new TenantAccessChanged(Active.Id)], messages);
    }

    [Fact]
    public void only_a_change_of_access_is_announced_to_the_servers()
    {
        Assert.Empty(UpdateTenant.Answer(TenantChangesTests.Of("""{"name":"New","status":"trial"}"""), Active, null).Messages);
        Assert.Equal([new TenantAccessChanged(Active.Id)], UpdateTenant.Answer(TenantChangesTests.Of("""{"status":"active"}"""), Suspended, null).Messages);
    }

    [Fact]
    public void suspending_announces_it_and_suspending_twice_is_once()
    {
        var (reply, events, messages) = SuspendTenant.Delete(Active);
        Assert.Equal("suspended", Assert.IsType<TenantView>(reply.Body).Status);
        Assert.Equal([new TenantSuspended("operator")], events);
        Assert.Equal([new TenantAccessChanged(Active.Id)], messages);

        (reply, events, messages) = SuspendTenant.Delete(Suspended);
        Assert.Equal(200, reply.Status);
        Assert.Empty(events);
        Assert.Empty(messages);
    }

    [Fact]
    public void bandwidth_takes_the_tunnels_and_gives_them_back_and_a_suspension_is_another_matter()
    {
        var over = Active.Apply(new BandwidthExhausted(new DateOnly(2026, 3, 1), 5, 5));
        Assert.Equal((true, false, TenantStatus.Active), (over.OverBandwidth, over.HasTunnels, over.Status));
        Assert.Equal(over, over.Apply(new BandwidthWarned(new DateOnly(2026, 3, 1), 100, 5, 5)));
        var both = over.Apply(new TenantSuspended("operator"));
        Assert.False(both.Apply(new TenantReinstated(TenantStatus.Active)).HasTunnels);
        Assert.False(both.Apply(new BandwidthRestored("new_month")).HasTunnels);
        Assert.True(both.Apply(new BandwidthRestored("new_month")).Apply(new TenantReinstated(TenantStatus.Active)).HasTunnels);
        Assert.Empty(UpdateTenant.Answer(TenantChangesTests.Of("""{"status":"active"}"""), both, null).Messages);
    }

    [Fact]
    public void a_new_tenant_gets_its_keys_this_once_and_no_event_holds_the_secret()
    {
        var lookup = new LookupKey(RandomNumberGenerator.GetBytes(32));
        var (reply, stream, first, second) = CreateTenant.Post(TenantChangesTests.Of("""{"name":" Acme ","user_limit":3}"""), lookup, new Clock(Samples.Now));
        var view = Assert.IsType<TenantCreatedView>(reply.Body);
        Assert.Equal((201, $"/admin/tenants/{view.Id}", "Acme", "active", 3), (reply.Status, reply.Location, view.Name, view.Status, view.UserLimit));

        var recorded = Recorder.Of(stream, first, second);
        Assert.Equal(
            [new TenantCreated("Acme", TenantStatus.Active, new TenantSettings(UserLimit: 3), Samples.Now), new ApiKeyIssued(view.ApiKey, ApiKeyKind.Secret, "First secret key"), new ApiKeyIssued(view.PublishableKey, ApiKeyKind.Publishable, "First publishable key")],
            recorded.Events);
        var keys = recorded.Stored<ApiKey>();
        Assert.Equal([view.ApiKey, view.PublishableKey], keys.Select(k => k.Id));
        Assert.All(keys, k => Assert.Equal(view.Id, k.TenantId));
        Assert.True(keys[0].SecretMatches(view.ApiSecret, lookup));
        Assert.DoesNotContain(view.ApiSecret, JsonSerializer.Serialize(recorded.Events) + JsonSerializer.Serialize(keys), StringComparison.Ordinal);
    }
}
