using CVault;
using CVault.Api;
using CVault.Projections;
using CVault.Tenants;
using JasperFx;
using JasperFx.CodeGeneration;
using Marten;
using Npgsql;
using Scalar.AspNetCore;
using Wolverine;
using Wolverine.ErrorHandling;
using Wolverine.Http;
using Wolverine.Http.Marten;
using Wolverine.Marten;

// A time in a query that names no offset is UTC on every node, wherever its host thinks that it is.
Environment.SetEnvironmentVariable("TZ", "UTC");
TimeZoneInfo.ClearCachedData();

var builder = WebApplication.CreateBuilder(args);
if (await Tools.RunAsync(args, builder.Configuration) is { } ended) return ended;
var settings = Settings.Read(builder.Configuration);

builder.WebHost.ConfigureKestrel(Hygiene.Limit);
if (settings.ApiPort is { } port) builder.WebHost.UseUrls($"http://127.0.0.1:{port}");
builder.AddLines();

foreach (var body in Services.Bodies)
{
    // Wolverine logs a malformed body as an error under its type's name, with a stack trace: it is the caller's error.
    builder.Logging.AddFilter(body.FullName, LogLevel.None);
}

builder.Services.AddSingleton(TimeProvider.System);
builder.Services.AddProblems();
builder.Services.AddCredentials();
builder.Services.AddDescription();
builder.Services.AddJson();

// By its name in /metrics: without one that is the connection string.
builder.Services.AddSingleton(new NpgsqlDataSourceBuilder(settings.ConnectionString) { Name = "cvault" }.Build());
builder.Services
    .AddMarten(Configuration.ConfigureStore)
    .UseNpgsqlDataSource()
    .UseLightweightSessions()
    .IntegrateWithWolverine()
    .ApplyAllDatabaseChangesOnStartup();
// After Marten: hosted services start in this order, and ours need the tables.
builder.Services.AddCVault(settings);
builder.Services.AddProjections();
builder.Services.AddMetrics(settings.MetricsPort);

builder.Host.UseWolverine(wolverine =>
{
    wolverine.ServiceName = "cvault";
    // Where generated code is looked for; what it calls is in the other two.
    wolverine.ApplicationAssembly = typeof(Program).Assembly;
    wolverine.Discovery.IncludeAssembly(typeof(Configuration).Assembly);
    wolverine.Discovery.IncludeAssembly(typeof(ReadModel).Assembly);
    // Any number of these processes on one PostgreSQL. A dead one is noticed after StaleNodeTimeout, and what it kept
    // goes to the others with the next evaluation; a lease (LinkLease) sees to it that nothing is kept twice meanwhile.
    wolverine.Durability.Mode = DurabilityMode.Balanced;
    wolverine.Durability.FirstHealthCheckExecution = TimeSpan.FromMilliseconds(100);
    wolverine.Durability.HealthCheckPollingTime = TimeSpan.FromSeconds(1);
    wolverine.Durability.CheckAssignmentPeriod = TimeSpan.FromSeconds(1);
    wolverine.Durability.StaleNodeTimeout = TimeSpan.FromSeconds(5);
    wolverine.Durability.NodeReassignmentPollingTime = TimeSpan.FromSeconds(1);
    wolverine.Durability.LeaderTakeoverHoldEvaluations = 0;
    wolverine.Durability.LeaderColdStartHoldEvaluations = 0;
    wolverine.Policies.AutoApplyTransactions();
    wolverine.Policies.AddMiddleware(typeof(MessageLines), chain => chain is Wolverine.Runtime.Handlers.HandlerChain);
    // A deadlock or a lost database must not leave a session open or an address held for ever.
    wolverine.Policies.OnAnyException()
        .RetryWithCooldown(TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(250), TimeSpan.FromSeconds(2))
        .Then.ScheduleRetryIndefinitely(TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(5));
    // What `codegen write` writes, ops/lib/publish-app compiles: a published program starts in a third of the time and
    // with half the memory. One that was only built compiles it anew at each start.
    wolverine.CodeGeneration.GeneratedCodeOutputPath = Path.Combine(builder.Environment.ContentRootPath, "obj", "Generated");
#if PREGENERATED
    wolverine.CodeGeneration.TypeLoadMode = TypeLoadMode.Static;
#else
    wolverine.CodeGeneration.TypeLoadMode = TypeLoadMode.Dynamic;
#endif
    wolverine.CodeGeneration.ReferenceAssembly(typeof(Wolverine.Http.Marten.AggregateAttribute).Assembly);
    wolverine.CodeGeneration.ReferenceAssembly(typeof(MessageLines).Assembly);
    wolverine.CodeGeneration.ReferenceAssembly(typeof(ReadModel).Assembly);

    // Wake-ups carry nothing that the rows do not say: losing one costs at most a second (ServerLink.Glance).
    wolverine.LocalQueueFor<ReconcileServer>().BufferedInMemory();
    wolverine.LocalQueueFor<ServerChanged>().BufferedInMemory();
    wolverine.LocalQueueFor<TenantAccessChanged>().BufferedInMemory();
    wolverine.LocalQueueFor<DrainBegun>().BufferedInMemory();
    wolverine.LocalQueueFor<MoveBegun>().BufferedInMemory();
    wolverine.LocalQueueFor<LeaseTimeChanged>().BufferedInMemory();
    wolverine.LocalQueueFor<SessionOver>().UseDurableInbox();
    wolverine.LocalQueueFor<DeviceGone>().UseDurableInbox();
    wolverine.LocalQueueFor<UserGone>().UseDurableInbox();
    wolverine.LocalQueueFor<PasswordForgotten>().UseDurableInbox();
    wolverine.LocalQueueFor<MailDue>().UseDurableInbox();
});
builder.Services.AddWolverineHttp();

var app = builder.Build();

app.UseTrustedProxies(settings.TrustedProxies);
app.UseRequestIds();
app.UseSecurityHeaders();
app.UseRequestLines();
app.UseProblems();
app.UseHttpsOnly(demanded: !app.Environment.IsDevelopment());
app.UseSizeLimit();
app.UseRouting();
app.UseCors();
app.UseUnroutedAnswers();
app.UseBufferedPosts();
app.UseAuthentication();
app.UseAuthorization();
app.UseRateLimits();
app.UseStrictBodies();
app.UseOperatorLines();

app.MapWolverineEndpoints(http =>
{
    http.RejectUnparseableQueryValues = true;
    http.TenantId.DetectWith<TenantOfRequest>();
    http.TenantId.AssertExists();
    http.MapMartenConcurrencyFailuresToConflict(_ => true);
    http.AddCommandMiddleware();
    // Compiled before the first request, not during it.
    http.WarmUpRoutes = RouteWarmup.Eager;
});
app.MapHealth();
app.MapOpenApi("/openapi/{documentName}.json").AllowAnonymous();
app.MapScalarApiReference("/docs", scalar => scalar
    // Nothing of the page, and no key typed into it, leaves for anyone's cloud.
    .DisableDefaultFonts().DisableAgent().DisableMcp().DisableTelemetry().HideDeveloperTools().HideClientButton().WithTitle("CVault API").WithNonce()).AllowAnonymous();

// With arguments it is a tool (`describe`, `codegen`, `storage`), without any it serves.
if (args.Length > 0) return await app.RunJasperFxCommands(args);
await app.RunAsync();
return 0;

/// <summary>Named, so that tests and tools can find this assembly.</summary>
public partial class Program;
