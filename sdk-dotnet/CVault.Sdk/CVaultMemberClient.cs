namespace CVault.Sdk;

/// <summary>For portals: a member of a tenant's staff. Thread-safe and made to be kept, one for a member.</summary>
public sealed class CVaultMemberClient
{
    /// <summary>A client for one member.</summary>
    /// <param name="options">At least <see cref="CVaultOptions.BaseUrl"/>.</param>
    /// <exception cref="ArgumentException">Something in the options is missing or not as it must be; the message names it.</exception>
    public CVaultMemberClient(CVaultMemberOptions options)
    {
        var api = Api.ForMember(options);
        Auth = new MemberAuthClient(api);
        Members = new MembersClient(api);
        Invitations = new InvitationsClient(api);
        ApiKeys = new ApiKeysClient(api);
        Settings = new SettingsClient(api);
        Dashboard = new DashboardClient(api);
        Billing = new BillingClient(api, asMember: true);
    }

    /// <summary>The member's login.</summary>
    public MemberAuthClient Auth { get; }

    /// <summary>The tenant's staff.</summary>
    public MembersClient Members { get; }

    /// <summary>Who may join it.</summary>
    public InvitationsClient Invitations { get; }

    /// <summary>The tenant's API keys.</summary>
    public ApiKeysClient ApiKeys { get; }

    /// <summary>The tenant's settings and identity provider.</summary>
    public SettingsClient Settings { get; }

    /// <summary>Figures of the tenant.</summary>
    public DashboardClient Dashboard { get; }

    /// <summary>What the tenant pays.</summary>
    public BillingClient Billing { get; }

    /// <summary>Shows no token.</summary>
    public override string ToString() => nameof(CVaultMemberClient);
}
