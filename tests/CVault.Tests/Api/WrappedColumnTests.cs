
namespace CVault.Tests.Api;

/// <summary>That a rotation of the master key leaves nothing behind: every column that it wraps is known to it.</summary>
public sealed class WrappedColumnTests(Stack stack)
{
    /// <summary>Columns of bytes that hold nothing wrapped.</summary>
    private static readonly string[] Plain = ["idempotency_keys.claim", "idempotency_keys.request_hash", "mt_events.bdata"];

    [Fact]
    public async Task every_column_of_wrapped_values_is_rotated()
    {
        // So that each kind has a value.
        var tenant = await stack.NewTenantAsync();
        await (await tenant.NewUserAsync()).RegisterDeviceAsync(idempotencyKey: Guid.NewGuid().ToString());
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/tenants/{tenant.Id}/invitations", new { email = Scenarios.NewAddress(), role = "owner" })).Is(System.Net.HttpStatusCode.Created);
        var rotated = MasterKeyRotation.Columns.Select(c => $"{c.Table}.{c.Column}").ToArray();
        var columns = await ColumnsAsync("data_type = 'bytea'");
        Assert.Empty(rotated.Except(columns));
        var unknown = columns.Except(rotated).Except(Plain).Where(c => !c.StartsWith("wolverine_", StringComparison.Ordinal)).ToArray();
        Assert.True(unknown.Length == 0, $"Name these in MasterKeyRotation.Columns, or here where the master key does not wrap them: {string.Join(", ", unknown)}");

        // A mail's row is gone once it is sent (MailTests looks at one that is not).
        foreach (var column in rotated.Where(c => c != "mails.payload")) Assert.True(await CountAsync(column, "substring({0} from 1 for 3) = '\\x6d6b01'") > 0, $"No value of {column} is wrapped: what is looked for below is not what is written.");
        foreach (var column in columns.Except(rotated)) Assert.Equal(0, await CountAsync(column, "substring({0} from 1 for 3) = '\\x6d6b01'"));
        // And none in base64 in a text, a document or an event.
        foreach (var column in await ColumnsAsync("data_type in ('text', 'character varying', 'jsonb')")) Assert.Equal(0, await CountAsync(column, "{0}::text ~ '(^|[\" ])bWsB[A-Za-z0-9+/_-]{{60,}}'"));
    }

    private async Task<List<string>> ColumnsAsync(string where)
    {
        await using var command = stack.Database.CreateCommand(
            $"select table_name || '.' || column_name from information_schema.columns join information_schema.tables using (table_schema, table_name) where table_schema = '{Database.Schema}' and table_type = 'BASE TABLE' and {where}");
        await using var reader = await command.ExecuteReaderAsync();
        var columns = new List<string>();
        while (await reader.ReadAsync()) columns.Add(reader.GetString(0));
        return columns;
    }

    private async Task<long> CountAsync(string column, string condition)
    {
        var (table, name) = (column.Split('.')[0], column.Split('.')[1]);
        await using var command = stack.Database.CreateCommand($"select count(*) from {Database.Schema}.{table} where {string.Format(condition, name)}");
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
