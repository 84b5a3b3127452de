namespace CVault.Projections;

/// <summary>An event as the store holds it.</summary>
/// <param name="Sequence">Its place among the events of all tenants.</param>
/// <param name="Id">Its own, for ever.</param>
/// <param name="Type">Its name in the store, such as <c>usage_metered_v1</c>.</param>
/// <param name="TenantId">Whose it is; Marten's default for the platform's.</param>
/// <param name="Timestamp">When it was appended, by the database's clock.</param>
/// <param name="Data">The event; null where it could not be read.</param>
/// <param name="Unreadable">Why it could not be read; else null.</param>
public sealed record StoredEvent(long Sequence, Guid Id, string Type, Guid StreamId, string TenantId, DateTimeOffset Timestamp, object? Data, Exception? Unreadable = null);

/// <summary>What a reading of the feed brought.</summary>
/// <param name="Events">Those of the types asked for, in order.</param>
/// <param name="End">The place up to which nothing is missing, nor ever will be.</param>
/// <param name="More">There was more than fitted.</param>
/// <param name="Waiting">Behind <paramref name="End"/> is a gap that a transaction may still fill.</param>
public sealed record FeedPage(IReadOnlyList<StoredEvent> Events, long End, bool More, bool Waiting);
