using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace CVault.Billing;

/// <summary>A calendar month in UTC, written <c>2026-11</c>: what statements and invoices are for.</summary>
[JsonConverter(typeof(Json))]
public readonly record struct Month(int Year, int Number) : IComparable<Month>
{
    /// <summary>Its first day.</summary>
    public DateOnly First => new(Year, Number, 1);

    /// <summary>The first day of the next one.</summary>
    public DateOnly End => First.AddMonths(1);

    public int Days => DateTime.DaysInMonth(Year, Number);
    public Month Next => Of(End);
    public DateTimeOffset From => At(First);
    public DateTimeOffset Until => At(End);

    public static Month Of(DateOnly day) => new(day.Year, day.Month);
    public static Month Of(DateTimeOffset at) => new(at.UtcDateTime.Year, at.UtcDateTime.Month);

    /// <summary>Midnight UTC.</summary>
    public static DateTimeOffset At(DateOnly day) => new(day, TimeOnly.MinValue, TimeSpan.Zero);

    /// <summary>Between the years 2000 and 2199, as in <c>2026-02</c>; no other spelling.</summary>
    public static bool TryParse(string? text, out Month month)
    {
        month = default;
        if (!DateOnly.TryParseExact(text, "yyyy-MM", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day) || day.Year is < 2000 or > 2199) return false;
        month = Of(day);
        return true;
    }

    public int CompareTo(Month other) => First.CompareTo(other.First);
    public static bool operator <(Month a, Month b) => a.CompareTo(b) < 0;
    public static bool operator >(Month a, Month b) => a.CompareTo(b) > 0;
    public static bool operator <=(Month a, Month b) => a.CompareTo(b) <= 0;
    public static bool operator >=(Month a, Month b) => a.CompareTo(b) >= 0;

    public override string ToString() => First.ToString("yyyy-MM", CultureInfo.InvariantCulture);

    private sealed class Json : JsonConverter<Month>
    {
        // As wide as what is written: the month before the first that a request may name is one too.
        public override Month Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
            DateOnly.TryParseExact(reader.GetString(), "yyyy-MM", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day) ? Of(day) : throw new JsonException();
        public override void Write(Utf8JsonWriter writer, Month value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
    }
}
