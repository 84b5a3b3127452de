using System.Reflection;
using ArchUnitNET.Domain;
using ArchUnitNET.Domain.Dependencies;
using ArchUnitNET.Loader;
using CVault.Devices;
using CVault.Security;
using CVault.Tenants;
using CVault.Users;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Wolverine.Http;
using Type = System.Type;

namespace CVault.Tests.Unit;

/// <summary>The rules of the house. Each failure says what stands where it may not, and why.</summary>
public sealed class ArchitectureTests
{
    private static readonly System.Reflection.Assembly Core = typeof(Configuration).Assembly, Api = typeof(Program).Assembly, ReadModels = typeof(Projections.ReadModel).Assembly;
    private static readonly Lazy<Architecture> Code = new(() => new ArchLoader().LoadAssemblies(Core, ReadModels, Api, typeof(ArchitectureTests).Assembly).Build());

    /// <summary>What each slice may read: what stands to its left (ops/decisions/0001). All may read the root and Security.</summary>
    private static readonly Dictionary<string, string[]> Left = new()
    {
        ["Security"] = [],
        ["Mail"] = [],
        ["Tenants"] = ["Mail"],
        ["Members"] = ["Mail", "Tenants"],
        ["Users"] = ["Mail", "Tenants"],
        ["Pdf"] = [],
        ["Billing"] = ["Mail", "Tenants", "Pdf"],
        ["Servers"] = [],
        ["IpLeases"] = ["Tenants", "Users", "Servers"],
        ["Devices"] = ["Tenants", "Users", "Servers", "IpLeases"],
        ["Sessions"] = ["Tenants", "Users", "Servers", "IpLeases", "Devices"],
        ["Peers"] = ["Tenants", "Users", "Servers", "IpLeases", "Devices", "Sessions"],
        ["Metering"] = ["Tenants", "Users", "Servers", "IpLeases", "Devices", "Sessions", "Peers"],
        [Root] = [],
    };

    private const string Root = "";

