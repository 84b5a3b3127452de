using System.Collections.Concurrent;

namespace CVault.Sdk.Tunnel.Tests;

/// <summary>Keeps what would be run, and answers as told; everything succeeds that was not told to fail.</summary>
internal sealed class FakeRunner : IProcessRunner
{
    public ConcurrentQueue<(string Command, string? Input)> Ran { get; } = [];

    /// <summary>Of a command that starts so, the first that fits.</summary>
    public List<(string Start, Func<ProcessResult> Answer)> Answers { get; } = [];

    public HashSet<string> Missing { get; } = [];

    public IEnumerable<string> Commands => Ran.Select(r => r.Command);

    public string? Find(string tool) => Missing.Contains(tool) ? null : "/usr/bin/" + tool;

    public void Fail(string start, string error) => Answers.Insert(0, (start, () => new ProcessResult(1, "", error)));

    public void Answer(string start, string output) => Answers.Insert(0, (start, () => new ProcessResult(0, output, "")));

    public Task<ProcessResult> RunAsync(string tool, IReadOnlyList<string> arguments, string? input, CancellationToken cancellation)
    {
        var command = string.Join(' ', [tool, .. arguments]);
        Samples.HasNoSecret(command);
        Ran.Enqueue((command, input));
        var answer = Answers.FirstOrDefault(a => command.StartsWith(a.Start, StringComparison.Ordinal)).Answer;
        return Task.FromResult(answer is null ? new ProcessResult(0, "", "") : answer());
    }
}
