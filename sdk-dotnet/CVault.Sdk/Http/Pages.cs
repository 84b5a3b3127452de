using System.Runtime.CompilerServices;

namespace CVault.Sdk;

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
            cursor = next(page);
        }
        while (cursor is not null);
    }
}
