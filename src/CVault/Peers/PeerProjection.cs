using CVault.Devices;
using CVault.Security;
using CVault.Servers;
using CVault.Tenants;
using JasperFx.Events;
using Marten;
using Marten.Events.Projections;

namespace CVault.Peers;

/// <summary>
/// From a device's and a tenant's events to the rows of its peers, in the same transaction. Every change takes a new
/// revision, so whatever the worker confirmed before does not cover it.
/// </summary>
public partial class PeerProjection : EventProjection
{
    private const string Peers = $"{Database.Schema}.peers";
    private const string Insert = $"insert into {Peers} as p (server_id, public_key, device_id, user_id, tenant_id, allowed_ips, preshared_key, wanted, suspended, revision, confirmed, changed_at, leaving)";

    /// <summary>A row of the same key may still be there, going; it becomes the new device's, whole.</summary>
    private const string OrTakeOver = """
        on conflict (server_id, public_key) do update set device_id = excluded.device_id, user_id = excluded.user_id, tenant_id = excluded.tenant_id,
          allowed_ips = excluded.allowed_ips, preshared_key = excluded.preshared_key, wanted = true, suspended = excluded.suspended, revision = excluded.revision, changed_at = now(), leaving = false
        """;

    private const string Next = $"nextval('{PeerTable.RevisionSequence}')";

    /// <summary>
    /// Whether the row's tenant is without tunnels, suspended or over its bandwidth, read under a lock that a change of that
    /// waits for and waits on: a device that is registered while its tenant is being suspended is either seen by the
    /// suspension or sees it.
    /// </summary>
    private const string Suspended = $"coalesce((select {WithoutTunnels} from {Database.Schema}.mt_doc_tenant where tenant_id = ? and id = ? for share), false)";

    /// <summary>Of a row of <c>mt_doc_tenant</c>: not <see cref="Tenant.HasTunnels"/>.</summary>
    private const string WithoutTunnels = "(data ->> 'status' = 'Suspended' or coalesce((data ->> 'overBandwidth')::boolean, false))";

    public void Project(IEvent<DeviceRegistered> e, IDocumentOperations operations) =>
        Want(e.StreamId, e.Data.UserId, e.Data.Home, e.Data.PublicKey, e.Data.PresharedKey, operations);

    public void Project(IEvent<DeviceMoved> e, IDocumentOperations operations)
    {
        // Back where the device is just leaving, the row is its own, as it was: the server need not confirm it anew.
        operations.QueueSqlCommand($"""
            {Insert}
            select ?, public_key, device_id, user_id, tenant_id, ?, preshared_key, true, {Suspended}, {Next}, 0, now(), false from {Peers} where server_id = ? and device_id = ? and wanted
            {OrTakeOver} where not (p.wanted and p.device_id = excluded.device_id)
            """, e.Data.To.ServerId, e.Data.To.AllowedIps, e.TenantId, Guid.Parse(e.TenantId), e.Data.From.ServerId, e.StreamId);
        operations.QueueSqlCommand($"update {Peers} set leaving = server_id <> ? where device_id = ? and wanted", e.Data.To.ServerId, e.StreamId);
    }

    public void Project(IEvent<DeviceLeft> e, IDocumentOperations operations)
    {
        Hold(e.TenantId, operations);
        operations.QueueSqlCommand(
            $"update {Peers} set wanted = false, leaving = false, revision = {Next}, changed_at = now() where device_id = ? and server_id = ? and wanted", e.StreamId, e.Data.From.ServerId);
    }

    public void Project(IEvent<DeviceKeyRotated> e, IDocumentOperations operations)
    {
        if (e.Data.PublicKey == e.Data.OldPublicKey)
        {
            operations.QueueSqlCommand(
                $"update {Peers} set preshared_key = ?, revision = {Next}, changed_at = now() where device_id = ? and wanted", e.Data.PresharedKey.Text, e.StreamId);
            return;
        }

        Hold(e.TenantId, operations);
        // The old one first: an address is wanted by one peer of a server, which an index sees to at every statement.
        operations.QueueSqlCommand(
            $"update {Peers} set wanted = false, revision = {Next}, changed_at = now() where device_id = ? and public_key = ? and wanted", e.StreamId, e.Data.OldPublicKey);
        operations.QueueSqlCommand($"""
            {Insert}
            select server_id, ?, device_id, user_id, tenant_id, allowed_ips, ?, true, {Suspended}, {Next}, 0, now(), false from {Peers}
            where device_id = ? and public_key = ? and server_id = ?
            {OrTakeOver}
            """, e.Data.PublicKey, e.Data.PresharedKey.Text, e.TenantId, Guid.Parse(e.TenantId), e.StreamId, e.Data.OldPublicKey, e.Data.ServerId);
    }

