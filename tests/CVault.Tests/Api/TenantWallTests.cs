using CVault.Security;
using JasperFx;
using Marten;
using Npgsql;

namespace CVault.Tests.Api;

/// <summary>The second wall (row 26): the application's own role, told to act for a tenant, against the real schema.</summary>
public sealed class TenantWallTests(Stack stack)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task a_tenants_transaction_sees_no_row_of_another_in_any_table()
    {
        var (one, other) = await TwoTenantsAsync();
        var tables = await TablesAsync();
        var (seen, platform) = (new List<string>(), new List<string>());
        foreach (var table in tables)
        {
            var foreign = $"select count(*) from {table} where tenant_id::text not in ('{one}', '*DEFAULT*')";
            if (await ActAsync(one, foreign) > 0) seen.Add(table);
            if (await ActAsync(null, foreign) > 0) platform.Add(table);
        }

        Assert.Empty(seen);
        Assert.Equal(0, await ActAsync(one, "select count(*) from cvault.mt_events where tenant_id = '*DEFAULT*'"));
        Assert.True(await ActAsync(one, "select count(*) from cvault.mt_events") > 3, "The tenant does not see its own events.");
        // What the platform sees is there for a tenant to be kept from.
        foreach (var table in new[] { "mt_events", "mt_streams", "mt_doc_device", "mt_doc_tenant", "mt_doc_usercredentials", "data_keys", "refresh_tokens", "peers" }) Assert.Contains("cvault." + table, platform);
        Assert.True(await ActAsync(null, $"select count(*) from cvault.mt_events where tenant_id = '{other}'") > 3, "The other tenant has no events.");
        TestContext.Current.TestOutputHelper?.WriteLine($"{tables.Count} tables with a tenant_id, 0 rows of another tenant");
    }

    [Fact]
    public async Task nor_does_it_change_delete_or_add_one()
    {
        var (one, other) = await TwoTenantsAsync();
        var offences = new List<string>();
        foreach (var table in await TablesAsync())
        {
            foreach (var foreign in new[] { other, "*DEFAULT*" })
            {
                if (foreign != other && table == "cvault.mt_streams") continue;
                if (await ActAsync(one, $"with changed as (update {table} set tenant_id = tenant_id where tenant_id::text = '{foreign}' returning 1) select count(*) from changed") > 0) offences.Add($"update of {foreign} in {table}");
                if (await ActAsync(one, $"with gone as (delete from {table} where tenant_id::text = '{foreign}' returning 1) select count(*) from gone") > 0) offences.Add($"delete of {foreign} in {table}");
                if (foreign != other && table is "cvault.mt_events") continue;
                var refused = await Assert.ThrowsAsync<PostgresException>(() =>
                    ActAsync(one, $"with made as (insert into {table} select (jsonb_populate_record(null::{table}, jsonb_build_object('tenant_id', '{foreign}'))).* returning 1) select count(*) from made"));
                // A tenant's id that is a UUID by its type takes no other word.
                if (refused.SqlState is not (PostgresErrorCodes.InsufficientPrivilege or PostgresErrorCodes.InvalidTextRepresentation)) offences.Add($"insert of {foreign} into {table}: {refused.SqlState}");
            }

            var moved = await Record.ExceptionAsync(() => ActAsync(one, $"with moved as (update {table} set tenant_id = '{other}' where tenant_id::text = '{one}' returning 1) select count(*) from moved"));
            if (moved is not PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } && await ActAsync(one, $"select count(*) from {table} where tenant_id::text = '{one}'") > 0) offences.Add($"own rows of {table} can be given away");
        }

        Assert.Empty(offences);
    }

    [Fact]
    public async Task the_role_that_the_application_has_is_bound_by_it() => Assert.Equal(
        0, await ActAsync(null, "select count(*) from pg_roles where rolname = current_user and (rolsuper or rolbypassrls)"));

    /// <summary>As requests open them: every way in which a session's statements get to PostgreSQL.</summary>
    [Fact]
    public async Task every_statement_of_a_tenants_session_says_whose_it_is()
    {
        var (one, other) = await TwoTenantsAsync();
        var connection = new NpgsqlConnectionStringBuilder(stack.Database.ConnectionString) { Password = Password(), MaxPoolSize = 1 };
        await using var database = NpgsqlDataSource.Create(connection.ConnectionString);
        await using var store = DocumentStore.For(options =>
        {
            Configuration.ConfigureStore(options);
            options.AutoCreateSchemaObjects = AutoCreate.None;
            options.Connection(database);
        });
        var user = Guid.NewGuid();
        async Task<(string Setting, long Foreign)> LookAsync(IQuerySession session, string place)
        {
            await using var command = new NpgsqlCommand($"select current_setting('{TenantWall.Setting}', true), (select count(*) from cvault.mt_events where tenant_id <> {place})");
            command.Parameters.Add(place == "$1" ? new NpgsqlParameter { Value = session.TenantId } : new NpgsqlParameter("tenant", session.TenantId));
            await using var reader = await session.ExecuteReaderAsync(command, Cancellation);
            await reader.ReadAsync(Cancellation);
            return (reader.GetString(0), reader.GetInt64(1));
        }

        foreach (var tenant in new[] { one, other })
        {
            await using var query = store.QuerySession(tenant);
            Assert.Equal((tenant, 0), await LookAsync(query, "$1"));
            Assert.Equal((tenant, 0), await LookAsync(query, "@tenant"));
            Assert.NotEmpty(await query.Query<Devices.Device>().ToListAsync(Cancellation));
            Assert.Equal(0, await query.Query<Devices.Device>().Where(d => d.AnyTenant() && d.UserId == user).CountAsync(Cancellation));
            var all = await query.Query<Devices.Device>().Where(d => d.AnyTenant()).CountAsync(Cancellation);
            Assert.Equal(await query.Query<Devices.Device>().CountAsync(Cancellation), all);
            var batch = query.CreateBatchQuery();
            var (mine, devices) = (batch.Load<Tenants.Tenant>(Guid.Parse(tenant)), batch.Query<Devices.Device>().Where(d => d.AnyTenant()).Count());
            await batch.Execute(Cancellation);
            Assert.Equal((Guid.Parse(tenant), all), ((await mine)!.Id, (int)await devices));

            await using var command = store.LightweightSession(tenant);
            for (var again = 0; again < 2; again++)
            {
                // Twice: Npgsql uses a connection's transaction object again.
                await command.BeginTransactionAsync(Cancellation);
                Assert.Equal((tenant, 0), await LookAsync(command, "$1"));
                Assert.Equal((tenant, 0), await LookAsync(command, "$1"));
                command.QueueSqlCommand("update cvault.data_keys set tenant_id = tenant_id where user_id = ?", user);
                await command.SaveChangesAsync(Cancellation);
            }

            // The pool's one connection tells the next user nothing.
            await using var after = database.CreateCommand($"select coalesce(current_setting('{TenantWall.Setting}', true), '')");
            Assert.Equal("", await after.ExecuteScalarAsync(Cancellation));
        }

        await using var platform = store.QuerySession();
        Assert.True((await LookAsync(platform, "$1")).Foreign > 0);
        Assert.ThrowsAny<FormatException>(() => TenantWall.CallFor("'); drop table cvault.peers; --"));
    }

    /// <summary>Behind row-level security no index on an expression that could leak (such as of JSON) is used: a login would read every user.</summary>
    [Fact]
    public async Task indexes_of_tenants_tables_are_on_columns()
    {
        await using var command = stack.Database.CreateCommand("""
            select i.indexrelid::regclass::text from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attname = 'tenant_id' join pg_class c on c.oid = i.indrelid
            where c.relnamespace = 'cvault'::regnamespace and i.indexprs is not null
            """);
        await using var reader = await command.ExecuteReaderAsync(Cancellation);
        var onExpressions = new List<string>();
        while (await reader.ReadAsync(Cancellation)) onExpressions.Add(reader.GetString(0));
        Assert.True(onExpressions.Count == 0, $"Duplicate the member and index its column (Configuration.Inline), as row-level security demands: {string.Join(", ", onExpressions)}");
    }

    private static string Password() => new NpgsqlConnectionStringBuilder(Stack.ConnectionString).Password!;

    private async Task<(string One, string Other)> TwoTenantsAsync()
    {
        var (one, other) = (await stack.NewTenantAsync(), await stack.NewTenantAsync());
        foreach (var tenant in new[] { one, other }) await (await tenant.NewUserAsync()).NewDeviceAsync();
        return (one.Id, other.Id);
    }

    /// <summary>From the schema itself, so that a new table is looked at too.</summary>
    private async Task<List<string>> TablesAsync()
    {
        await using var command = stack.Database.CreateCommand("""
            select format('%I.%I', table_schema, table_name) from information_schema.columns join information_schema.tables using (table_schema, table_name)
            where column_name = 'tenant_id' and table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')
            """);
        await using var reader = await command.ExecuteReaderAsync(Cancellation);
        var tables = new List<string>();
        while (await reader.ReadAsync(Cancellation)) tables.Add(reader.GetString(0));
        Assert.True(tables.Count > 10, "The tables were not found.");
        return tables;
    }

    /// <summary>A number by raw SQL in a transaction of the tenant's, or of the platform's, that is rolled back.</summary>
    private async Task<long> ActAsync(string? tenant, string sql)
    {
        await using var connection = await stack.Database.OpenConnectionAsync(Cancellation);
        await using var transaction = await connection.BeginTransactionAsync(Cancellation);
        if (tenant is not null)
        {
            await using var act = new NpgsqlCommand(TenantWall.CallFor(tenant), connection);
            await act.ExecuteNonQueryAsync(Cancellation);
        }

        await using var command = new NpgsqlCommand(sql, connection);
        return (long)(await command.ExecuteScalarAsync(Cancellation))!;
    }
}

