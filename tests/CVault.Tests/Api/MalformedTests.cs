using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using CVault.Tests.Lab;

namespace CVault.Tests.Api;

/// <summary>
/// Row 37 of the plan: generated inputs of many wrong kinds to every operation of the description. Whatever is sent, the
/// answer is one, and a failure is a problem that shows nothing of the inside.
/// </summary>
[Collection(Alone.Name)]
public sealed class MalformedTests(Stack stack, ITestOutputHelper output)
{
    private static readonly string[] Inside = ["System.", "CVault.", "Npgsql", "Wolverine", "Marten", "   at ", "Exception", "LineNumber", "BytePosition"];

    [Fact]
    public async Task whatever_is_sent_the_answer_is_one_of_ours()
    {
        var inputs = Size.Of(1_000, 20_000);
        var seed = Environment.GetEnvironmentVariable("CVAULT_TEST_SEED") is { Length: > 0 } given ? int.Parse(given, CultureInfo.InvariantCulture) : Random.Shared.Next();
        output.WriteLine($"{inputs} inputs of seed {seed} (CVAULT_TEST_SEED repeats them)");
        var operations = await Operation.AllAsync(stack);
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 1000 });
        var user = await tenant.NewUserAsync();
        var member = (await stack.SignUpAsync()).Owner;
        var device = await user.NewDeviceAsync();
        var answers = new System.Collections.Concurrent.ConcurrentBag<int>();
        var offences = new System.Collections.Concurrent.ConcurrentBag<string>();

        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, RequestHeaderEncodingSelector = (_, _) => Encoding.Latin1 }) { Timeout = TimeSpan.FromSeconds(60) };
        await TryAsync(seed ^ 0x5EED, 200); // what is only loaded or grown once has been before it is measured
        answers.Clear();
        var before = ResidentMegabytes();
        await TryAsync(seed, inputs);
        var grown = ResidentMegabytes() - before;
        output.WriteLine(string.Join(", ", answers.GroupBy(a => a).OrderBy(g => g.Key).Select(g => $"{g.Count()} x {g.Key}")));
        output.WriteLine($"resident memory {before} MB before, {grown:+0;-0} MB after");

        Assert.True(offences.IsEmpty, string.Join('\n', offences.Take(10)));
        Assert.Equal(inputs, answers.Count);
        Assert.True(answers.Count(a => a is >= 400 and < 500) > inputs / 2, "Hardly anything was refused, so hardly anything was tried.");
        Assert.InRange(grown, int.MinValue, 49);
        Assert.Equal(device.Config, (await user.SendAsync(HttpMethod.Get, $"/api/v1/devices/{device.Id}/config")).Text("config"));

        async Task TryAsync(int from, int count) => await Parallel.ForEachAsync(Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (number, cancellation) =>
        {
            var random = new Random(unchecked((from * 31) + number));
            var operation = operations[random.Next(operations.Length)];
            using var request = Make(random, operation, user, member);
            var what = $"#{number} {operation.Name} {request.RequestUri}";
            try
            {
                using var response = await http.SendAsync(request, cancellation);
                var body = await response.Content.ReadAsStringAsync(cancellation);
                var status = (int)response.StatusCode;
                answers.Add(status);
                if (status >= 500 && !(status is 502 or 503 && operation.Node["responses"]?[status.ToString(CultureInfo.InvariantCulture)] is not null)) offences.Add($"{what} answers {status}: {body}");
                // What breaks HTTP itself is Kestrel's to answer, with no body (HygieneTests).
                if (status >= 400 && !(body.Length == 0 && status is 400 or 414 or 431) && response.Content.Headers.ContentType?.MediaType != "application/problem+json") offences.Add($"{what} answers {status} as {response.Content.Headers.ContentType}: {body}");
                if (status >= 400 && Inside.FirstOrDefault(word => body.Contains(word, StringComparison.Ordinal)) is { } shown) offences.Add($"{what} shows {shown}: {body}");
            }
            catch (HttpRequestException e)
            {
                // A body of 20 MB is answered before it is sent to its end; the connection then closes.
                if (request.Content?.Headers.ContentLength is not > 64 * 1024) offences.Add($"{what} was not answered: {e.Message}");
                else answers.Add(413);
            }
        });
    }

    private static int ResidentMegabytes() =>
        int.Parse(File.ReadLines($"/proc/{StackProcess.Api}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;

    private static HttpRequestMessage Make(Random random, Operation operation, TestUser user, TestMember member)
    {
        var id = random.Next(6) == 0 ? OddText(random) : random.Next(4) switch { 0 => Guid.Empty.ToString(), 1 => "%00", _ => Guid.CreateVersion7().ToString() };
        var path = operation.PathWith(id.Contains('%', StringComparison.Ordinal) && id.Length == 3 ? id : Uri.EscapeDataString(id.Length > 500 ? id[..500] : id));
        if (random.Next(3) == 0)
        {
            string[] names = ["limit", "cursor", "device_id", "server", "address", "at", "tenant_id", OddText(random)];
            path += "?" + string.Join('&', Enumerable.Range(0, random.Next(1, 4)).Select(_ => Uri.EscapeDataString(Short(names[random.Next(names.Length)])) + "=" + Uri.EscapeDataString(Short(OddText(random)))));
        }

        var request = new HttpRequestMessage(operation.Method, new Uri(Stack.Url, path));
        foreach (var (name, value) in operation.Credentials(user, member)) request.Headers.TryAddWithoutValidation(name, random.Next(25) == 0 ? HeaderText(random) : value);
        if (random.Next(4) == 0) request.Headers.TryAddWithoutValidation("Idempotency-Key", HeaderText(random));
        if (random.Next(4) == 0) request.Headers.TryAddWithoutValidation("Accept", HeaderText(random));
        if (random.Next(8) == 0) request.Headers.TryAddWithoutValidation("X-Request-Id", HeaderText(random));
        if (random.Next(8) == 0) request.Headers.TryAddWithoutValidation("X-Forwarded-Proto", HeaderText(random));
        if (random.Next(8) == 0) request.Headers.TryAddWithoutValidation("X-" + random.Next(9), new string('h', random.Next(12_000)));
        if (operation.BodySchema is not null || random.Next(5) == 0)
        {
            request.Content = new ByteArrayContent(Body(random, operation));
            request.Content.Headers.ContentType = random.Next(12) switch
            {
                0 => null,
                1 => new MediaTypeHeaderValue("text/plain"),
                2 => new MediaTypeHeaderValue("application/json") { CharSet = "utf-16" },
                _ => new MediaTypeHeaderValue("application/json"),
            };
            if (random.Next(20) == 0) request.Content.Headers.ContentEncoding.Add("gzip");
        }

        return request;

        static string Short(string text) => text.Length > 200 ? text[..200] : text;
    }

    private static byte[] Body(Random random, Operation operation)
    {
        var sample = operation.BodySchema is null ? [] : operation.SampleBody();
        var members = sample.Select(m => m.Key).ToArray();
        var member = members.Length > 0 ? members[random.Next(members.Length)] : "x";
        var text = sample.ToJsonString();
        switch (random.Next(16))
        {
            case 0: return Encoding.UTF8.GetBytes($"{{\"{member}\":" + string.Concat(Enumerable.Repeat(random.Next(2) == 0 ? "[" : "{\"a\":", random.Next(20, 5000))));
            case 1: return Encoding.UTF8.GetBytes($"{{\"{member}\":" + new string('[', 200) + new string(']', 200) + "}");
            case 2: return Encoding.UTF8.GetBytes($"{{\"{member}\":\"{new string('x', random.Next(300, 63_000))}\"}}");
            case 3: return random.Next(4) == 0 ? new byte[random.Next(10) == 0 ? 20_000_000 : 70_000] : Encoding.UTF8.GetBytes($"{{\"{member}\":\"{new string('x', 70_000)}\"}}");
            case 4: return [.. Encoding.UTF8.GetBytes($"{{\"{member}\":\""), .. Bytes(random, 20), .. "\"}"u8];
            case 5: return [.. "{\""u8, .. Bytes(random, 10), .. "\":1}"u8];
            case 6: return Encoding.UTF8.GetBytes($"{{\"{member}\":\"a\\u0000b\\ud800\"}}");
            case 7: return Encoding.UTF8.GetBytes($"{{\"{member}\":1,\"{member}\":\"2\"}}");
            case 8: return Encoding.UTF8.GetBytes($"{{\"{member}\":{new[] { "1e400", "-1e400", "99999999999999999999999999", "0.1", "-0", "1e-400", "00", "NaN", "2147483648", "-9223372036854775809" }[random.Next(10)]}}}");
            case 9: return Encoding.UTF8.GetBytes(text[..random.Next(text.Length)]);
            case 10: return Bytes(random, random.Next(2000));
            case 11: return Encoding.UTF8.GetBytes(new[] { "null", "[]", "1", "\"x\"", "true", "", " ", "{}", "{}{}", "//", "\ufeff{}" }[random.Next(11)]);
            case 12: return Encoding.Unicode.GetBytes(text);
            default:
                foreach (var name in members)
                {
                    if (random.Next(2) == 0) sample[name] = Odd(random);
                }

                if (random.Next(4) == 0) sample[OddText(random)] = Odd(random);
                return Encoding.UTF8.GetBytes(sample.ToJsonString());
        }
    }

    private static JsonNode? Odd(Random random) => random.Next(8) switch
    {
        0 => null,
        1 => random.Next(),
        2 => random.NextDouble() * -1e300,
        3 => random.Next(2) == 0,
        4 => new JsonArray(Odd(random), Odd(random)),
        5 => new JsonObject { ["$type"] = "System.IO.FileInfo", ["a"] = Odd(random) },
        _ => OddText(random),
    };

    /// <summary>Texts that have hurt somebody. None holds half a surrogate pair, which HttpClient could not send.</summary>
    private static string OddText(Random random)
    {
        string[] texts =
        [
            "", " ", "\0", "a\0b", "\u202e", "'; drop table x; --", "%s%n{0}{{", "../../etc/passwd", "<script>", "${jndi:ldap://x}", "null", "undefined", "\r\nX-Injected: 1", "ｆｕｌｌ", "e\u0301", "\ud83d\ude00", "\uffff",
            "0", "-1", "999999999999999999999", "1e9", "0x10", "infinity", "2026-13-45", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "10.8.0.2", "::1%eth0", "fe80::1", "a@b", "a@example.com", "text", "us-east",
            new string('a', 300), new string('\u00e9', 3000), "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "{01890a5d-ac96-774b-bcce-b302099a8059}",
        ];
        return texts[random.Next(texts.Length)];
    }

    private static string HeaderText(Random random)
    {
        string[] texts =
        [
            "", "x", "*/*", "text/*;q=abc", "application/xml", ";;;", "q=1", ",,,", "application/json;q=2", "https", "ftp", "\u00e9", new string('x', 255), new string('x', 256), new string('y', 5000), "\t", "Bearer", "Bearer ", "Bearer a.b.c",
            "a/b;c=\"", "\"", "image/png;q=0.0001",
        ];
        return texts[random.Next(texts.Length)];
    }

    private static byte[] Bytes(Random random, int count)
    {
        var bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }
}
