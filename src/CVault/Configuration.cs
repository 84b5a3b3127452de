using CVault.Billing;
using CVault.Devices;
using CVault.IpLeases;
using CVault.Mail;
using CVault.Members;
using CVault.Metering;
using CVault.Peers;
using CVault.Security;
using CVault.Servers;
using CVault.Sessions;
using CVault.Tenants;
using CVault.Users;
using JasperFx;
using JasperFx.Events;
using JasperFx.Events.Projections;
using JasperFx.MultiTenancy;
using Marten;
using Marten.Schema;
using Marten.Schema.Indexing.Unique;
using Weasel.Core;
using Weasel.Postgresql;

namespace CVault;

/// <summary>What PostgreSQL holds: events, inline models, and the tables whose rows referee.</summary>
public static class Configuration
{
    /// <summary>By which a tenant's billing is exported.</summary>
    public const string ExportIndex = "ix_events_billing";

    /// <summary>The types that have a table of Marten's.</summary>
    public static readonly Type[] StoredTypes =
    [
        typeof(IEvent), typeof(Tenant), typeof(ApiKey), typeof(MemberCredentials), typeof(User), typeof(UserCredentials), typeof(Device), typeof(DevicePrivateKey), typeof(Session), typeof(Server), typeof(Plan), typeof(BillingAccount), typeof(Invoice),
    ];

    public static void ConfigureStore(StoreOptions store)
    {
        store.DatabaseSchemaName = Database.Schema;
        store.AutoCreateSchemaObjects = AutoCreate.CreateOrUpdate;
        store.UseSystemTextJsonForSerialization(EnumStorage.AsString, Casing.CamelCase);
        store.Policies.AllDocumentsAreMultiTenanted();
        // Marten keeps row-level security where it believes in it; the policies are ours, and so is the setting (TenantWall).
        store.Policies.ForAllDocuments(TenantWall.Keep);
        store.Logger(new Walled());
        // Marten would repeat a commit that a deadlock ended, in a new transaction, which has nothing of what the first
        // had taken before its commit: the address, the quota, the idempotency claim. The caller repeats, whole.
        store.ConfigureWritePolly(_ => { });

        var events = store.Events;
        events.TenancyStyle = TenancyStyle.Conjoined;
        events.AppendMode = EventAppendMode.Quick;
        // Without it each version conflict burns a sequence number, on which every async projection then waits.
        events.UseExclusiveLockOnConcurrentAppends = true;
        events.MetadataConfig.CorrelationIdEnabled = true;
        events.MetadataConfig.CausationIdEnabled = true;
        events.MetadataConfig.UserNameEnabled = true;

        // Made beside the read models' tables.
        events.IgnoreIndex(ExportIndex);

        NameEvents(events);
        Inline(store);
        Tables(store);
    }

