using CVault.Security;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using Wolverine.Http;

namespace CVault.Projections;

/// <summary>A read model, as operators see it.</summary>
/// <param name="State"><c>running</c>, or <c>stopped</c> at an event that it cannot apply.</param>
/// <param name="Position">The sequence number of the last event in it.</param>
/// <param name="LagEvents">How many events it is behind, at most.</param>
/// <param name="DeadLetters">Events that it could not apply and went past.</param>
/// <param name="Rebuild">How far its rebuild is, as a sequence number; null while there is none.</param>
/// <param name="Error">Why it stopped, or why its last rebuild did.</param>
public sealed record ReadModelView(string Name, string State, long Position, long LagEvents, long DeadLetters, long? Rebuild, string? Error)
{
    internal static ReadModelView Of(ReadModelRow.Standing s) => new(s.Name, s.Row.State, s.Row.Position, s.LagEvents, s.DeadLetters, s.Row.NextPosition, s.Row.Error);
}

public sealed record ReadModelsView(IReadOnlyList<ReadModelView> ReadModels);

/// <summary>What an operator ordered of a read model.</summary>
/// <param name="Status"><c>ordered</c>.</param>
public sealed record ReadModelOrderView(string Name, string Status);

/// <summary><c>GET /admin/read-models</c>.</summary>
public static class ListReadModels
{
    [WolverineGet("/admin/read-models", OperationId = "listReadModels"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<ReadModelsView>(200)]
    public static async Task<IResult> Get(NpgsqlDataSource database, CancellationToken cancellation) =>
        Reply.Ok(new ReadModelsView([.. (await ReadModelRow.ListAsync(database, cancellation)).Select(ReadModelView.Of)]));
}

/// <summary><c>POST /admin/read-models/{name}/rebuild</c>: makes it anew from the first event and swaps it in; until then the old one answers.</summary>
public static class RebuildReadModel
{
    public static async Task<ProblemDetails> LoadAsync(string name, NpgsqlDataSource database, IEnumerable<ReadModel> models, CancellationToken cancellation) =>
        models.FirstOrDefault(m => m.Name == name) is not { } model ? Problems.NotFound()
        : await Rebuild.OrderAsync(database, model, cancellation) ? WolverineContinue.NoProblems
        : Problems.Conflict("It is being rebuilt already.");

    [WolverinePost("/admin/read-models/{name}/rebuild", OperationId = "rebuildReadModel"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<ReadModelOrderView>(202)]
    public static Reply Post(string name) => new(202, new ReadModelOrderView(name, "ordered"));
}

/// <summary><c>POST /admin/read-models/{name}/resume</c>: a model that stopped at an event tries it again.</summary>
public static class ResumeReadModel
{
    public static async Task<ProblemDetails> LoadAsync(string name, NpgsqlDataSource database, IEnumerable<ReadModel> models, CancellationToken cancellation) =>
        models.All(m => m.Name != name) ? Problems.NotFound()
        : await Follower.ResumeAsync(database, name, cancellation) ? WolverineContinue.NoProblems
        : Problems.Conflict("It is not stopped.");

    [WolverinePost("/admin/read-models/{name}/resume", OperationId = "resumeReadModel"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<ReadModelOrderView>(202)]
    public static Reply Post(string name) => new(202, new ReadModelOrderView(name, "ordered"));
}
