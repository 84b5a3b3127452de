using System.Diagnostics;
using System.Net;
using System.Text.Json;

namespace CVault.Tests.Lab;

/// <summary>A registration that the API answered 201: from then on it must hold.</summary>
/// <param name="ServerId">Null where the answer did not name it: then wherever the events say.</param>
public sealed record Acknowledged(Guid DeviceId, Guid? ServerId, string PublicKey, string Address, string Address6, string PresharedKey)
{
    public static Acknowledged Of(Answer answer) => new(
        Guid.Parse(answer.Text("device_id")), Guid.Parse(answer.Text("server_id")), answer.Text("public_key"), answer.Text("assigned_ip"), answer.Text("assigned_ipv6"),
        answer.Text("config").Split('\n').Single(l => l.StartsWith("PresharedKey = ", StringComparison.Ordinal))["PresharedKey = ".Length..]);

    /// <summary>A device that connected and was answered a new config.</summary>
    public static Acknowledged Of(Answer connected, TestDevice device)
    {
        string Line(string name) => connected.Text("config").Split('\n').Single(l => l.StartsWith(name + " = ", StringComparison.Ordinal))[(name.Length + 3)..];
        return new(Guid.Parse(device.Id), null, device.PublicKey, connected.Text("assigned_ip"), Line("Address").Split(", ")[1].Split('/')[0], Line("PresharedKey"));
    }
}

/// <summary>
/// Compares what was acknowledged, what the events say, what the rows say and what both servers really have:
/// I1 every acknowledged device is a peer on its server, and one that is moving on both; I2 no address has two holders; I3 no peer is unknown;
/// I8 rows are what their events add up to. For a stack at rest: only for tests that run alone.
/// </summary>
public sealed class Oracle(Stack stack)
{
    private static readonly LabServer[] LabServers = [LabServer.Vpn1, LabServer.Vpn2];

    private sealed record Place(Guid ServerId, string Address, string Address6);

    /// <param name="Leaving">Where it moved away from, and its peer and address still are.</param>
    private sealed record LiveDevice(Guid Id, Guid UserId, string TenantId, string PublicKey, Place? Home, Place? Leaving)
    {
        public Guid? ServerId => Home?.ServerId;
        public string? Address => Home?.Address;
    }

    /// <summary>Each device at each server that should have it.</summary>
    private static IEnumerable<(LiveDevice Device, Place At)> Places(IEnumerable<LiveDevice> live) =>
        live.SelectMany(d => new[] { d.Home, d.Leaving }.OfType<Place>().Select(at => (d, at)));

    /// <summary>Fails with all that is wrong if anything still is after <paramref name="within"/>.</summary>
    /// <returns>How long it took until nothing was wrong.</returns>
    public async Task<TimeSpan> AgreesAsync(TimeSpan within, IEnumerable<Acknowledged> acknowledged)
    {
        var start = Stopwatch.GetTimestamp();
        var all = acknowledged.ToArray();
        while (true)
        {
            var wrong = await FindAsync(all);
            var elapsed = Stopwatch.GetElapsedTime(start);
            if (wrong.Count == 0) return elapsed;
            if (elapsed > within) Assert.Fail($"{wrong.Count} things are wrong {elapsed.TotalSeconds:0.0} s on:\n" + string.Join('\n', wrong.Take(30)));
            await Task.Delay(250);
        }
    }

