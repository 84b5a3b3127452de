using CVault.Billing;
using CVault.Devices;
using CVault.Mail;
using CVault.Members;
using CVault.Metering;
using CVault.Peers;
using CVault.Projections.Billing;
using CVault.Security;
using CVault.Servers;
using CVault.Sessions;
using CVault.Tenants;
using CVault.Users;
using Marten;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Cors.Infrastructure;
using Microsoft.AspNetCore.DataProtection;
using Npgsql;
using Wolverine.Http;
using Wolverine.Runtime.Agents;

namespace CVault.Api;

/// <summary>What the slices need from the process.</summary>
public static class Services
{
    /// <summary>The types that request bodies are read into.</summary>
    public static readonly Type[] Bodies =
        [typeof(TenantChanges), typeof(RegisterServer), typeof(ServerChanges), typeof(EmailAndPassword), typeof(RefreshTokens), typeof(VerifyUserEmail), typeof(ChangeUserPassword), typeof(ForgottenPassword), typeof(ResetUserPassword),
            typeof(SignInExternal), typeof(SignInByIdToken), typeof(SetIdentityProvider), typeof(RegisterDevice), typeof(Connect),
            typeof(SignUp), typeof(VerifyMemberEmail), typeof(MemberLogIn), typeof(RefreshMember), typeof(ForgottenMemberPassword), typeof(MemberPasswordReset), typeof(MemberPasswordChange),
            typeof(CreateApiKey), typeof(ChangeApiKey), typeof(RotateApiKey), typeof(ChangeRole), typeof(InviteMember), typeof(AcceptInvitation), typeof(SettingsChanges),
            typeof(PlanBody), typeof(Subscribe), typeof(BillingChanges), typeof(GrantCredit), typeof(GrantDiscount), typeof(BookPayment), typeof(IssueCreditNote), typeof(CloseNow)];

    public static void AddCVault(this IServiceCollection services, Settings settings)
    {
        services.AddSingleton(settings.MasterKey);
        services.AddSingleton(settings.OperatorToken);
        services.AddSingleton<Passwords>();
        services.AddSingleton<SecurityLog>();
        services.AddSingleton<OutboundHttp>();
        services.AddSingleton<IdTokens>();
        services.AddSingleton<RequestLimits>();
        // Attempts that cannot be counted are refused, so it is worth to wait; calls of tenants pass, so it is not.
        services.AddSingleton(s => new AttemptLimits(
            new RequestLimits(s.GetRequiredService<NpgsqlDataSource>(), s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<RequestLimits>>(), TimeSpan.FromSeconds(5)),
            settings.AttemptRules, s.GetRequiredService<SecurityLog>()));
        services.AddSingleton<ApiCalls>();
        services.AddHostedService(s => s.GetRequiredService<ApiCalls>());
        services.AddSingleton<PeerConfirmations>();
        services.AddSingleton<KeyedRequests>();
        services.AddSingleton<SigningKeys>();
        services.AddSingleton(s => new Tokens(s.GetRequiredService<SigningKeys>(), settings.PublicUrl, s.GetRequiredService<TimeProvider>()));
        services.AddSingleton<SecurityFeed>();
        services.AddSingleton<CredentialCache>();
        services.AddSingleton<Origins>();
        services.AddSingleton<ICorsPolicyProvider>(s => s.GetRequiredService<Origins>());
        services.AddCors();
        services.AddSingleton(new ServerDialer(settings.SshKey));
        services.AddSingleton<Startup>();
        services.AddSingleton<LookupKey>();
        services.AddHostedService(s => s.GetRequiredService<Startup>());
        services.AddHostedService(s => s.GetRequiredService<SecurityFeed>());
        services.AddSingleton<NodeSignals>();
        services.AddHostedService(s => s.GetRequiredService<NodeSignals>());
        services.AddSingleton<ServerLinks>();
        services.AddSingleton<EndSessions>();
        services.AddHostedService(s => s.GetRequiredService<EndSessions>());
        services.AddSingleton<Collector>();
        services.AddSingleton<ReadingHeard>(s => s.GetRequiredService<Collector>().SweepAsync);
        services.AddHostedService(s => s.GetRequiredService<ServerLinks>());
        services.AddSingleton<IAgentFamily>(s => s.GetRequiredService<ServerLinks>());
        services.AddSingleton<SessionNumbers>();
        services.AddSingleton(settings.PassRules);
        services.AddSingleton(settings.LeaseRules);
        services.AddSingleton(settings.BillingRules);
        services.AddSingleton(settings.Seller);
        services.AddSingleton<StripeOutbox>();
        services.AddSingleton(s => new StripeGate(
            settings.Stripe, s.GetRequiredService<IDocumentStore>(), s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<StripeGate>>()));
        if (settings.Stripe is { } stripe)
        {
            services.AddSingleton(stripe);
            services.AddHostedService<SendToStripe>();
        }

        services.AddSingleton<FinishMoves>();
        services.AddHostedService(s => s.GetRequiredService<FinishMoves>());
        services.AddSingleton<DrainServers>();
        services.AddHostedService(s => s.GetRequiredService<DrainServers>());
        services.AddSingleton<ParkIdle>();
        services.AddHostedService(s => s.GetRequiredService<ParkIdle>());
        services.AddHostedService<EnforceBandwidth>();
        services.AddSingleton<DunUnpaid>();
        services.AddHostedService(s => s.GetRequiredService<DunUnpaid>());
        services.AddSingleton(settings.Mail);
        services.AddSingleton<Mailer>();
        services.AddHostedService(s => s.GetRequiredService<Mailer>());
        services.AddHostedService<Housekeeping>();
    }

