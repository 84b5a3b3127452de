using System.Text.Json;
using CsCheck;
using CVault.Metering;

namespace CVault.Tests.Unit;

public sealed class SampleSetTests
{
    private static readonly Gen<long> Bytes = Gen.Frequency((1, Gen.Const(0L)), (5, Gen.Long[0, 1 << 20]), (1, Gen.Long[0, long.MaxValue]));
    private static readonly Gen<Sample[]> Sets = Gen.Select(Gen.Long[0, 1L << 40], Bytes, Bytes, (s, rx, tx) => new Sample(s, rx, tx)).Array[0, 200].Select(a => a.DistinctBy(s => s.Session).ToArray());

    [Fact]
    public void what_was_packed_is_what_is_unpacked() => Sets.Sample(samples =>
        Assert.Equal(samples.OrderBy(s => s.Session), SampleSet.Unpack(new SampleSet(samples).Pack()).All));

    [Fact]
    public void whatever_is_no_packed_set_is_refused_and_nothing_else_is_thrown() => Gen.Byte.Array[0, 60].Sample(bytes =>
    {
        try
        {
            SampleSet.Unpack(bytes);
        }
        catch (FormatException)
        {
            // Refused.
        }
    });

    [Fact]
    public void sessions_beyond_the_largest_number_are_no_packed_set()
    {
        var last = new SampleSet(new Sample(long.MaxValue, 1, 2)).Pack();
        Assert.Throws<FormatException>(() => SampleSet.Unpack([.. last, 1, 0, 0]));
    }

    [Fact]
    public void in_json_a_sample_of_everyday_size_takes_less_than_sixteen_characters()
    {
        var set = new SampleSet(Enumerable.Range(0, 1000).Select(i => new Sample(1_000_000 + (7 * i), 90_000 + i, 1_500_000 + i)));
        var json = JsonSerializer.Serialize(set);
        Assert.InRange(json.Length, 0, 16_000);
        Assert.Equal(set, JsonSerializer.Deserialize<SampleSet>(json));
    }

    [Fact]
    public void a_session_stands_there_once_and_nothing_is_negative()
    {
        Assert.Throws<ArgumentException>(() => new SampleSet(new Sample(1, 2, 3), new Sample(1, 0, 0)));
        Assert.Throws<ArgumentException>(() => new SampleSet(new Sample(1, -1, 0)));
    }
}