    /// <summary>
    /// Who may run SQL on a connection that says no tenant, or open a session of none, and why. All of it is the
    /// platform's work; none of it answers a tenant with rows that it did not name by a tenant's id or a secret.
    /// </summary>
    private static readonly Dictionary<string, string> Crossing = new()
    {
        ["CVault.Peers.PeerTable"] = "A server's peers are of all tenants.",
        ["CVault.Peers.ServerLinks"] = "Reads servers, which are the platform's.",
        ["CVault.Peers.LinkLease"] = "Who owns a server's link; no tenant's.",
        ["CVault.Peers.NodeSignals"] = "Hears other nodes.",
        ["CVault.Peers.ListPeers"] = "The operator's view of a server.",
        ["CVault.Peers.ParkIdle"] = "Finds what is due in all tenants, then works in one.",
        ["CVault.Peers.DrainServers"] = "Finds what is due in all tenants, then works in one.",
        ["CVault.Peers.FinishMoves"] = "Finds what is due in all tenants, then works in one.",
        ["CVault.Metering.PeerMeters"] = "The sweep.",
        ["CVault.Metering.EndSessions"] = "Finds what is due in all tenants, then works in one.",
        ["CVault.Metering.EnforceBandwidth"] = "Finds what is due in all tenants, then works in one.",
        ["CVault.PeerConfirmations"] = "Looks whether a peer of a request's own change is live, by server and key.",
        ["CVault.Servers.ServerLoad"] = "Servers are the platform's.",
        ["CVault.Security.LookupKey"] = "The platform's key.",
        ["CVault.Security.Idempotency"] = "Rows found by a keyed hash of who asks; and the sweep.",
        ["CVault.Security.SecurityFeed"] = "Hears what changed in all tenants.",
        ["CVault.Security.SigningKeys"] = "The platform's keys.",
        ["CVault.Security.RequestLimits"] = "Counts by subject, on its own connection: a refused request must still count.",
        ["CVault.MasterKeyRotation"] = "Wraps anew what is everybody's, and reads none of it.",
        ["CVault.Tenants.ApiCalls"] = "Adds up what all tenants called.",
        ["CVault.Tenants.CredentialCache"] = "A key is looked up before its tenant is known.",
        ["CVault.Tenants.Origins"] = "A preflight names no key: the origins of all.",
        ["CVault.Security.RefreshToken"] = "Revokes a family outside the request's transaction, by hash and tenant; and the sweep.",
        ["CVault.Users.ResetRequests"] = "The sweep. Taking and finding one go by the message's session.",
        ["CVault.Security.OneTimeTokens"] = "The sweep. Spending one names its hash, and the tenant where the caller's is known.",
        ["CVault.Mail.Mails"] = "Mails that wait, by id; no tenant's.",
        ["CVault.Billing.DunUnpaid"] = "Finds what is due in all tenants, then works in one.",
        ["CVault.Billing.StripeOutbox"] = "What waits for Stripe, of all tenants; it names each row's.",
        ["CVault.Billing.StripeGate"] = "Finds whose a payment is by Stripe's ids, then works in that tenant.",
        ["CVault.Projections.Billing.FeedStripe"] = "Reads the events of all tenants, in their order.",
        ["CVault.Projections.Billing.CloseMonths"] = "Finds what is due in all tenants, and closes it for many at once.",
        ["CVault.Projections.Billing.BillableUsage"] = "One snapshot of usage and its place; of one tenant, for which it says so before it reads, or of those whose months are closed.",
        ["CVault.Projections.Billing.Export"] = "One snapshot again; a tenant's own says for which tenant, and the operator's is of all.",
        ["CVault.Projections.Billing.ReplayedUsage"] = "The operator's tool: one tenant's events, by its id, and the servers', which are the platform's.",
        ["CVault.Projections.EventFeed"] = "Reads the events of all tenants, in their order.",
        ["CVault.Projections.Applier"] = "Writes what it read, under the tenant of each event.",
        ["CVault.Projections.Projector"] = "Holds the lock of who leads, and hears other nodes.",
        ["CVault.Projections.Rebuild"] = "Fills another set of tables from the events of all tenants.",
        ["CVault.Projections.ReadModelRow"] = "How far each model is; no tenant's.",
        ["CVault.Projections.ReadModelTables"] = "The read models' schema.",
        ["CVault.Api.Startup"] = "The schema.",
        ["CVault.Api.Doctor"] = "Counts and looks at the schema.",
        ["CVault.Api.Health"] = "Counts servers.",
    };

    [Theory]
    [InlineData("CVault", "")]
    [InlineData("CVault.Projections", "CVault")]
    [InlineData("CVault.Api", "CVault CVault.Projections")]
    public void projects_refer_one_way(string project, string mayRefer)
    {
        var references = System.Reflection.Assembly.Load(project).GetReferencedAssemblies().Select(a => a.Name!).Where(n => n.StartsWith("CVault", StringComparison.Ordinal));
        Empty(references.Except(mayRefer.Split(' ')), $"{project} refers to what is built on top of it: the direction is CVault <- CVault.Projections <- CVault.Api <- tests.");
    }

    [Fact]
    public void a_slice_reads_only_what_stands_to_its_left()
    {
        var types = Code.Value.Types.Where(t => t.FullName.StartsWith("CVault.", StringComparison.Ordinal) && System.Type.GetType($"{Owner(t.FullName)}, CVault") is not null).ToArray();
        Assert.True(types.Length > 100, "The slices were not found, so nothing was checked.");
        var offences =
            from type in types
            where Owner(type.FullName) is not ("CVault.Configuration" or "CVault.MasterKeyRotation") // What all of the tables are needed for.
            let slice = SliceOf(type.FullName)
            from target in type.Dependencies.Select(d => d.Target.FullName).Distinct()
            where target.StartsWith("CVault.", StringComparison.Ordinal)
            let seen = SliceOf(target)
            where seen != slice && seen != Root && seen != "Security" && !(Left.TryGetValue(slice, out var left) && left.Contains(seen))
            select $"{type.FullName} reads {target}";
        Empty(offences, "A slice reads only to its left, so that no two slices need one another; upward talk is a message (Messages.cs).");
    }