    /// <summary>Who may call: the schemes, and the policies that endpoints name. What names none is refused.</summary>
    public static void AddCredentials(this IServiceCollection services)
    {
        // ASP.NET's authentication brings data protection along, which nothing here uses: no key file in someone's home.
        services.AddDataProtection().UseEphemeralDataProtectionProvider();
        services.AddAuthentication()
            .AddScheme<AuthenticationSchemeOptions, TenantAuthentication>(TenantAuthentication.SchemeName, null)
            .AddScheme<AuthenticationSchemeOptions, MemberAuthentication>(MemberAuthentication.SchemeName, null)
            .AddScheme<AuthenticationSchemeOptions, OperatorAuthentication>(OperatorAuthentication.SchemeName, null);
        // That provider replaces what protects, but not what makes the keys as the process starts.
        foreach (var maker in services.Where(s => s.ServiceType == typeof(IHostedService) && s.ImplementationType?.Name == "DataProtectionHostedService").ToArray()) services.Remove(maker);
        services.AddSingleton<IAuthorizationMiddlewareResultHandler, Authentication>();
        var policies = services.AddAuthorizationBuilder()
            .SetFallbackPolicy(new AuthorizationPolicyBuilder(OperatorAuthentication.SchemeName).RequireAssertion(_ => false).Build())
            .AddPolicy(Policies.Operator, p => p.AddAuthenticationSchemes(OperatorAuthentication.SchemeName).RequireClaim(Actor.OperatorClaim))
            .AddPolicy(Policies.ApiKey, p => Tenant(p).AddRequirements(new CredentialRequirement(Key: true, ProvenKey: true, User: false)))
            .AddPolicy(Policies.SecretKey, p => Tenant(p).AddRequirements(new SecretKeyOnly()))
            .AddPolicy(Policies.User, p => Tenant(p).AddRequirements(new CredentialRequirement(Key: true, ProvenKey: false, User: true)))
            .AddPolicy(Policies.UserToken, p => Tenant(p).AddRequirements(new CredentialRequirement(Key: false, ProvenKey: false, User: true)))
            .AddPolicy(Policies.Member, p => Member(p).AddRequirements(new MemberRequirement(null, Verified: false)))
            .AddPolicy(Policies.VerifiedMember, p => Member(p).AddRequirements(new MemberRequirement(null, Verified: true)))
            .AddPolicy(Policies.Billing, p => p.AddAuthenticationSchemes(TenantAuthentication.SchemeName, MemberAuthentication.SchemeName).AddRequirements(new BillingReader()))
            .AddPolicy(Policies.Any, p => Tenant(p).AddRequirements(new AnyCredential()));
        foreach (var permission in Enum.GetValues<Permission>())
        {
            policies.AddPolicy(Roles.May + permission, p => Member(p).AddRequirements(new MemberRequirement(permission, Verified: !permission.Reads())));
        }

        static AuthorizationPolicyBuilder Member(AuthorizationPolicyBuilder policy) => policy.AddAuthenticationSchemes(MemberAuthentication.SchemeName);
        static AuthorizationPolicyBuilder Tenant(AuthorizationPolicyBuilder policy) => policy.AddAuthenticationSchemes(TenantAuthentication.SchemeName);
    }

    public static void AddJson(this IServiceCollection services) => services.ConfigureSystemTextJsonForWolverineOrMinimalApi(json =>
    {
        var from = Reply.Json;
        json.SerializerOptions.PropertyNamingPolicy = from.PropertyNamingPolicy;
        json.SerializerOptions.NumberHandling = from.NumberHandling;
        json.SerializerOptions.AllowDuplicateProperties = from.AllowDuplicateProperties;
        json.SerializerOptions.MaxDepth = from.MaxDepth;
        json.SerializerOptions.UnmappedMemberHandling = from.UnmappedMemberHandling;
    });

    /// <summary>Every command names its actor, and every POST that replies may carry an idempotency key.</summary>
    public static void AddCommandMiddleware(this WolverineHttpOptions http)
    {
        http.AddMiddleware(typeof(Actor), IsCommand);
        http.AddMiddleware(typeof(Idempotency), chain => IsCommand(chain) && chain.HttpMethods.Contains("POST"));
        http.AddMiddleware(typeof(ExpectPeer), IsCommand);

        static bool IsCommand(HttpChain chain) => !chain.HttpMethods.Contains("GET") && chain.Method.Creates.Any(v => v.VariableType == typeof(Reply));
    }
}
