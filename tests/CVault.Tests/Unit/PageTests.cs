namespace CVault.Tests.Unit;

/// <summary>Pages of a list.</summary>
public sealed class PageTests
{
    private static readonly Guid[] Ids = [.. Enumerable.Range(0, 7).Select(n => Guid.CreateVersion7(Samples.Now.AddSeconds(n)))];

    [Fact]
    public void without_a_wish_a_page_has_fifty_from_the_start() => Assert.Equal(new Page(Guid.Empty, 50), Page.Of(null, null));

    [Theory]
    [InlineData(1)]
    [InlineData(200)]
    public void one_to_two_hundred_may_be_wished_for(int limit) => Assert.Equal(limit, Page.Of(limit, null)!.Limit);

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(201)]
    [InlineData(int.MaxValue)]
    [InlineData(int.MinValue)]
    public void other_limits_are_none(int limit) => Assert.Null(Page.Of(limit, null));

    [Fact]
    public void walking_by_cursor_meets_every_item_once_and_in_order()
    {
        var met = new List<Guid>();
        string? cursor = null;
        do
        {
            var page = Page.Of(3, cursor)!;
            var rest = Ids.Where(id => id.CompareTo(page.After) > 0).Take(page.Take).ToArray();
            (var shown, cursor) = page.Cut(rest, id => id);
            met.AddRange(shown);
        }
        while (cursor is not null);
        Assert.Equal(Ids, met);
    }

    [Fact]
    public void a_page_that_holds_the_last_item_has_no_next() => Assert.Null(Page.Of(7, null)!.Cut(Ids, id => id).Next);

    [Fact]
    public void a_cursor_is_safe_in_a_URL_and_says_no_id()
    {
        var next = Page.Of(3, null)!.Cut(Ids[..4], id => id).Next!;
        Assert.Equal(next, Uri.EscapeDataString(next));
        Assert.NotEqual(Ids[2].ToString(), next);
    }

    [Theory]
    [InlineData("x")]
    [InlineData("AAAA")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAA==x")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAA")]  // One byte too many.
    [InlineData("AAAAAAAAAAAAAAAAAAAAAA\t\t=x")]
    [InlineData("01890a5d-ac96-774b-bcce-b302099a8057")]
    [InlineData("'; drop table--")]
    [InlineData("ÄÖÜ")]
    [InlineData(" ")]
    public void garbage_is_no_cursor(string cursor) => Assert.Null(Page.Of(null, cursor));

    [Fact]
    public void what_is_longer_than_a_cursor_is_none_whatever_its_length()
    {
        foreach (var length in Enumerable.Range(0, 100))
        {
            var text = new string('A', length);
            Assert.Equal(length == 22, Page.TryDecode(text, new byte[16], out var bytes) && bytes == 16);
            _ = Page.Of(null, text + "=");
            Assert.Equal(length == 59, Page.TryDecode(text, new byte[44], out bytes) && bytes == 44);
        }
    }
}
