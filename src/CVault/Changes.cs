using Marten;
using Wolverine.Marten;

namespace CVault;

/// <summary>
/// What a decision changes, where that is a list whose length the decision finds out: events to append, streams to
/// start and other effects, all applied to the session before its one commit.
/// </summary>
public sealed class Changes : IMartenOp
{
    private readonly List<Action<IDocumentSession>> effects = [];

    public void Start<T>(Guid streamId, params object[] events) where T : class => effects.Add(s => s.Events.StartStream<T>(streamId, events));

    public void Append(Guid streamId, params object[] events) => effects.Add(s => s.Events.Append(streamId, events));

    /// <summary>Appends to a stream that is to have this many events afterwards: whoever came first refuses the commit.</summary>
    public void AppendUpTo(long version, Guid streamId, params object[] events) => effects.Add(s => s.Events.Append(streamId, version, events));

    /// <summary>Appends to a stream as it was read: a change of it meanwhile refuses the commit.</summary>
    public void Append<T>(JasperFx.Events.IEventStream<T> stream, params object[] events) where T : class => effects.Add(_ => stream.AppendMany(events));

    public void Add(IMartenOp operation) => effects.Add(operation.Execute);

    public void Execute(IDocumentSession session)
    {
        foreach (var effect in effects) effect(session);
    }
}
