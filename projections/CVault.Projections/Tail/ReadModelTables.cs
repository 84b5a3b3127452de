using System.Security.Cryptography;
using System.Text;
using CVault.Security;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace CVault.Projections;

/// <summary>Makes the tables of the read models where there are none, behind the wall between tenants, before anything reads them.</summary>
public sealed class ReadModelTables(NpgsqlDataSource database, IEnumerable<ReadModel> models) : IHostedService
{
    /// <summary>One node at a time, and none while another makes its schema.</summary>
    internal const string Lock = "select pg_advisory_xact_lock(hashtext('cvault_startup'));";

    public Task StartAsync(CancellationToken cancellationToken) => MakeAsync(database, models, cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public static async Task MakeAsync(NpgsqlDataSource database, IEnumerable<ReadModel> models, CancellationToken cancellation)
    {
        await using var connection = await database.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        async Task RunAsync(string sql, params object[] values)
        {
            await using var command = new NpgsqlCommand(sql, connection, transaction) { CommandTimeout = 60 };
            foreach (var value in values) command.Parameters.Add(new() { Value = value });
            await command.ExecuteNonQueryAsync(cancellation);
        }

        await RunAsync($"{Lock} {ReadModelRow.CreateSql}");
        foreach (var model in models)
        {
            // Tables of another shape, an older program's, are of no use: the model begins anew.
            var (create, shape) = (model.CreateSql(TableNames.Live), Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(model.CreateSql(TableNames.Live)))));
            await using var made = new NpgsqlCommand($"""
                insert into {ReadModelRow.Models} as m (name, shape) values ($1, $2)
                on conflict (name) do update set shape = excluded.shape, position = 0, next_position = null, state = '{ReadModelRow.Running}', error = null where m.shape is distinct from excluded.shape
                """, connection, transaction);
            made.Parameters.Add(new() { Value = model.Name });
            made.Parameters.Add(new() { Value = shape });
            if (await made.ExecuteNonQueryAsync(cancellation) != 1) continue;
            await RunAsync($"delete from {ReadModelRow.DeadLetters} where model in ($1, $1 || '{TableNames.Next.Suffix}')", model.Name);
            await RunAsync($"{Rebuild.Drop(model, TableNames.Next)} {Rebuild.Drop(model, TableNames.Live)} {create}");
        }

        await RunAsync(Billing.Export.IndexSql);
        await RunAsync(TenantWall.Sql);
        await transaction.CommitAsync(cancellation);
    }
}
