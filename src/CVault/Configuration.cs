using CVault.Devices;
using CVault.IpLeases;
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
using Npgsql;
using Weasel.Core;
using Weasel.Postgresql;

namespace CVault;

/// <summary>What PostgreSQL holds: events, inline models, and the tables whose rows referee.</summary>
public static class Configuration
{
    /// <summary>The types that have a table of Marten's.</summary>
    public static readonly Type[] StoredTypes =
    [
        typeof(IEvent), typeof(Tenant), typeof(ApiKey), typeof(User), typeof(UserCredentials), typeof(Device), typeof(DevicePrivateKey), typeof(Session), typeof(Server),
    ];

    public static void ConfigureStore(StoreOptions store)
    {
        store.DatabaseSchemaName = Database.Schema;
        store.AutoCreateSchemaObjects = AutoCreate.CreateOrUpdate;
        store.UseSystemTextJsonForSerialization(EnumStorage.AsString, Casing.CamelCase);
        store.Policies.AllDocumentsAreMultiTenanted();
        store.Logger(new NoParameters());
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

        NameEvents(events);
        Inline(store);
        Tables(store);
    }

    /// <summary>Every event's name in the store, with its version. A name, once written, stays.</summary>
    private static void NameEvents(Marten.Events.IEventStoreOptions events)
    {
        events.MapEventType<TenantCreated>("tenant_created_v1");
        events.MapEventType<ApiKeyIssued>("api_key_issued_v1");
        events.MapEventType<TenantRenamed>("tenant_renamed_v1");
        events.MapEventType<TenantSettingsChanged>("tenant_settings_changed_v1");
        events.MapEventType<TenantSuspended>("tenant_suspended_v1");
        events.MapEventType<TenantReinstated>("tenant_reinstated_v1");
        events.MapEventType<UserRegistered>("user_registered_v1");
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
    }

    /// <summary>The models that decisions are made on: written in the transaction of their events.</summary>
    private static void Inline(StoreOptions store)
    {
        store.Projections.Snapshot<Tenant>(SnapshotLifecycle.Inline);
        store.Projections.Snapshot<User>(SnapshotLifecycle.Inline);
        store.Projections.Snapshot<Device>(SnapshotLifecycle.Inline);
        store.Projections.Snapshot<Session>(SnapshotLifecycle.Inline);
        store.Projections.Snapshot<Server>(SnapshotLifecycle.Inline);
        store.Projections.Add(new ServerLoadProjection(), ProjectionLifecycle.Inline);
        store.Projections.Add(new AddressPoolProjection(), ProjectionLifecycle.Inline);
        store.Projections.Add(new PeerProjection(), ProjectionLifecycle.Inline);

        store.Schema.For<UserCredentials>().UniqueIndex(UniqueIndexType.Computed, UserEmailIndex, TenancyScope.PerTenant, c => c.EmailIndex);
        store.Schema.For<Device>().UniqueIndex(UniqueIndexType.Computed, DeviceKeyIndex, TenancyScope.Global, d => d.LiveKey!);
        store.Schema.For<Device>().Index(d => d.UserId);
        store.Schema.For<Session>().UniqueIndex(UniqueIndexType.Computed, SessionDeviceIndex, TenancyScope.PerTenant, s => s.LiveDevice!);
        store.Schema.For<Session>().Index(s => s.UserId);
        store.Schema.For<Server>().UniqueIndex(UniqueIndexType.Computed, ServerNameIndex, TenancyScope.Global, s => s.LiveName!);
        store.Schema.For<Server>().UniqueIndex(UniqueIndexType.Computed, ServerKeyIndex, TenancyScope.Global, s => s.LiveKey!);
    }

    private static void Tables(StoreOptions store)
    {
        store.Storage.ExtendedSchemaObjects.Add(new Sequence(Database.Named("peer_revision")));
        store.Storage.ExtendedSchemaObjects.Add(DataKeys.Schema());
        store.Storage.ExtendedSchemaObjects.Add(LookupKey.Schema());
        store.Storage.ExtendedSchemaObjects.Add(Quotas.Schema());
        store.Storage.ExtendedSchemaObjects.Add(Idempotency.Schema());
        store.Storage.ExtendedSchemaObjects.Add(ApiCalls.Schema());
        store.Storage.ExtendedSchemaObjects.Add(RefreshToken.Schema());
        store.Storage.ExtendedSchemaObjects.Add(ServerLoad.Schema());
        store.Storage.ExtendedSchemaObjects.Add(AddressPool.Schema());
        store.Storage.ExtendedSchemaObjects.Add(PeerTable.Schema());
        store.Storage.ExtendedSchemaObjects.Add(PeerTable.LastCountersSchema());
        store.Storage.ExtendedSchemaObjects.Add(LinkLease.Schema());
    }

    /// <summary>The rules of the database whose violation is an expected outcome, and what the caller is then told.</summary>
    public static Microsoft.AspNetCore.Mvc.ProblemDetails? ProblemOf(string? constraint) => constraint switch
    {
        UserEmailIndex => Problems.EmailTaken(),
        DeviceKeyIndex => WireGuardKeys.InUse(),
        SessionDeviceIndex => Problems.Conflict("The device is connecting already."),
        ServerNameIndex => Problems.Conflict("There is a server of this name."),
        ServerKeyIndex => Problems.Conflict("This server is registered already."),
        ServerLoad.FullConstraint => Problems.PoolExhausted(),
        _ => null,
    };

    /// <summary>
    /// Marten's own logger prints each failed statement with its parameters, among them keyed hashes and sealed keys.
    /// Whoever catches the exception logs what a log may hold.
    /// </summary>
    private sealed class NoParameters : IMartenLogger, IMartenSessionLogger
    {
        public IMartenSessionLogger StartSession(IQuerySession session) => this;
        public void SchemaChange(string sql) { }
        public void LogSuccess(NpgsqlCommand command) { }
        public void LogFailure(NpgsqlCommand command, Exception ex) { }
        public void LogSuccess(NpgsqlBatch batch) { }
        public void LogFailure(NpgsqlBatch batch, Exception ex) { }
        public void LogFailure(Exception ex, string message) { }
        public void RecordSavedChanges(IDocumentSession session, Marten.Services.IChangeSet commit) { }
        public void OnBeforeExecute(NpgsqlCommand command) { }
        public void OnBeforeExecute(NpgsqlBatch batch) { }
    }

    private const string UserEmailIndex = "ux_user_email", DeviceKeyIndex = "ux_device_live_key", SessionDeviceIndex = "ux_session_live_device", ServerNameIndex = "ux_server_name", ServerKeyIndex = "ux_server_public_key";
}
