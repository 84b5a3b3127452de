using Marten;
using Marten.Services;
using Npgsql;

namespace CVault.Security;

/// <summary>
/// The second wall between tenants, in PostgreSQL itself: row-level security on every table that has a
/// <c>tenant_id</c>. A session of a tenant says whose it is with each transaction; from then on no statement in it, raw
/// SQL too, sees or changes a row of another tenant. What says nothing is the platform, which sees all
/// (ops/decisions/0015).
/// </summary>
public static class TenantWall
{
    /// <summary>The setting that names the tenant; empty for the platform. Only ever set until the end of a transaction.</summary>
    public const string Setting = "cvault.tenant";

    /// <summary>
    /// A policy for every table with a <c>tenant_id</c>, also for those that came since the last start, and the procedure
    /// that says whose a transaction is (a procedure, since it answers no rows where Marten counts them).
    /// Tenants may read what is the platform's, but not its events, which name other tenants; to its streams they may add:
    /// a lease of an address is the platform's event.
    /// </summary>
    /// <remarks>
    /// The setting stands in a subselect so that it is read once a statement and not once a row. A changed policy takes a
    /// new name: it is how this knows what is there.
    /// </remarks>
    public const string Sql = $"""
        create or replace procedure {Database.Schema}.act_for(tenant text) language plpgsql as $act$ begin perform set_config('{Setting}', tenant, true); end $act$;
        do $wall$
        declare
          found record;
          owner constant text := '(select coalesce(current_setting(''{Setting}'', true), ''''))';
          own text; platform text;
        begin
          for found in
            select c.oid, c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
            where c.relnamespace = '{Database.Schema}'::regnamespace and c.relkind in ('r', 'p')
              and not (c.relrowsecurity and c.relforcerowsecurity and exists (select 1 from pg_policy p where p.polrelid = c.oid and p.polname = 'tenant_wall_v1_delete'))
          loop
            own := format('%1$s = '''' or tenant_id::text = %1$s', owner);
            platform := own || ' or tenant_id::text = ''*DEFAULT*''';
            execute format('create policy tenant_wall_v1_select on {Database.Schema}.%I for select using (%s)', found.relname, case when found.relname = 'mt_events' then own else platform end);
            execute format('create policy tenant_wall_v1_insert on {Database.Schema}.%I for insert with check (%s)', found.relname, case when found.relname in ('mt_events', 'mt_streams') then platform else own end);
            execute format('create policy tenant_wall_v1_update on {Database.Schema}.%I for update using (%s)', found.relname, case when found.relname = 'mt_streams' then platform else own end);
            execute format('create policy tenant_wall_v1_delete on {Database.Schema}.%I for delete using (%s)', found.relname, own);
            execute format('alter table {Database.Schema}.%I enable row level security', found.relname);
            execute format('alter table {Database.Schema}.%I force row level security', found.relname);
          end loop;
        end $wall$
        """;

    /// <summary>
    /// What a session's every statement passes on its way to PostgreSQL. In front of each, in the same round trip and so in
    /// the same transaction, it is said whose it is: a session does not know here whether its transaction has heard it.
    /// </summary>
    /// <remarks>
    /// Marten has row-level security of its own, which sets the setting for the whole connection: one more round trip for
    /// each opened connection, two with a transaction, and a pool that is not reset hands the setting on.
    /// </remarks>
    public sealed class Session(IQuerySession session) : IMartenSessionLogger
    {
        private string? call;

        public void OnBeforeExecute(NpgsqlCommand command)
        {
            if (Call() is not { } first || command.CommandText.StartsWith(first, StringComparison.Ordinal)) return;
            // Npgsql takes several statements in one command only where the parameters have names.
            if (command.Parameters.Any(p => p.ParameterName.Length == 0))
            {
                for (var i = 0; i < command.Parameters.Count; i++) command.Parameters[i].ParameterName = $"_{i + 1}";
                command.CommandText = Positions.Replace(command.CommandText, "@_$1");
            }

            command.CommandText = first + ";" + command.CommandText;
        }

        public void OnBeforeExecute(NpgsqlBatch batch)
        {
            if (Call() is not { } first || batch.BatchCommands[0].CommandText == first) return;
            batch.BatchCommands.Insert(0, new NpgsqlBatchCommand(first));
        }

        /// <summary>Null for the platform's own sessions.</summary>
        private string? Call() => session.TenantId == JasperFx.StorageConstants.DefaultTenantId ? null : call ??= CallFor(session.TenantId);

        // Statements and parameters may hold keyed hashes and sealed keys: whoever catches the exception logs what a log may hold.
        public void LogSuccess(NpgsqlCommand command) { }
        public void LogFailure(NpgsqlCommand command, Exception ex) { }
        public void LogSuccess(NpgsqlBatch batch) { }
        public void LogFailure(NpgsqlBatch batch, Exception ex) { }
        public void LogFailure(Exception ex, string message) { }
        public void RecordSavedChanges(IDocumentSession session, IChangeSet commit) { }
    }

    /// <summary>The statement that says whose the transaction is.</summary>
    /// <exception cref="FormatException">A tenant's id is a UUID, and nothing else gets into a statement.</exception>
    public static string CallFor(string tenantId) => $"call {Database.Schema}.act_for('{Guid.Parse(tenantId)}')";

    private static readonly System.Text.RegularExpressions.Regex Positions = new(@"\$(\d+)", System.Text.RegularExpressions.RegexOptions.Compiled);
}
