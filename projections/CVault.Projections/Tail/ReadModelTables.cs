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
            await using var known = new NpgsqlCommand($"insert into {ReadModelRow.Models} (name) values ($1) on conflict do nothing", connection, transaction);
            known.Parameters.Add(new() { Value = model.Name });
            if (await known.ExecuteNonQueryAsync(cancellation) == 1) await RunAsync(model.CreateSql(TableNames.Live));
        }

        await RunAsync(TenantWall.Sql);
        await transaction.CommitAsync(cancellation);
    }
}
