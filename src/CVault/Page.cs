using Microsoft.AspNetCore.Mvc;

namespace CVault;

/// <summary>
/// A page of a list: items in the order of their ids, which are UUIDs of version 7 and so in the order of their
/// making. The cursor is opaque to callers: the last id shown.
/// </summary>
/// <param name="After">Items after this one.</param>
/// <param name="Limit">At most so many.</param>
public sealed record Page(Guid After, int Limit)
{
    public const int Default = 50, Most = 200;

    /// <summary>One more than is shown, to know whether there is a next page.</summary>
    public int Take => Limit + 1;

    /// <summary>Null when the caller's limit or cursor is none.</summary>
    public static Page? Of(int? limit, string? cursor)
    {
        if ((limit ?? Default) is < 1 or > Most) return null;
        if (string.IsNullOrEmpty(cursor)) return new Page(Guid.Empty, limit ?? Default);
        Span<byte> bytes = stackalloc byte[16];
        return TryDecode(cursor, bytes, out var length) && length == 16 ? new Page(new Guid(bytes, bigEndian: true), limit ?? Default) : null;
    }

    /// <summary>The bytes of a cursor, where it is base64url (RFC 4648) of no more than there is room for.</summary>
    /// <remarks>Not by <c>TryDecodeFromChars</c>: of what has a byte too many, or one sign of padding, it throws.</remarks>
    public static bool TryDecode(string cursor, Span<byte> bytes, out int length) =>
        System.Buffers.Text.Base64Url.DecodeFromChars(cursor, bytes, out _, out length) == System.Buffers.OperationStatus.Done;

    public static ProblemDetails Problem() => Problems.Validation(("limit", $"1 to {Most}."), ("cursor", "A next_cursor from an earlier page."));

    /// <summary>The items to show and the cursor of the next page, null at the end.</summary>
    public (IReadOnlyList<T> Shown, string? Next) Cut<T>(IReadOnlyList<T> items, Func<T, Guid> id) =>
        items.Count <= Limit
            ? (items, null)
            : (items.Take(Limit).ToArray(), System.Buffers.Text.Base64Url.EncodeToString(id(items[Limit - 1]).ToByteArray(bigEndian: true)));
}
