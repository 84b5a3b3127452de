using Marten;
using Marten.Services;

namespace CVault.Projections;

/// <summary>Says that a session of this process has committed events.</summary>
public sealed class CommitSignal : DocumentSessionListenerBase
{
    /// <summary>Called after the commit, on the committer's thread: whoever hears it only takes note.</summary>
    public event Action? Committed;

    public override Task AfterCommitAsync(IDocumentSession session, IChangeSet commit, CancellationToken token)
    {
        if (commit.GetStreams().Any()) Committed?.Invoke();
        return Task.CompletedTask;
    }
}
