using System.Text.Json.Serialization;

namespace CVault.Sdk;

/// <summary>The last 30 days at a glance.</summary>
public sealed class DashboardStats
{
    /// <summary>The beginning (UTC) of the first of 30 days, the last of which is today.</summary>
    public DateTimeOffset From { get; set; }

    /// <summary>Now.</summary>
    public DateTimeOffset To { get; set; }

    /// <summary>Users who were connected in these days.</summary>
    public long ActiveUsers { get; set; }

    /// <summary>Received and sent.</summary>
    public long BandwidthBytes { get; set; }

    /// <summary>The same in decimal gigabytes.</summary>
    public double BandwidthGb { get; set; }

    /// <summary>Of all sessions together, rounded to hundredths.</summary>
    public double ConnectionHours { get; set; }

    /// <summary>Calls of the API.</summary>
    public long ApiCalls { get; set; }

    /// <summary>Sessions that are open now.</summary>
    public long OnlineNow { get; set; }

    /// <summary>The hours of the day, those with most bytes first; those without any are left out.</summary>
    public IReadOnlyList<PeakHour> PeakHours { get; set; } = [];
}

/// <summary>An hour of the day.</summary>
public sealed class PeakHour
{
    /// <summary>0 to 23, UTC.</summary>
    public int Hour { get; set; }

    /// <summary>Received and sent.</summary>
    public long Bytes { get; set; }
}

/// <summary>A page of the tenant's usage over time.</summary>
public sealed class DashboardUsage
{
    /// <summary>The beginning.</summary>
    public DateTimeOffset From { get; set; }

    /// <summary>The end.</summary>
    public DateTimeOffset To { get; set; }

    /// <summary>The hours or days in which there was any, in order.</summary>
    public IReadOnlyList<UsagePoint> Series { get; set; } = [];

    /// <summary>For the next page; null at the end.</summary>
    public string? NextCursor { get; set; }
}

/// <summary>Something that happened.</summary>
public sealed class ActivityEntry
{
    /// <summary>Its id.</summary>
    public Guid Id { get; set; }

    /// <summary>When.</summary>
    public DateTimeOffset At { get; set; }

    /// <summary><c>user_registered</c>, <c>device_registered</c>, <c>device_revoked</c>, <c>session_started</c> or <c>session_ended</c>.</summary>
    public string Type { get; set; } = "";

    /// <summary>Whose.</summary>
    public Guid? UserId { get; set; }

    /// <summary>Of which device.</summary>
    public Guid? DeviceId { get; set; }

    /// <summary>For sessions; else null.</summary>
    public Guid? SessionId { get; set; }

    /// <summary>Where, for devices and sessions; else null.</summary>
    public string? Region { get; set; }

    /// <summary>Why it ended or was revoked; else null.</summary>
    public string? Reason { get; set; }
}

/// <summary>A page of what happened, the latest first.</summary>
public sealed class ActivityPage : IPage
{
    /// <summary>Of this page.</summary>
    [JsonRequired]
    public IReadOnlyList<ActivityEntry> Activity { get; set; } = [];

    object? IPage.Items => Activity;

    /// <summary>For the next page; null at the end.</summary>
    public string? NextCursor { get; set; }
}

/// <summary>Figures of the tenant.</summary>
public sealed class DashboardClient
{
    private readonly Api api;

    internal DashboardClient(Api api) => this.api = api;

    /// <summary><c>GET /api/v1/tenant/dashboard/stats</c>.</summary>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<DashboardStats> StatsAsync(RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get("/api/v1/tenant/dashboard/stats").AsUser(), Json.Default.DashboardStats, options, cancellationToken);

    /// <summary><c>GET /api/v1/tenant/dashboard/usage</c>: a page.</summary>
    /// <param name="query">Absent: as the API thinks right.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>VALIDATION_FAILED</c>.</exception>
    public Task<DashboardUsage> UsageAsync(UsageQuery? query = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get("/api/v1/tenant/dashboard/usage").With(query).AsUser(), Json.Default.DashboardUsage, options, cancellationToken);

    /// <summary><c>GET /api/v1/tenant/dashboard/activity</c>: a page, the latest first.</summary>
    /// <param name="limit">1 to 200; 50.</param>
    /// <param name="cursor">Of the page before.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<ActivityPage> ActivityAsync(int? limit = null, string? cursor = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get("/api/v1/tenant/dashboard/activity").With("limit", limit).With("cursor", cursor).AsUser(), Json.Default.ActivityPage, options, cancellationToken);

    /// <summary>All of it, page by page, the latest first.</summary>
    /// <param name="pageSize">1 to 200; 50.</param>
    /// <param name="options">What each call does differently.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public IAsyncEnumerable<ActivityEntry> AllActivityAsync(int? pageSize = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        Pages.AllAsync((cursor, cancellation) => ActivityAsync(pageSize, cursor, options, cancellation), p => p.Activity, p => p.NextCursor, cancellationToken);
}