    [Fact]
    public void every_slice_has_its_place()
    {
        var slices = Core.GetTypes().Where(t => t.Namespace?.StartsWith("CVault", StringComparison.Ordinal) == true).Select(t => SliceOf(t.FullName!)).Distinct();
        Empty(slices.Except(Left.Keys), "These slices stand nowhere in the order of slices: decide what they may read, in ops/decisions and here.");
    }

    [Fact]
    public void the_rules_see_into_bodies_and_asynchronous_methods()
    {
        Assert.Contains(ReadersOfTheClock(), r => r.Contains(nameof(Late), StringComparison.Ordinal));
        var sessions = Code.Value.Types.Where(t => t.FullName.StartsWith("CVault.Sessions.ConnectEndpoint", StringComparison.Ordinal)).SelectMany(t => t.Dependencies).Select(d => d.Target.FullName);
        Assert.Contains("CVault.Devices.Move", sessions);
    }

    [Fact]
    public void nobody_reads_the_clock_directly() => Empty(
        ReadersOfTheClock().Where(r => !r.StartsWith("CVault.Tests", StringComparison.Ordinal)),
        "Time comes in as a TimeProvider or a now parameter: a decision that reads the clock cannot be tested or replayed.");

    [Fact]
    public void every_endpoint_says_who_may_call_it()
    {
        var policies = typeof(Policies).GetFields().Select(f => (string)f.GetRawConstantValue()!).Concat(System.Enum.GetNames<Permission>().Select(p => Roles.May + p)).ToHashSet();
        var endpoints = Endpoints().ToArray();
        Assert.True(endpoints.Length > 20, "The endpoints were not found, so nothing was checked.");
        Empty(
            endpoints.Where(m => m.GetCustomAttribute<AllowAnonymousAttribute>() is null && !(m.GetCustomAttribute<AuthorizeAttribute>()?.Policy is { } policy && policies.Contains(policy))).Select(NameOf),
            "An endpoint carries [Authorize(Policies.…)] or [AllowAnonymous]: what is forgotten must not be open.");
    }

    [Fact]
    public void only_the_key_set_health_what_makes_a_member_a_member_and_what_stripe_signs_are_for_everyone() => Assert.Equal(
        [
            "AcceptInvitationEndpoint.Post", "ForgotMemberPassword.Post", "GetKeySet.Get", "LogInMember.Post", "RefreshMemberTokens.Post", "ResetMemberPassword.Post",
            "SignUpEndpoint.Post", "TakeStripeEvent.Post", "VerifyEmailEndpoint.Post",
        ],
        Endpoints().Where(m => m.GetCustomAttribute<AllowAnonymousAttribute>() is not null).Select(NameOf).Order(StringComparer.Ordinal));

    [Fact]
    public void the_paths_of_members_are_for_members_and_no_others_are()
    {
        static bool IsMembers(string? policy) => policy is Policies.Member or Policies.VerifiedMember || policy?.StartsWith(Roles.May, StringComparison.Ordinal) == true;
        Empty(
            Endpoints().Where(m => m.GetCustomAttribute<AllowAnonymousAttribute>() is null && IsMembers(m.GetCustomAttribute<AuthorizeAttribute>()?.Policy)
                != m.GetCustomAttribute<WolverineHttpMethodAttribute>()!.Template.StartsWith("/api/v1/tenant/", StringComparison.Ordinal)).Select(NameOf),
            "/api/v1/tenant is the members' and nothing else is.");
    }

    [Fact]
    public void the_paths_of_operators_are_for_operators_and_no_others_are()
    {
        var offences = Endpoints().Where(m => m.GetCustomAttribute<WolverineHttpMethodAttribute>()!.Template.StartsWith("/admin", StringComparison.Ordinal)
            != (m.GetCustomAttribute<AuthorizeAttribute>()?.Policy == Policies.Operator));
        Empty(offences.Select(NameOf), "/admin is the operator's and nothing else is.");
    }

    [Fact]
    public void every_event_has_an_explicit_name_with_its_version() => Empty(
        Events().Where(e => !System.Text.RegularExpressions.Regex.IsMatch(e.Name, @"^[a-z]+(_[a-z]+)*_v\d+$")).Select(e => $"{e.Type.Name}: {e.Name}"),
        "An event's name in the store is given in Configuration, in snake_case and ending in its version: a renamed class must still be read.");