    /// <summary>Every event's name in the store, with its version. A name, once written, stays.</summary>
    private static void NameEvents(Marten.Events.IEventStoreOptions events)
    {
        events.MapEventType<TenantCreated>("tenant_created_v1");
        events.MapEventType<ApiKeyIssued>("api_key_issued_v1");
        events.MapEventType<ApiKeyChanged>("api_key_changed_v1");
        events.MapEventType<ApiKeyRotated>("api_key_rotated_v1");
        events.MapEventType<ApiKeyRevoked>("api_key_revoked_v1");
        events.MapEventType<TenantRenamed>("tenant_renamed_v1");
        events.MapEventType<TenantSettingsChanged>("tenant_settings_changed_v1");
        events.MapEventType<TenantSuspended>("tenant_suspended_v1");
        events.MapEventType<TenantReinstated>("tenant_reinstated_v1");
        events.MapEventType<BandwidthWarned>("bandwidth_warned_v1");
        events.MapEventType<BandwidthExhausted>("bandwidth_exhausted_v1");
        events.MapEventType<BandwidthRestored>("bandwidth_restored_v1");
        events.MapEventType<TenantContactChanged>("tenant_contact_changed_v1");
        events.MapEventType<MemberJoined>("member_joined_v1");
        events.MapEventType<MemberEmailVerified>("member_email_verified_v1");
        events.MapEventType<MemberRoleChanged>("member_role_changed_v1");
        events.MapEventType<MemberRemoved>("member_removed_v1");
        events.MapEventType<MemberInvited>("member_invited_v1");
        events.MapEventType<InvitationRevoked>("invitation_revoked_v1");
        events.MapEventType<IdentityProviderRegistered>("identity_provider_registered_v1");
        events.MapEventType<IdentityProviderRemoved>("identity_provider_removed_v1");
        events.MapEventType<UserRegistered>("user_registered_v1");
        events.MapEventType<UserAdmitted>("user_admitted_v1");
        events.MapEventType<UserDeleted>("user_deleted_v1");
        events.MapEventType<DeviceRegistered>("device_registered_v1");
        events.MapEventType<DeviceMoved>("device_moved_v1");
        events.MapEventType<DeviceLeft>("device_left_v1");
        events.MapEventType<DeviceParked>("device_parked_v1");
        events.MapEventType<DevicePlaced>("device_placed_v1");
        events.MapEventType<DeviceKeyRotated>("device_key_rotated_v1");
        events.MapEventType<DeviceRevoked>("device_revoked_v1");
        events.MapEventType<SessionStarted>("session_started_v1");
        events.MapEventType<SessionEnded>("session_ended_v1");
        events.MapEventType<IpLeased>("ip_leased_v1");
        events.MapEventType<IpReleased>("ip_released_v1");
        events.MapEventType<ServerRegistered>("server_registered_v1");
        events.MapEventType<ServerRegionChanged>("server_region_changed_v1");
        events.MapEventType<ServerCapacityChanged>("server_capacity_changed_v1");
        events.MapEventType<ServerStatusChanged>("server_status_changed_v1");
        events.MapEventType<ServerSshMoved>("server_ssh_moved_v1");
        events.MapEventType<PeerMended>("peer_mended_v1");
        events.MapEventType<UsageMetered>("usage_metered_v1");
        events.MapEventType<ServerRestarted>("server_restarted_v1");
        events.MapEventType<PlanCreated>("plan_created_v1");
        events.MapEventType<PlanPriced>("plan_priced_v1");
        events.MapEventType<PlanRenamed>("plan_renamed_v1");
        events.MapEventType<PlanRetired>("plan_retired_v1");
        events.MapEventType<PlanSubscribed>("plan_subscribed_v1");
        events.MapEventType<SubscriptionEnded>("subscription_ended_v1");
        events.MapEventType<DiscountGranted>("discount_granted_v1");
        events.MapEventType<DiscountEnded>("discount_ended_v1");
        events.MapEventType<CreditGranted>("credit_granted_v1");
        events.MapEventType<BillingDetailsChanged>("billing_details_changed_v1");
        events.MapEventType<StripeCustomerLinked>("stripe_customer_linked_v1");
        events.MapEventType<MonthClosed>("month_closed_v1");
        events.MapEventType<InvoiceIssued>("invoice_issued_v1");
        events.MapEventType<PaymentReceived>("payment_received_v1");
        events.MapEventType<PaymentRefunded>("payment_refunded_v1");
        events.MapEventType<PaymentFailed>("payment_failed_v1");
        events.MapEventType<CreditNoteIssued>("credit_note_issued_v1");
        events.MapEventType<PaymentReminded>("payment_reminded_v1");
        events.MapEventType<GraceEnded>("grace_ended_v1");
    }

    /// <summary>The models that decisions are made on: written in the transaction of their events.</summary>
    private static void Inline(StoreOptions store)
    {
        store.Projections.Snapshot<Tenant>(SnapshotLifecycle.Inline);
        store.Projections.Snapshot<User>(SnapshotLifecycle.Inline);
        store.Projections.Snapshot<Device>(SnapshotLifecycle.Inline);
        store.Projections.Snapshot<Session>(SnapshotLifecycle.Inline);
        store.Projections.Snapshot<Server>(SnapshotLifecycle.Inline);
        store.Projections.Snapshot<Plan>(SnapshotLifecycle.Inline);
        store.Projections.Snapshot<BillingAccount>(SnapshotLifecycle.Inline);
        store.Projections.Snapshot<Invoice>(SnapshotLifecycle.Inline);
        store.Projections.Add(new ServerLoadProjection(), ProjectionLifecycle.Inline);
        store.Projections.Add(new AddressPoolProjection(), ProjectionLifecycle.Inline);
        store.Projections.Add(new PeerProjection(), ProjectionLifecycle.Inline);
        // After the peers: a device that connects may have just got its peer.
        store.Projections.Add(new SessionMeters(), ProjectionLifecycle.Inline);

        store.Schema.For<MemberCredentials>().UniqueIndex(UniqueIndexType.DuplicatedField, MemberLoginIndex, TenancyScope.Global, c => c.LoginIndex!);
        store.Schema.For<MemberCredentials>().Duplicate(c => c.EmailIndex);
        store.Schema.For<ApiKey>().Index(k => k.TenantId);
        // On columns, not on expressions of the JSON: behind row-level security PostgreSQL finds nothing by an index whose
        // expression could leak what it reads (ops/decisions/0015).
        store.Schema.For<UserCredentials>().UniqueIndex(UniqueIndexType.DuplicatedField, UserEmailIndex, TenancyScope.PerTenant, c => c.EmailIndex!);
        store.Schema.For<UserCredentials>().UniqueIndex(UniqueIndexType.DuplicatedField, UserOutsideIndex, TenancyScope.PerTenant, c => c.OutsideIndex!);
        store.Schema.For<Device>().UniqueIndex(UniqueIndexType.DuplicatedField, DeviceKeyIndex, TenancyScope.Global, d => d.LiveKey!);
        store.Schema.For<Device>().Duplicate(d => d.UserId);
        store.Schema.For<Session>().UniqueIndex(UniqueIndexType.DuplicatedField, SessionDeviceIndex, TenancyScope.PerTenant, s => s.LiveDevice!);
        store.Schema.For<Session>().Duplicate(s => s.UserId);
        store.Schema.For<Server>().UniqueIndex(UniqueIndexType.DuplicatedField, ServerNameIndex, TenancyScope.Global, s => s.LiveName!);
        store.Schema.For<BillingAccount>().Duplicate(a => a.NextMonth!);
        store.Schema.For<BillingAccount>().UniqueIndex(UniqueIndexType.DuplicatedField, StripeCustomerIndex, TenancyScope.Global, a => a.StripeCustomer!);
        store.Schema.For<Invoice>().Duplicate(i => i.DunnedOn!);
        store.Schema.For<Server>().UniqueIndex(UniqueIndexType.DuplicatedField, ServerKeyIndex, TenancyScope.Global, s => s.LiveKey!);
    }

