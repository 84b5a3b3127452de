using CVault.Devices;
using CVault.Sessions;
using JasperFx.Events;
using Marten;
using Marten.Events.Projections;

namespace CVault.Metering;

/// <summary>
/// Tells a device's meter of the sessions that the API begins and ends, in the same transaction. Those that a reading
/// begins write their own.
/// </summary>
public partial class SessionMeters : EventProjection
{
    private const string Meters = $"{Database.Schema}.peer_meters";

    public void Project(IEvent<SessionStarted> e, IDocumentOperations operations)
    {
        if (e.Data.By != SessionStarted.ByConnect) return;
        operations.QueueSqlCommand($"""
            insert into {Meters} as m (server_id, public_key, tenant_id, user_id, device_id, incarnation, generation, state, rx_bytes, tx_bytes, handshake, session_id, session_number, session_live, session_at)
            select server_id, public_key, tenant_id, user_id, device_id, '', 0, {(int)MeterState.Removed}, 0, 0, 0, ?, ?, true, now() from {Database.Schema}.peers where device_id = ? and server_id = ? and wanted
            on conflict (server_id, public_key) do update set tenant_id = excluded.tenant_id, user_id = excluded.user_id, device_id = excluded.device_id, absorbs = false,
              session_id = excluded.session_id, session_number = excluded.session_number, session_live = true, session_at = excluded.session_at, session_rx_bytes = 0, session_tx_bytes = 0
            """, e.StreamId, e.Data.Number, e.Data.DeviceId, e.Data.ServerId);
    }

    public void Project(IEvent<SessionEnded> e, IDocumentOperations operations)
    {
        // A tunnel whose user has just said "disconnect" and that is not heard again is no new session. One that fell silent
        // and is heard again is; and so is one of a tenant that was off and is back, whose peers have begun anew.
        var absorbs = e.Data.Reason is not (SessionEnded.TimedOut or SessionEnded.TenantSuspended or SessionEnded.BandwidthLimit);
        // Twice: a rotation may just be handing the session on to another row. The first waits for it, the second looks anew
        // and sees that row too. (No "select for update": Marten would take its answer for another statement's.)
        for (var i = 0; i < 2; i++) operations.QueueSqlCommand($"update {Meters} set session_live = false, absorbs = ? where session_id = ? and (session_live or absorbs <> ?)", absorbs, e.StreamId, absorbs);
    }

    /// <summary>A device with another key goes on in its session; what the old key has yet to count is of the same one.</summary>
    public void Project(IEvent<DeviceKeyRotated> e, IDocumentOperations operations)
    {
        if (e.Data.PublicKey == e.Data.OldPublicKey) return;
        // One statement: what is handed on is what the old row gave up, and nothing where its session has ended meanwhile.
        operations.QueueSqlCommand($"""
            with given as (
              update {Meters} set session_live = false where server_id = ? and public_key = ? and device_id = ? and session_live
              returning server_id, tenant_id, user_id, device_id, heard_at, session_id, session_number, session_at)
            insert into {Meters} as m (server_id, public_key, tenant_id, user_id, device_id, incarnation, generation, state, rx_bytes, tx_bytes, handshake, heard_at, session_id, session_number, session_live, session_at)
            select server_id, ?, tenant_id, user_id, device_id, '', 0, {(int)MeterState.Removed}, 0, 0, 0, heard_at, session_id, session_number, true, session_at from given
            on conflict (server_id, public_key) do update set tenant_id = excluded.tenant_id, user_id = excluded.user_id, device_id = excluded.device_id, heard_at = excluded.heard_at, absorbs = false,
              session_id = excluded.session_id, session_number = excluded.session_number, session_live = true, session_at = excluded.session_at, session_rx_bytes = 0, session_tx_bytes = 0
            """, e.Data.ServerId, e.Data.OldPublicKey, e.StreamId, e.Data.PublicKey);
    }
}