    /// <summary>Everything that is wrong now, each in words.</summary>
    public async Task<List<string>> FindAsync(IReadOnlyCollection<Acknowledged> acknowledged)
    {
        var wrong = new List<string>();
        // Servers first: a peer that is there already must be wanted by the rows of any later moment.
        var servers = new Dictionary<Guid, Dictionary<string, LabPeer>>();
        foreach (var server in LabServers) servers[await server.IdAsync(stack)] = await server.PeersAsync();
        var (live, suspended) = await FoldAsync(wrong);

        foreach (var device in acknowledged)
        {
            if (!live.TryGetValue(device.DeviceId, out var known)) wrong.Add($"I1 acknowledged device {device.DeviceId} is not in the events");
            else if ((known.PublicKey, known.Address, known.ServerId) != (device.PublicKey, device.Address, device.ServerId ?? known.ServerId)) wrong.Add($"I1 acknowledged device {device.DeviceId} is another in the events: {known}");
            if (!servers.TryGetValue(device.ServerId ?? known?.ServerId ?? default, out var there)) continue;
            if (!there.TryGetValue(device.PublicKey, out var peer)) wrong.Add($"I1 acknowledged device {device.DeviceId} ({device.Address}) is no peer on its server");
            else if (!peer.Has(device.Address + "/32", device.Address6 + "/128")) wrong.Add($"I1 device {device.DeviceId} should have {device.Address}, its peer has {peer.AllowedIps}");
            else if (peer.PresharedKey != device.PresharedKey) wrong.Add($"I1 device {device.DeviceId}: its peer has another preshared key than its config");
        }

        foreach (var two in acknowledged.DistinctBy(d => d.DeviceId).GroupBy(d => (d.ServerId, d.Address)).Where(g => g.Count() > 1))
        {
            wrong.Add($"I2 {two.Key.Address} was acknowledged to {two.Count()} devices: {string.Join(", ", two.Select(d => d.DeviceId))}");
        }

        foreach (var two in Places(live.Values).GroupBy(p => (p.At.ServerId, p.At.Address)).Where(g => g.Count() > 1))
        {
            wrong.Add($"I2 {two.Key.Address} is held by {two.Count()} live devices: {string.Join(", ", two.Select(p => p.Device.Id))}");
        }

        foreach (var (serverId, peers) in servers)
        {
            var wanted = Places(live.Values).Where(p => p.At.ServerId == serverId && !suspended.Contains(p.Device.TenantId)).ToDictionary(p => p.Device.PublicKey);
            foreach (var peer in peers.Values.Where(p => !wanted.ContainsKey(p.PublicKey))) wrong.Add($"I3 peer {peer.PublicKey} ({peer.AllowedIps}) on {serverId} belongs to no live device");
            foreach (var (device, at) in wanted.Values.Where(w => !peers.TryGetValue(w.Device.PublicKey, out var p) || !p.Has(w.At.Address + "/32", w.At.Address6 + "/128")))
            {
                wrong.Add($"I1 live device {device.Id} ({at.Address}) is not so on {serverId}");
            }
        }

        await CompareRowsAsync(live, suspended, servers.Keys, wrong);
        return wrong;
    }

    /// <summary>The live devices and the tenants without tunnels, suspended or over their bandwidth, by nothing but their events.</summary>
    private async Task<(Dictionary<Guid, LiveDevice> Live, HashSet<string> Suspended)> FoldAsync(List<string> wrong)
    {
        var live = new Dictionary<Guid, LiveDevice>();
        var ended = new HashSet<Guid>();
        var (suspended, over) = (new HashSet<string>(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal));
        await using var command = stack.Database.CreateCommand("select stream_id, tenant_id, type, data::text from cvault.mt_events where type like 'device_%' or type like 'tenant_%' or type like 'bandwidth_%' order by seq_id");
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            var (id, tenant) = (reader.GetGuid(0), reader.GetString(1));
            using var json = JsonDocument.Parse(reader.GetString(3));
            var e = json.RootElement;
            switch (reader.GetString(2))
            {
                case "device_registered_v1":
                    if (ended.Contains(id) || !live.TryAdd(id, new LiveDevice(id, e.GetProperty("userId").GetGuid(), tenant, e.GetProperty("publicKey").GetString()!, PlaceOf(e.GetProperty("home")), null)))
                    {
                        wrong.Add($"I8 device {id} was registered twice");
                    }

                    break;
                case "device_moved_v1": live[id] = live[id] with { Home = PlaceOf(e.GetProperty("to")), Leaving = PlaceOf(e.GetProperty("from")) }; break;
                case "device_parked_v1": live[id] = live[id] with { Home = null, Leaving = null }; break;
                case "device_placed_v1": live[id] = live[id] with { Home = PlaceOf(e.GetProperty("home")) }; break;
                case "device_left_v1": live[id] = live[id] with { Leaving = null }; break;
                case "device_key_rotated_v1": live[id] = live[id] with { PublicKey = e.GetProperty("publicKey").GetString()! }; break;
                case "device_revoked_v1":
                    live.Remove(id);
                    ended.Add(id);
                    break;
                case "tenant_created_v1" when e.GetProperty("status").GetString() == "Suspended":
                case "tenant_suspended_v1": suspended.Add(tenant); break;
                case "tenant_reinstated_v1": suspended.Remove(tenant); break;
                case "bandwidth_exhausted_v1": over.Add(tenant); break;
                case "bandwidth_restored_v1": over.Remove(tenant); break;
            }
        }

