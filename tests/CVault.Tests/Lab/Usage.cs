using System.Text.Json;
using CVault.Metering;

namespace CVault.Tests.Lab;

/// <summary>Bytes by direction, as a server sees it.</summary>
public readonly record struct Bytes(long Rx, long Tx)
{
    public long Total => Rx + Tx;

    public static Bytes operator +(Bytes a, Bytes b) => new(a.Rx + b.Rx, a.Tx + b.Tx);

    public static Bytes Sum(IEnumerable<Bytes> of) => of.Aggregate(default(Bytes), (a, b) => a + b);
}

/// <summary>A session, as its events tell of it.</summary>
public sealed record LabSession(Guid Id, Guid DeviceId, long Number, string By, DateTimeOffset At, string? EndReason, DateTimeOffset? EndedAt);

/// <summary>What was metered, read from the events themselves.</summary>
public sealed class Usage(Stack stack)
{
    /// <summary>The samples of a tenant's sessions, each session's added up, by its number.</summary>
    public async Task<Dictionary<long, Bytes>> SamplesAsync(string tenantId)
    {
        await using var command = stack.Database.CreateCommand("select data::text from cvault.mt_events where type = 'usage_metered_v1' and tenant_id = $1");
        command.Parameters.Add(new() { Value = tenantId });
        await using var reader = await command.ExecuteReaderAsync();
        var sums = new Dictionary<long, Bytes>();
        while (await reader.ReadAsync())
        {
            using var data = JsonDocument.Parse(reader.GetString(0));
            foreach (var sample in SampleSet.Unpack(data.RootElement.GetProperty("samples").GetBytesFromBase64()).All)
            {
                sums[sample.Session] = sums.GetValueOrDefault(sample.Session) + new Bytes(sample.RxBytes, sample.TxBytes);
            }
        }

        return sums;
    }

    /// <summary>A tenant's sessions, oldest first.</summary>
    public async Task<List<LabSession>> SessionsAsync(string tenantId, Guid? deviceId = null)
    {
        await using var command = stack.Database.CreateCommand("""
            select s.stream_id, (s.data->>'deviceId')::uuid, (s.data->>'number')::bigint, coalesce(s.data->>'by', 'connect'), coalesce((s.data->>'at')::timestamptz, s.timestamp), e.data->>'reason', coalesce((e.data->>'at')::timestamptz, e.timestamp)
            from cvault.mt_events s left join cvault.mt_events e on e.stream_id = s.stream_id and e.tenant_id = s.tenant_id and e.type = 'session_ended_v1'
            where s.type = 'session_started_v1' and s.tenant_id = $1 order by s.seq_id
            """);
        command.Parameters.Add(new() { Value = tenantId });
        await using var reader = await command.ExecuteReaderAsync();
        var sessions = new List<LabSession>();
        while (await reader.ReadAsync())
        {
            sessions.Add(new LabSession(
                reader.GetGuid(0), reader.GetGuid(1), reader.GetInt64(2), reader.GetString(3), reader.GetFieldValue<DateTimeOffset>(4),
                reader.IsDBNull(5) ? null : reader.GetString(5), reader.IsDBNull(6) ? null : reader.GetFieldValue<DateTimeOffset>(6)));
        }

        return deviceId is null ? sessions : [.. sessions.Where(s => s.DeviceId == deviceId)];
    }

    /// <summary>What each device of the tenant was metered.</summary>
    public async Task<Dictionary<Guid, Bytes>> OfDevicesAsync(string tenantId)
    {
        // Sessions last: each sample has one, which was begun before it or with it.
        var samples = await SamplesAsync(tenantId);
        var sessions = (await SessionsAsync(tenantId)).ToDictionary(s => s.Number, s => s.DeviceId);
        Assert.All(samples.Keys, number => Assert.True(sessions.ContainsKey(number), $"A sample is of session {number}, which nobody began."));
        return samples.GroupBy(s => sessions[s.Key], s => s.Value).ToDictionary(g => g.Key, Bytes.Sum);
    }

    /// <summary>What the meters say that sessions moved, by number.</summary>
    public async Task<Dictionary<long, Bytes>> MetersAsync(string tenantId)
    {
        await using var command = stack.Database.CreateCommand("select session_number, sum(session_rx_bytes)::bigint, sum(session_tx_bytes)::bigint from cvault.peer_meters where tenant_id = $1 and session_id is not null group by 1");
        command.Parameters.Add(new() { Value = tenantId });
        await using var reader = await command.ExecuteReaderAsync();
        var meters = new Dictionary<long, Bytes>();
        while (await reader.ReadAsync()) meters[reader.GetInt64(0)] = new Bytes(reader.GetInt64(1), reader.GetInt64(2));
        return meters;
    }

