using System.Diagnostics;
using System.Globalization;
using Npgsql;
using NpgsqlTypes;

namespace CVault.Bench;

/// <summary>
/// What this PostgreSQL takes when nothing but the rows of a registration is asked of it: copies of the same tables with
/// the same indexes and the same content, in the same database, and each transaction one batch of prepared statements in
/// a single round trip. No HTTP, no reads, no locks taken for others, no Marten, and the peer is not confirmed.
/// </summary>
public sealed class DatabaseFloor(Stack stack)
{
    private const string Tables = "addresses, mt_doc_device, mt_doc_deviceprivatekey, mt_events, mt_streams, peers, quotas, server_load";

    /// <summary>What <see cref="Statements"/> writes, as <see cref="Counts"/> counts it.</summary>
    public static readonly IReadOnlyDictionary<string, (double Inserted, double Updated)> Rows = new Dictionary<string, (double, double)>
    {
        ["addresses"] = (0, 1), ["mt_doc_device"] = (1, 0), ["mt_doc_deviceprivatekey"] = (1, 0), ["mt_events"] = (2, 0),
        ["mt_streams"] = (2, 0), ["peers"] = (1, 0), ["quotas"] = (0, 1), ["server_load"] = (0, 1),
    };

    /// <summary>$1 device, $2 lease's stream, $3 tenant, $4 user, $5 server, $6 number of the address, $7 public key, $8 addresses, $9 a serial number.</summary>
    private static string[] Statements(bool withServerLoad) =>
    [
        "update bench.quotas set used = used + 1 where subject = $4",
        "update bench.addresses set device_id = $1 where server_id = $5 and number = $6",
        "insert into bench.mt_streams (tenant_id, id, type, version) values ($3, $1, 'device', 1), ('*DEFAULT*', $2, 'ip_lease', 1)",
        """
        insert into bench.mt_events (seq_id, id, stream_id, version, data, type, timestamp, tenant_id, mt_dotnet_type, correlation_id, user_name)
        select $9 * 2 + t.n, gen_random_uuid(), case t.n when 0 then $1 else $2 end, 1,
          case t.n when 0 then jsonb_set(t.data, '{publicKey}', to_jsonb($7)) else jsonb_set(t.data, '{deviceId}', to_jsonb($1::text)) end,
          t.type, now(), case t.n when 0 then $3 else '*DEFAULT*' end, t.mt_dotnet_type, t.correlation_id, t.user_name from bench.template_events t
        """,
        """
        insert into bench.mt_doc_device (tenant_id, id, data, mt_dotnet_type, mt_version)
        select $3, $1, jsonb_set(jsonb_set(jsonb_set(data, '{id}', to_jsonb($1::text)), '{liveKey}', to_jsonb($7)), '{publicKey}', to_jsonb($7)), mt_dotnet_type, 1 from bench.template_device
        """,
        "insert into bench.mt_doc_deviceprivatekey (tenant_id, id, data, mt_dotnet_type, mt_version) select $3, $1, jsonb_set(data, '{id}', to_jsonb($1::text)), mt_dotnet_type, gen_random_uuid() from bench.template_privatekey",
        """
        insert into bench.peers (server_id, public_key, device_id, user_id, tenant_id, allowed_ips, preshared_key, wanted, suspended, revision, confirmed, changed_at)
        select $5, $7, $1, $4, $3, $8, preshared_key, true, false, 1000000000 + $9, 0, now() from bench.template_peer
        """,
        .. withServerLoad ? (string[])["update bench.server_load set devices = devices + 1 where server_id = $5"] : [],
    ];

    private long serial;

