using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace CVault.Metering;

/// <summary>
/// The samples of one reading, packed: in JSON a base64 text of unsigned LEB128 numbers (as in DWARF and WebAssembly),
/// three a sample: the session's number less the one before it, received bytes, sent bytes. A sample is some ten bytes
/// so, and an id and two numbers in JSON would be sixty.
/// </summary>
[JsonConverter(typeof(Converter))]
public sealed class SampleSet : IEquatable<SampleSet>
{
    private readonly Sample[] samples;

    /// <exception cref="ArgumentException">A number is negative, or a session stands there twice.</exception>
    public SampleSet(params IEnumerable<Sample> of)
    {
        samples = [.. of.OrderBy(s => s.Session)];
        for (var i = 0; i < samples.Length; i++)
        {
            if (samples[i].Session < 0 || samples[i].RxBytes < 0 || samples[i].TxBytes < 0) throw new ArgumentException("A sample is never negative.");
            if (i > 0 && samples[i].Session == samples[i - 1].Session) throw new ArgumentException("One sample a session.");
        }
    }

    public IReadOnlyList<Sample> All => samples;

    public long RxBytes => samples.Sum(s => s.RxBytes);

    public long TxBytes => samples.Sum(s => s.TxBytes);

    public bool Equals(SampleSet? other) => other is not null && samples.AsSpan().SequenceEqual(other.samples);

    public override bool Equals(object? obj) => Equals(obj as SampleSet);

    public override int GetHashCode() => samples.Length == 0 ? 0 : HashCode.Combine(samples.Length, samples[0], samples[^1]);

    /// <summary>The packed form, before base64.</summary>
    public byte[] Pack()
    {
        var bytes = new ArrayBufferWriter<byte>(16 + 12 * samples.Length);
        long before = 0;
        foreach (var sample in samples)
        {
            Write(bytes, sample.Session - before);
            Write(bytes, sample.RxBytes);
            Write(bytes, sample.TxBytes);
            before = sample.Session;
        }

        return bytes.WrittenSpan.ToArray();
    }

    /// <exception cref="FormatException">It is no packed set.</exception>
    public static SampleSet Unpack(ReadOnlySpan<byte> packed)
    {
        var samples = new List<Sample>(packed.Length / 8);
        long session = 0;
        while (!packed.IsEmpty)
        {
            var step = Read(ref packed);
            if (step > long.MaxValue - session) throw new FormatException("No packed samples.");
            session += step;
            samples.Add(new Sample(session, Read(ref packed), Read(ref packed)));
        }

        try
        {
            return new SampleSet(samples);
        }
        catch (ArgumentException e)
        {
            throw new FormatException(e.Message);
        }
    }

    private static void Write(ArrayBufferWriter<byte> bytes, long number)
    {
        var span = bytes.GetSpan(10);
        var length = 0;
        for (var rest = (ulong)number; ; rest >>= 7)
        {
            span[length++] = (byte)(rest < 0x80 ? rest : rest | 0x80);
            if (rest < 0x80) break;
        }

        bytes.Advance(length);
    }

    private static long Read(ref ReadOnlySpan<byte> packed)
    {
        ulong number = 0;
        for (var i = 0; i < packed.Length && i < 9; i++)
        {
            number |= (ulong)(packed[i] & 0x7f) << (7 * i);
            if (packed[i] >= 0x80) continue;
            packed = packed[(i + 1)..];
            return (long)number;
        }

        throw new FormatException("No packed samples.");
    }

    private sealed class Converter : JsonConverter<SampleSet>
    {
        public override SampleSet Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Unpack(reader.GetBytesFromBase64());

        public override void Write(Utf8JsonWriter writer, SampleSet value, JsonSerializerOptions options) => writer.WriteBase64StringValue(value.Pack());
    }
}