    /// <summary>The last counters that removals of the device's peers have left. The same ones are answered again when the peer is added again.</summary>
    public async Task<Bytes> LeftAsync(string deviceId)
    {
        await using var command = stack.Database.CreateCommand("select coalesce(sum(rx_bytes), 0)::bigint, coalesce(sum(tx_bytes), 0)::bigint from (select distinct server_id, public_key, incarnation, rx_bytes, tx_bytes, last_handshake from cvault.peer_last_counters where device_id = $1) l");
        command.Parameters.Add(new() { Value = Guid.Parse(deviceId) });
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        return new Bytes(reader.GetInt64(0), reader.GetInt64(1));
    }

    /// <summary>When a server was last read; null for never.</summary>
    public async Task<DateTimeOffset?> ReadAtAsync(LabServer server)
    {
        await using var command = stack.Database.CreateCommand("select nullif(m.read_at, '-infinity') from cvault.server_meters m join cvault.mt_doc_server d on d.id = m.server_id where d.data->>'name' = $1");
        command.Parameters.Add(new() { Value = server.Name });
        return await command.ExecuteScalarAsync() is DateTime at ? new DateTimeOffset(at, TimeSpan.Zero) : null;
    }

    /// <summary>Waits until the servers have been read, from the beginning, after now.</summary>
    public async Task ReadAnewAsync(params LabServer[] servers)
    {
        foreach (var server in servers.Length > 0 ? servers : [LabServer.Vpn1, LabServer.Vpn2])
        {
            // One reading may have been under way.
            for (var i = 0; i < 2; i++)
            {
                var before = await ReadAtAsync(server);
                await Stack.EventuallyAsync($"{server.Name} is read", Stack.MeterInterval + TimeSpan.FromSeconds(30), async () => await ReadAtAsync(server) > (before ?? DateTimeOffset.MinValue));
            }
        }
    }

    /// <summary>
    /// Waits until each device's samples are exactly what was reported of it: the counters of its peers, and what removals
    /// left. Each at a moment of its own: to a client that is gone a server sends a handshake each 5 s for a while, and counts it.
    /// </summary>
    /// <returns>What that is, in all.</returns>
    public async Task<Bytes> ExactAsync(string tenantId, params TestDevice[] devices)
    {
        Dictionary<string, (Bytes Metered, Bytes Reported)> exact = [], apart = [];
        var start = System.Diagnostics.Stopwatch.GetTimestamp();
        do
        {
            apart.Clear();
            var metered = await OfDevicesAsync(tenantId);
            var counters = (await LabServer.Vpn1.CountersAsync()).Concat(await LabServer.Vpn2.CountersAsync()).ToLookup(c => c.Key, c => c.Value.Moved);
            foreach (var device in devices.Where(d => !exact.ContainsKey(d.Id)))
            {
                var now = (Metered: metered.GetValueOrDefault(Guid.Parse(device.Id)), Reported: Bytes.Sum(counters[device.PublicKey]) + await LeftAsync(device.Id));
                (now.Metered == now.Reported ? exact : apart)[device.Id] = now;
            }

            if (apart.Count > 0) await Task.Delay(250);
        }
        while (apart.Count > 0 && System.Diagnostics.Stopwatch.GetElapsedTime(start) < 2 * Stack.MeterInterval + TimeSpan.FromSeconds(110));

        Assert.All(apart, d => Assert.Equal(d.Value.Reported, d.Value.Metered));
        var meters = await MetersAsync(tenantId);
        var samples = await SamplesAsync(tenantId);
        // The one is read after the other, and a reading may have come in between: it can only have added.
        Assert.All(meters, m => Assert.True(samples.GetValueOrDefault(m.Key).Total >= m.Value.Total, $"Session {m.Key} is said to have moved {m.Value}, its samples are {samples.GetValueOrDefault(m.Key)}."));
        await Stack.EventuallyAsync("every session's sum is its samples", TimeSpan.FromSeconds(30), async () =>
        {
            (meters, samples) = (await MetersAsync(tenantId), await SamplesAsync(tenantId));
            return meters.All(m => samples.GetValueOrDefault(m.Key) == m.Value);
        });
        return Bytes.Sum(exact.Values.Select(d => d.Metered));
    }
}

/// <summary>A client that downloads without a pause, at a limited rate, until it is told to stop.</summary>
public sealed class Downloads : IAsyncDisposable
{
    private readonly CancellationTokenSource enough = new();
    private readonly Task work;

    public Downloads(LabClient client, int bytes = 400_000, string rate = "2M") => work = Task.Run(async () =>
    {
        while (!enough.IsCancellationRequested)
        {
            if ((await client.CurlAsync($"/bytes/{bytes}", 5, "--limit-rate", rate, "-o", "/dev/null")).ExitCode == 0) Done += bytes;
        }
    });

    /// <summary>The bytes of those that were whole.</summary>
    public long Done { get; private set; }

    public async ValueTask DisposeAsync()
    {
        await enough.CancelAsync();
        await work;
        enough.Dispose();
    }
}
