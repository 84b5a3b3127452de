using System.Collections;
using System.Reflection;
using Marten;
using Wolverine.Marten;

namespace CVault.Tests.Unit;

/// <summary>A session that does nothing and remembers what it was told: what a decision would write.</summary>
public class Recorder : DispatchProxy
{
    private List<(string Method, object?[] Arguments)> calls = [];

    /// <summary>Applies the effects to a session of nothing.</summary>
    internal static Recording Of(params IMartenOp[] effects)
    {
        var session = Create<IDocumentSession, Recorder>();
        foreach (var effect in effects) effect.Execute(session);
        return new Recording(((Recorder)session).calls);
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        if (!targetMethod!.IsSpecialName) calls.Add((targetMethod.Name, args!));
        var type = targetMethod.ReturnType;
        if (type.IsInterface)
        {
            var answer = (Recorder)Create(type, typeof(Recorder));
            answer.calls = calls;
            return answer;
        }

        return type == typeof(string) ? "" : type == typeof(void) || !type.IsValueType ? null : Activator.CreateInstance(type);
    }
}

/// <summary>What was written.</summary>
internal sealed record Recording(IReadOnlyList<(string Method, object?[] Arguments)> Calls)
{
    /// <summary>Every event started or appended, in order.</summary>
    public object[] Events => [.. Calls.Where(c => c.Method is "StartStream" or "Append").SelectMany(c => ((IEnumerable)c.Arguments[^1]!).Cast<object>())];

    /// <summary>Every event appended to this stream, in order.</summary>
    public object[] EventsOf(Guid stream) =>
        [.. Calls.Where(c => c.Method is "StartStream" or "Append" && c.Arguments.Contains(stream)).SelectMany(c => ((IEnumerable)c.Arguments[^1]!).Cast<object>())];

    public T[] Stored<T>() => [.. Calls.Where(c => c.Method is "Store" or "Insert").SelectMany(c => c.Arguments).SelectMany(a => a as IEnumerable<T> ?? (a is T one ? [one] : []))];
}
