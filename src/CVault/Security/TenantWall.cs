using System.Runtime.CompilerServices;
using Marten;
using Marten.Schema;
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
    /// The setting stands in a subselect so that it is read once a statement and not once a row. The policy that lets a
    /// tenant to its own has the name and the setting that Marten looks for: where it does not find them it takes
    /// row-level security off its documents' tables. A changed policy takes a new version, by which this knows what is there.
    /// </remarks>
    public const string Sql = $"""
        create or replace procedure {Database.Schema}.act_for(tenant text) language plpgsql as $act$ begin perform set_config('{Setting}', tenant, true); end $act$;
        do $wall$
        declare
          wall record; old record;
          own constant text := '(select coalesce(current_setting(''{Setting}'', true), '''')) in ('''', tenant_id::text)';
          platform constant text := 'tenant_id::text = ''*DEFAULT*''';
        begin
          for wall in
            select c.oid, c.relname, format('{Database.Schema}.%I', c.relname) as name
            from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
            where c.relnamespace = '{Database.Schema}'::regnamespace and c.relkind in ('r', 'p') and not (
              c.relrowsecurity and c.relforcerowsecurity
              and exists (select 1 from pg_policy p where p.polrelid = c.oid and p.polname = 'tenant_wall_v1')
              and exists (select 1 from pg_policy p where p.polrelid = c.oid and p.polname = 'marten_tenant_isolation' and pg_get_expr(p.polqual, p.polrelid) like '%COALESCE%'))
          loop
            for old in select polname from pg_policy where polrelid = wall.oid loop execute format('drop policy %I on %s', old.polname, wall.name); end loop;
            execute format('create policy marten_tenant_isolation on %s using (%s) with check (%s)', wall.name, own, own);
            if wall.relname = 'mt_events' then
              execute format('create policy tenant_wall_v1 on %s for insert with check (%s)', wall.name, platform);
            else
              execute format('create policy tenant_wall_v1 on %s for select using (%s)', wall.name, platform);
            end if;
            if wall.relname = 'mt_streams' then
              execute format('create policy tenant_wall_v1_add on %s for insert with check (%s)', wall.name, platform);
              execute format('create policy tenant_wall_v1_grow on %s for update using (%s) with check (%s)', wall.name, platform, platform);
            end if;
            execute format('alter table %s enable row level security', wall.name);
            execute format('alter table %s force row level security', wall.name);
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
        private string? Call() => session.TenantId == JasperFx.StorageConstants.DefaultTenantId || ForAll.Value ? null : call ??= CallFor(session.TenantId);

        // Statements and parameters may hold keyed hashes and sealed keys: whoever catches the exception logs what a log may hold.
        public void LogSuccess(NpgsqlCommand command) { }
        public void LogFailure(NpgsqlCommand command, Exception ex) { }
        public void LogSuccess(NpgsqlBatch batch) { }
        public void LogFailure(NpgsqlBatch batch, Exception ex) { }
        public void LogFailure(Exception ex, string message) { }
        public void RecordSavedChanges(IDocumentSession session, IChangeSet commit) { }
    }

    private static readonly AsyncLocal<bool> ForAll = new();

    /// <summary>
    /// From here to the end of the calling async method, its sessions are the platform's: it writes for many tenants in one
    /// transaction (<c>ForTenant</c>). Marten's connection speaks for whichever tenant was asked for last, which would
    /// shut the transaction off from all others.
    /// </summary>
    public static void ActForAll() => ForAll.Value = true;

    /// <summary>
    /// Tells Marten that a document's table has row-level security by our setting, without its own handling of the setting,
    /// which it offers for one type or for all but not by a policy.
    /// </summary>
    public static void Keep(DocumentMapping document)
    {
        SetOverride(document, true);
        SetSetting(document, Setting);
    }

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_RlsOverride")]
    private static extern void SetOverride(DocumentMapping document, bool? on);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_RlsSettingOverride")]
    private static extern void SetSetting(DocumentMapping document, string? name);

    /// <summary>The statement that says whose the transaction is.</summary>
    /// <exception cref="FormatException">A tenant's id is a UUID, and nothing else gets into a statement.</exception>
    public static string CallFor(string tenantId) => $"call {Database.Schema}.act_for('{Guid.Parse(tenantId)}')";

    private static readonly System.Text.RegularExpressions.Regex Positions = new(@"\$(\d+)", System.Text.RegularExpressions.RegexOptions.Compiled);
}