    public void Project(IEvent<DeviceRevoked> e, IDocumentOperations operations) => operations.QueueSqlCommand(
        $"update {Peers} set wanted = false, leaving = false, revision = {Next}, changed_at = now() where device_id = ? and wanted", e.StreamId);

    /// <summary>Nobody connects to a retired server any more: what it has not confirmed to have lost, it never will.</summary>
    public void Project(IEvent<ServerStatusChanged> e, IDocumentOperations operations)
    {
        if (e.Data.Status == ServerStatus.Retired) operations.QueueSqlCommand($"delete from {Peers} where server_id = ? and not wanted", e.StreamId);
    }

    public void Project(IEvent<DeviceParked> e, IDocumentOperations operations) => operations.QueueSqlCommand(
        $"update {Peers} set wanted = false, leaving = false, revision = {Next}, changed_at = now() where device_id = ? and wanted", e.StreamId);

    public void Project(IEvent<DevicePlaced> e, IDocumentOperations operations) =>
        Want(e.StreamId, e.Data.UserId, e.Data.Home, e.Data.PublicKey, e.Data.PresharedKey, operations);

    public void Project(IEvent<TenantSuspended> e, IDocumentOperations operations) => Suspend(e.TenantId, operations);

    public void Project(IEvent<TenantReinstated> e, IDocumentOperations operations) => Suspend(e.TenantId, operations);

    public void Project(IEvent<BandwidthExhausted> e, IDocumentOperations operations) => Suspend(e.TenantId, operations);

    public void Project(IEvent<BandwidthRestored> e, IDocumentOperations operations) => Suspend(e.TenantId, operations);

    /// <summary>
    /// The tenant before the device's rows, as <see cref="Suspend"/> locks them: who took a row first and then asked whether
    /// the tenant has tunnels would wait for a suspension that waits for the row.
    /// </summary>
    private static void Hold(string tenantId, IDocumentOperations operations) =>
        operations.QueueSqlCommand($"select 1 from {Database.Schema}.mt_doc_tenant where tenant_id = ? and id = ? for share", tenantId, Guid.Parse(tenantId));

    private static void Want(Guid deviceId, Guid userId, DeviceHome home, string publicKey, Sealed presharedKey, IDocumentOperations operations) => operations.QueueSqlCommand($"""
        {Insert}
        values (?, ?, ?, ?, ?, ?, ?, true, {Suspended}, {Next}, 0, now(), false)
        {OrTakeOver}
        """, home.ServerId, publicKey, deviceId, userId, operations.TenantId, home.AllowedIps, presharedKey.Text, operations.TenantId, Guid.Parse(operations.TenantId));

    /// <summary>
    /// The rows follow the tenant as it stands with all of the transaction's events, whose snapshot was written before
    /// (Configuration.Inline): of two reasons to be off, the end of one ends nothing.
    /// </summary>
    private static void Suspend(string tenantId, IDocumentOperations operations)
    {
        // First the lock, so that the statement after it sees every row of a registration that was under way.
        operations.QueueSqlCommand($"select 1 from {Database.Schema}.mt_doc_tenant where tenant_id = ? and id = ? for update", tenantId, Guid.Parse(tenantId));
        operations.QueueSqlCommand($"""
            update {Peers} p set suspended = t.off, revision = {Next}, changed_at = now()
            from (select {WithoutTunnels} as off from {Database.Schema}.mt_doc_tenant where tenant_id = ? and id = ?) t
            where p.tenant_id = ? and p.wanted and p.suspended <> t.off
            """, tenantId, Guid.Parse(tenantId), tenantId);
    }
}