        suspended.UnionWith(over);
        return (live, suspended);
    }

    private static Place PlaceOf(JsonElement home) => new(home.GetProperty("serverId").GetGuid(), home.GetProperty("address").GetString()!, home.GetProperty("address6").GetString()!);

    private async Task CompareRowsAsync(Dictionary<Guid, LiveDevice> live, HashSet<string> suspended, IEnumerable<Guid> servers, List<string> wrong)
    {
        var there = Places(live.Values).Where(p => servers.Contains(p.At.ServerId)).ToArray();
        await CompareAsync("peers rows", there.Select(p => $"{p.Device.Id} {p.At.ServerId} {p.Device.PublicKey} {p.At.Address}/32,{p.At.Address6}/128 {(suspended.Contains(p.Device.TenantId) ? "suspended" : "wanted")}{(p.At == p.Device.Leaving ? " leaving" : "")} confirmed"),
            "select device_id || ' ' || server_id || ' ' || public_key || ' ' || allowed_ips || case when not wanted then ' going' when suspended then ' suspended' else ' wanted' end || case when leaving then ' leaving' else '' end || case when confirmed = revision then ' confirmed' else ' unconfirmed' end from cvault.peers where server_id = any($1)");
        // The lab's pools are /16, so an address's last 16 bits are its number.
        await CompareAsync("address rows", there.Select(p => $"{p.Device.Id} {p.At.ServerId} {BitConverter.ToUInt16([.. IPAddress.Parse(p.At.Address).GetAddressBytes()[2..].Reverse()])}"),
            "select device_id || ' ' || server_id || ' ' || number from cvault.addresses where device_id is not null and server_id = any($1)");
        await CompareAsync("device documents", live.Values.Select(d => $"{d.Id} {d.PublicKey} {d.Address} {d.Leaving?.Address}"),
            "select id || ' ' || (data->>'publicKey') || ' ' || coalesce(data->'home'->>'address', '') || ' ' || coalesce(data->'leaving'->>'address', '') from cvault.mt_doc_device where data->>'status' = 'Active'");
        await CompareAsync("server loads", Places(live.Values).GroupBy(p => p.At.ServerId).Select(g => $"{g.Key} {g.Count()}"),
            "select server_id || ' ' || devices from cvault.server_load where devices <> 0");
        // That of a deleted user is closed for good, with a number that no limit reaches.
        await CompareAsync("device quotas", live.Values.GroupBy(d => d.UserId).Select(g => $"{g.Key} {g.Count()}"),
            "select subject || ' ' || used from cvault.quotas where used <> 0 and used < 1000000000 and subject in (select id from cvault.mt_doc_user)");

        async Task CompareAsync(string what, IEnumerable<string> byEvents, string sql)
        {
            var rows = new HashSet<string>(StringComparer.Ordinal);
            await using var command = stack.Database.CreateCommand(sql);
            if (sql.Contains("$1", StringComparison.Ordinal)) command.Parameters.Add(new() { Value = servers.ToArray() });
            await using var reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync()) rows.Add(reader.GetString(0));
            var events = byEvents.ToHashSet(StringComparer.Ordinal);
            wrong.AddRange(events.Except(rows).Select(e => $"I8 {what}: the events say {e}, no row does"));
            wrong.AddRange(rows.Except(events).Select(r => $"I8 {what}: a row says {r}, the events do not"));
        }
    }
}