    private static void Tables(StoreOptions store)
    {
        store.Storage.ExtendedSchemaObjects.Add(new Sequence(Database.Named("peer_revision")));
        store.Storage.ExtendedSchemaObjects.Add(SessionNumbers.Schema());
        store.Storage.ExtendedSchemaObjects.Add(DataKeys.Schema());
        store.Storage.ExtendedSchemaObjects.Add(LookupKey.Schema());
        store.Storage.ExtendedSchemaObjects.Add(Quotas.Schema());
        store.Storage.ExtendedSchemaObjects.Add(Idempotency.Schema());
        store.Storage.ExtendedSchemaObjects.Add(ApiCalls.Schema());
        store.Storage.ExtendedSchemaObjects.Add(Bandwidth.Schema());
        store.Storage.ExtendedSchemaObjects.Add(InvoiceNumbers.Schema());
        foreach (var table in StripeTables.Schemas()) store.Storage.ExtendedSchemaObjects.Add(table);
        store.Storage.ExtendedSchemaObjects.Add(RefreshToken.Schema());
        store.Storage.ExtendedSchemaObjects.Add(OneTimeTokens.Schema());
        store.Storage.ExtendedSchemaObjects.Add(ResetRequests.Schema());
        store.Storage.ExtendedSchemaObjects.Add(Mails.Schema());
        store.Storage.ExtendedSchemaObjects.Add(SigningKeys.Schema());
        store.Storage.ExtendedSchemaObjects.Add(SecurityFeed.Schema());
        store.Storage.ExtendedSchemaObjects.Add(ServerLoad.Schema());
        store.Storage.ExtendedSchemaObjects.Add(AddressPool.Schema());
        store.Storage.ExtendedSchemaObjects.Add(PeerTable.Schema());
        store.Storage.ExtendedSchemaObjects.Add(PeerTable.LastCountersSchema());
        store.Storage.ExtendedSchemaObjects.Add(LinkLease.Schema());
        store.Storage.ExtendedSchemaObjects.Add(PeerMeters.Schema());
        store.Storage.ExtendedSchemaObjects.Add(PeerMeters.ServersSchema());
    }

    /// <summary>The rules of the database whose violation is an expected outcome, and what the caller is then told.</summary>
    public static Microsoft.AspNetCore.Mvc.ProblemDetails? ProblemOf(string? constraint) => constraint switch
    {
        UserEmailIndex or MemberLoginIndex => Problems.EmailTaken(),
        UserOutsideIndex => Problems.Conflict("The user is signing in for the first time already. Try again."),
        DeviceKeyIndex => WireGuardKeys.InUse(),
        SessionDeviceIndex => Problems.Conflict("The device is connecting already."),
        ServerNameIndex => Problems.Conflict("There is a server of this name."),
        ServerKeyIndex => Problems.Conflict("This server is registered already."),
        StripeCustomerIndex => Problems.Conflict("Another tenant is told to Stripe as this customer."),
        ServerLoad.FullConstraint => Problems.PoolExhausted(),
        _ => null,
    };

    /// <summary>
    /// Marten's own logger prints each failed statement with its parameters, among them keyed hashes and sealed keys.
    /// Ours prints nothing, and is where a session's statements pass by that say whose they are.
    /// </summary>
    private sealed class Walled : IMartenLogger
    {
        public IMartenSessionLogger StartSession(IQuerySession session) => new TenantWall.Session(session);
        public void SchemaChange(string sql) { }
    }

    private const string UserEmailIndex = "ux_user_email", UserOutsideIndex = "ux_user_outside", MemberLoginIndex = "ux_member_login", DeviceKeyIndex = "ux_device_live_key", SessionDeviceIndex = "ux_session_live_device", ServerNameIndex = "ux_server_name", ServerKeyIndex = "ux_server_public_key", StripeCustomerIndex = "ux_billing_stripe_customer";
}