    [Fact]
    public void every_event_is_named_in_the_past_tense() => Empty(
        Events().Where(e => !e.Type.Name.EndsWith("ed", StringComparison.Ordinal) && !e.Type.Name.EndsWith("Left", StringComparison.Ordinal)).Select(e => e.Type.Name),
        "Events are facts: what happened, in the past tense.");

    [Fact]
    public void every_record_that_aggregates_apply_is_a_registered_event()
    {
        var applied =
            from type in Core.GetTypes()
            from method in type.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly)
            where method.Name is "Apply" or "Create" or "Project" && method.GetParameters().Length > 0
            let parameter = method.GetParameters()[0].ParameterType
            let data = parameter.IsGenericType ? parameter.GetGenericArguments()[0] : parameter
            where data.Assembly == Core && method.GetParameters() is [_] or [_, { ParameterType.Name: "IDocumentOperations" }]
            where type.Name != "DataKey"
            select data;
        Empty(applied.Distinct().Except(Events().Select(e => e.Type)).Select(t => t.Name), "An event without a mapped name is stored under its class's name, which cannot change any more.");
    }

    [Fact]
    public void no_event_holds_personal_data_or_secrets_in_the_clear()
    {
        string[] words = ["Email", "Password", "PrivateKey", "PresharedKey", "Secret", "Phone", "ClientAddress", "UserAgent"];
        Empty(
            from e in Events()
            from p in Properties(e.Type)
            where p.Type == typeof(string)
            from word in words
            where p.Path.Contains(word, StringComparison.OrdinalIgnoreCase)
            select $"{e.Type.Name}.{p.Path}",
            "Events are for ever: personal data and keys stand in them Sealed, so that erasing the user's data key erases the person.");
    }

    [Fact]
    public void amounts_are_whole_numbers()
    {
        Type[] documents = [typeof(Tenant), typeof(User), typeof(Device), typeof(Sessions.Session), typeof(Servers.Server), typeof(ApiKey), typeof(Members.MemberCredentials), typeof(UserCredentials), typeof(DevicePrivateKey), typeof(CVault.Billing.Plan), typeof(CVault.Billing.BillingAccount), typeof(CVault.Billing.Invoice)];
        // What amounts are computed with, each time anew and exactly; never a sum of anything.
        string[] rates = ["UnitPrice", "UpTo", "Included", "Percent"];
        Empty(
            from type in documents.Concat(Events().Select(e => e.Type))
            from p in Properties(type)
            where p.Type == typeof(float) || p.Type == typeof(double) || (p.Type == typeof(decimal) && !rates.Contains(p.Path.Split('.')[^1]))
            select $"{type.Name}.{p.Path}",
            "Bytes are 64-bit integers and so is every other amount: sums of fractions drift.");
    }

    [Fact]
    public void only_the_named_places_look_across_tenants()
    {
        var crossers = Crossers().Where(c => !c.Type.StartsWith("CVault.Tests", StringComparison.Ordinal)).ToArray();
        Empty(
            crossers.Where(c => !Crossing.ContainsKey(c.Type)).Select(c => $"{c.Type} calls {c.What}"),
            "This runs without saying for which tenant, so that neither Marten nor row-level security keeps tenants apart. Use the request's session; what must cross is named in Crossing, with its reason.");
        Empty(Crossing.Keys.Except(crossers.Select(c => c.Type)), "These are named as crossing tenants and do not (any more).");
    }

    [Fact]
    public void the_rule_on_crossing_tenants_sees_each_way_to_do_it() => Assert.Equal(
        ["AnyTenant", "CreateBatch", "CreateCommand", "LightweightSession", "OpenConnectionAsync", "QuerySession", "TenantIsOneOf"],
        Crossers().Where(c => c.Type == typeof(ArchitectureTests).FullName).Select(c => c.What).Distinct().Order(StringComparer.Ordinal));

    private static IEnumerable<(string Type, string What)> Crossers() =>
        from type in Code.Value.Types
        where type.FullName.StartsWith("CVault", StringComparison.Ordinal)
        from call in type.Dependencies.OfType<MethodCallDependency>()
        let target = call.Target.FullName
        let what = call.TargetMember.Name.Split('(')[0].Split('<')[0]
        where what is "AnyTenant" or "TenantIsOneOf"
            || (target == "Npgsql.NpgsqlDataSource" && what is "CreateCommand" or "CreateBatch" or "OpenConnection" or "OpenConnectionAsync" or "CreateConnection")
            // Without a tenant: no argument, or the options by which one could leave it out.
            || (target is "Marten.IDocumentStore" or "Marten.DocumentStore" && what is "QuerySession" or "QuerySerializableSessionAsync" or "LightweightSession" or "LightweightSerializableSessionAsync" or "IdentitySession" or "OpenSession" or "DirtyTrackedSession"
                && !call.TargetMember.Name.Contains("(System.String", StringComparison.Ordinal))
        select (Owner(type.FullName), what);

    private static IEnumerable<MethodInfo> Endpoints() => Core.GetTypes().Concat(ReadModels.GetTypes()).Concat(Api.GetTypes())
        .SelectMany(t => t.GetMethods()).Where(m => m.GetCustomAttribute<WolverineHttpMethodAttribute>() is not null);

    private static (Type Type, string Name)[] Events()
    {
        var store = new StoreOptions();
        Configuration.ConfigureStore(store);
        var known = ((IReadOnlyStoreOptions)store).Events.AllKnownEventTypes().Where(e => e.EventType.Assembly == Core).Select(e => (e.EventType, e.EventTypeName)).ToArray();
        Assert.True(known.Length > 15, "The events were not found, so nothing was checked.");
        return known;
    }

    /// <summary>A type's properties and those of our own types in them.</summary>
    private static IEnumerable<(string Path, Type Type)> Properties(Type type) =>
        from p in type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
        let own = Nullable.GetUnderlyingType(p.PropertyType) ?? (p.PropertyType.IsArray ? p.PropertyType.GetElementType()! : p.PropertyType)
        where own != type
        from found in own.Assembly == Core && own.IsClass ? Properties(own).Select(i => (p.Name + "." + i.Path, i.Type)).Prepend((p.Name, own)) : [(p.Name, own)]
        select found;

    private static IEnumerable<string> ReadersOfTheClock() =>
        from type in Code.Value.Types
        where type.FullName.StartsWith("CVault", StringComparison.Ordinal)
        from call in type.Dependencies.OfType<MethodCallDependency>()
        let target = call.Target.FullName
        where target is "System.DateTime" or "System.DateTimeOffset" && (call.TargetMember.Name.StartsWith("get_Now", StringComparison.Ordinal) || call.TargetMember.Name.StartsWith("get_UtcNow", StringComparison.Ordinal) || call.TargetMember.Name.StartsWith("get_Today", StringComparison.Ordinal))
        select $"{type.FullName} ({call.OriginMember.Name})";

    private static string NameOf(MethodInfo method) => method.DeclaringType!.Name + "." + method.Name;

    private static string Owner(string fullName) => fullName.Split('+', '/', '`')[0];

    private static string SliceOf(string fullName) => Owner(fullName).Split('.') is [_, var slice, _, ..] ? slice : Root;

    private static void Empty(IEnumerable<string> offences, string reason)
    {
        var list = offences.Distinct().Order(StringComparer.Ordinal).ToArray();
        Assert.True(list.Length == 0, $"{reason}\n  {string.Join("\n  ", list)}");
    }

    /// <summary>What the rule on the clock must find.</summary>
    private static class Late
    {
        public static async Task<DateTimeOffset> NowAsync()
        {
            await Task.Yield();
            return DateTimeOffset.UtcNow;
        }
    }

    /// <summary>What the rule on crossing tenants must find.</summary>
    private static class Across
    {
        public static async Task<int> CountAsync(IDocumentStore store, Npgsql.NpgsqlDataSource database)
        {
            await using var all = store.LightweightSession();
            await using var session = store.QuerySession();
            await using var command = database.CreateCommand("select 1");
            await using var batch = database.CreateBatch();
            await using var connection = await database.OpenConnectionAsync();
            return await session.Query<Device>().Where(d => d.AnyTenant()).CountAsync() + await session.Query<Device>().Where(d => d.TenantIsOneOf("a")).CountAsync();
        }
    }
}
