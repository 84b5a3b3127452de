using System.Runtime.CompilerServices;

namespace CVault.Sdk;

/// <summary>An answer that is a part of a list.</summary>
internal interface IPage
{
    /// <summary>Null where the answer has none, and is no page.</summary>
    object? Items { get; }
}

internal static class Pages
{
    /// <summary>The items of all pages. A page is asked for when the one before is read to its end.</summary>
    public static async IAsyncEnumerable<TItem> AllAsync<TPage, TItem>(
        Func<string?, CancellationToken, Task<TPage>> read, Func<TPage, IReadOnlyList<TItem>> items, Func<TPage, string?> next,
        CancellationToken cancellation, [EnumeratorCancellation] CancellationToken enumeration = default)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, enumeration);
        string? cursor = null;
        do
        {
            var page = await read(cursor, either.Token).ConfigureAwait(false);
            foreach (var item in items(page)) yield return item;
            var asked = cursor;
            cursor = next(page);
            // It would be read for ever.
            if (cursor == asked && asked is not null) throw Circle();
        }
        while (!string.IsNullOrEmpty(cursor));
    }

    public static CVaultException Circle() => new(CVaultErrorCodes.UnexpectedAnswer, "The answer is not what the API answers: its page leads to itself.") { Status = 200 };
}
