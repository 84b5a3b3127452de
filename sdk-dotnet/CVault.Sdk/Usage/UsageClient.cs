namespace CVault.Sdk;

/// <summary>Which usage is asked for, hour by hour or day by day; without a range only the current month's sums are answered.</summary>
public sealed class UsageQuery
{
    /// <summary>The beginning; needed with <see cref="To"/>.</summary>
    public DateTimeOffset? From { get; set; }

    /// <summary>The end, at most 31 days later by the hour, 400 by the day.</summary>
    public DateTimeOffset? To { get; set; }

    /// <summary><c>hour</c> or <c>day</c>; <c>day</c>.</summary>
    public string? Granularity { get; set; }

    /// <summary><c>user</c>, <c>device</c> or <c>region</c>; null for all together.</summary>
    public string? GroupBy { get; set; }

    /// <summary>Points a page, 1 to 200; 50.</summary>
    public int? Limit { get; set; }

    /// <summary>Of the page before.</summary>
    public string? Cursor { get; set; }

    internal UsageQuery At(string? cursor) => new() { From = From, To = To, Granularity = Granularity, GroupBy = GroupBy, Limit = Limit, Cursor = cursor };
}

/// <summary>What the tenant's users used.</summary>
public sealed class UsageReport
{
    /// <summary>The calendar month (UTC) until now.</summary>
    public UsagePeriod CurrentPeriod { get; set; } = new();

    /// <summary>The hours or days in which there was any, in order; null where no range was asked for.</summary>
    public IReadOnlyList<UsagePoint>? Series { get; set; }

    /// <summary>Of the series; null at its end.</summary>
    public string? NextCursor { get; set; }
}

/// <summary>What a tenant used in a period.</summary>
public sealed class UsagePeriod
{
    /// <summary>The beginning.</summary>
    public DateTimeOffset From { get; set; }

    /// <summary>Now: the sums go up to the last reading before it.</summary>
    public DateTimeOffset To { get; set; }

    /// <summary>Received and sent, in decimal gigabytes.</summary>
    public double BandwidthGb { get; set; }

    /// <summary>Received from devices.</summary>
    public long RxBytes { get; set; }

    /// <summary>Sent to devices.</summary>
    public long TxBytes { get; set; }

    /// <summary>Users who were connected.</summary>
    public long ActiveUsers { get; set; }

    /// <summary>Of all sessions together, rounded to hundredths.</summary>
    public double ConnectionHours { get; set; }

    /// <summary>Calls of the API.</summary>
    public long ApiCalls { get; set; }
}

/// <summary>An hour or a day of a series, and one group in it where it is grouped.</summary>
public sealed class UsagePoint
{
    /// <summary>The beginning of the hour or day, in UTC.</summary>
    public DateTimeOffset Start { get; set; }

    /// <summary>Only with a grouping by <c>user</c>.</summary>
    public Guid? UserId { get; set; }

    /// <summary>Only with a grouping by <c>device</c>.</summary>
    public Guid? DeviceId { get; set; }

    /// <summary>Only with a grouping by <c>region</c>: where the session began.</summary>
    public string? Region { get; set; }

    /// <summary>Received from devices.</summary>
    public long RxBytes { get; set; }

    /// <summary>Sent to devices.</summary>
    public long TxBytes { get; set; }

    /// <summary>Of all sessions together.</summary>
    public long ConnectedSeconds { get; set; }

    /// <summary>Users who were connected.</summary>
    public long ActiveUsers { get; set; }
}

/// <summary>What the tenant's users used, for its server.</summary>
public sealed class UsageClient
{
    private readonly Api api;

    internal UsageClient(Api api) => this.api = api;

    /// <summary><c>GET /api/v1/usage</c>: the current month, and a page of a series.</summary>
    /// <param name="query">Absent: the current month alone.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>VALIDATION_FAILED</c>, <c>FORBIDDEN</c> with a publishable key.</exception>
    public Task<UsageReport> GetAsync(UsageQuery? query = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get("/api/v1/usage").With(query), Json.Default.UsageReport, options, cancellationToken);

    /// <summary>A whole series, page by page.</summary>
    /// <param name="query">With a range.</param>
    /// <param name="options">What each call does differently.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public IAsyncEnumerable<UsagePoint> SeriesAsync(UsageQuery query, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        Pages.AllAsync((cursor, cancellation) => GetAsync(query.At(cursor ?? query.Cursor), options, cancellation), p => p.Series ?? [], p => p.NextCursor, cancellationToken);
}