/// <summary>The same in the running API: where the platform's own view of a tenant's rows is shut, requests still see them.</summary>
[Collection(Alone.Name)]
public sealed class TenantWallOfRequestsTests(Stack stack)
{
    private static readonly string[] Shut = ["mt_doc_device", "mt_doc_session", "mt_doc_user", "mt_doc_usercredentials", "mt_doc_deviceprivatekey", "refresh_tokens", "mt_events"];

    [Fact]
    public async Task every_request_of_a_tenant_has_said_whose_it_is()
    {
        var tenant = await stack.NewTenantAsync();
        var device = await (await tenant.NewUserAsync()).NewDeviceAsync();
        try
        {
            await RunAsync(Shut.Select(t => $"create policy shut on cvault.{t} as restrictive for select using (coalesce(current_setting('{TenantWall.Setting}', true), '') <> '')"));
            await using (var blind = stack.Database.CreateCommand("select count(*) from cvault.mt_doc_device")) Assert.Equal(0L, await blind.ExecuteScalarAsync());

            var user = await tenant.NewUserAsync();
            var own = await user.NewDeviceAsync();
            (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/login", new { email = user.Email, password = Scenarios.Password })).Is(System.Net.HttpStatusCode.OK);
            (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = user.RefreshToken })).Is(System.Net.HttpStatusCode.OK);
            foreach (var path in new[] { "/api/v1/devices", $"/api/v1/devices/{own.Id}", $"/api/v1/devices/{own.Id}/config", "/api/v1/servers" }) (await user.SendAsync(HttpMethod.Get, path)).Is(System.Net.HttpStatusCode.OK);
            (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = own.Id })).Is(System.Net.HttpStatusCode.OK);
            Assert.Equal("connected", (await user.SendAsync(HttpMethod.Get, "/api/v1/vpn/status")).Text("status"));
            (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/disconnect", new { device_id = own.Id })).Is(System.Net.HttpStatusCode.OK);
            (await user.SendAsync(HttpMethod.Post, $"/api/v1/devices/{own.Id}/rotate-key")).Is(System.Net.HttpStatusCode.OK);
            (await user.SendAsync(HttpMethod.Delete, $"/api/v1/devices/{own.Id}")).Is(System.Net.HttpStatusCode.OK);
            (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { name = "Renamed" })).Is(System.Net.HttpStatusCode.OK);
        }
        finally
        {
            await RunAsync(Shut.Select(t => $"drop policy if exists shut on cvault.{t}"));
        }

        Assert.NotNull(device);
    }

    /// <summary>Each by itself: in one transaction they would hold one table and wait for the next.</summary>
    private async Task RunAsync(IEnumerable<string> statements)
    {
        foreach (var statement in statements)
        {
            await using var command = stack.Database.CreateCommand(statement);
            await command.ExecuteNonQueryAsync();
        }
    }
}