    /// <summary>Copies the tables as they now are.</summary>
    public async Task PrepareAsync(Guid serverId)
    {
        await stack.QueryAsync("drop schema if exists bench cascade");
        await stack.QueryAsync("create schema bench");
        foreach (var table in Tables.Split(", "))
        {
            await stack.QueryAsync($"create table bench.{table} (like cvault.{table} including all)");
            await stack.QueryAsync($"insert into bench.{table} select * from cvault.{table}");
        }

        await stack.QueryAsync("alter table bench.mt_events add foreign key (tenant_id, stream_id) references bench.mt_streams (tenant_id, id)");
        await stack.QueryAsync("update bench.server_load set capacity = 1000000000");
        await stack.QueryAsync("update bench.mt_events set seq_id = -seq_id");
        // One real row of each kind.
        await stack.QueryAsync("create table bench.template_device as select * from cvault.mt_doc_device limit 1");
        await stack.QueryAsync("create table bench.template_privatekey as select * from cvault.mt_doc_deviceprivatekey limit 1");
        await stack.QueryAsync("create table bench.template_peer as select * from cvault.peers limit 1");
        await stack.QueryAsync("""
            create table bench.template_events as
            (select 0 as n, * from cvault.mt_events where type = 'device_registered_v1' limit 1) union all (select 1, * from cvault.mt_events where type = 'ip_leased_v1' limit 1)
            """);
        await stack.QueryAsync("analyze");
        foreach (var table in Tables.Split(", ")) await stack.QueryAsync($"vacuum bench.{table}");
        await stack.QueryAsync("checkpoint");
        ServerId = serverId;
    }

    private Guid ServerId { get; set; }

    /// <returns>Transactions a second.</returns>
    public async Task<double> MeasureAsync(int concurrency, double seconds, bool withServerLoad)
    {
        await using var database = NpgsqlDataSource.Create(Stack.SuperuserConnection(concurrency));
        var subjects = new List<(Guid User, string Tenant)>();
        await using (var read = database.CreateCommand("select distinct user_id, tenant_id from bench.peers where user_id in (select subject from bench.quotas)"))
        await using (var reader = await read.ExecuteReaderAsync())
        {
            while (await reader.ReadAsync()) subjects.Add((reader.GetGuid(0), reader.GetString(1)));
        }

        var warmUp = TimeSpan.FromSeconds(Math.Min(2, seconds / 4));
        var start = Stopwatch.GetTimestamp();
        var done = await Task.WhenAll(Enumerable.Range(0, concurrency).Select(_ => Task.Run(async () =>
        {
            await using var connection = await database.OpenConnectionAsync();
            var values = new NpgsqlParameter[]
            {
                new() { NpgsqlDbType = NpgsqlDbType.Uuid }, new() { NpgsqlDbType = NpgsqlDbType.Uuid }, new() { NpgsqlDbType = NpgsqlDbType.Text },
                new() { NpgsqlDbType = NpgsqlDbType.Uuid }, new() { NpgsqlDbType = NpgsqlDbType.Uuid }, new() { NpgsqlDbType = NpgsqlDbType.Integer },
                new() { NpgsqlDbType = NpgsqlDbType.Text }, new() { NpgsqlDbType = NpgsqlDbType.Text }, new() { NpgsqlDbType = NpgsqlDbType.Bigint },
            };
            var bound = new List<(int[] Used, NpgsqlBatchCommand Command)>();
            await using var batch = new NpgsqlBatch(connection);
            foreach (var statement in Statements(withServerLoad))
            {
                // PostgreSQL numbers them from one in each statement.
                var used = Enumerable.Range(1, values.Length).Where(n => statement.Contains("$" + n, StringComparison.Ordinal)).ToArray();
                var text = statement;
                for (var i = 0; i < used.Length; i++) text = text.Replace("$" + used[i], "$" + (i + 1), StringComparison.Ordinal);
                var command = new NpgsqlBatchCommand(text);
                foreach (var n in used) command.Parameters.Add(values[n - 1].Clone());
                batch.BatchCommands.Add(command);
                bound.Add((used, command));
            }

            await batch.PrepareAsync();
            var count = 0;
            while (Stopwatch.GetElapsedTime(start).TotalSeconds < warmUp.TotalSeconds + seconds)
            {
                var n = Interlocked.Increment(ref serial);
                var (user, tenant) = subjects[(int)(n % subjects.Count)];
                object[] row =
                [
                    Guid.CreateVersion7(), Guid.NewGuid(), tenant, user, ServerId, (int)(2 + n % 65_000),
                    Convert.ToBase64String(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32)), string.Create(CultureInfo.InvariantCulture, $"bench {n:00000000000000000000}"), n,
                ];
                foreach (var (used, command) in bound) for (var i = 0; i < used.Length; i++) command.Parameters[i].Value = row[used[i] - 1];
                await batch.ExecuteNonQueryAsync();
                if (Stopwatch.GetElapsedTime(start) is var at && at >= warmUp && at.TotalSeconds <= warmUp.TotalSeconds + seconds) count++;
            }

            return count;
        })));
        return done.Sum() / seconds;
    }
}
