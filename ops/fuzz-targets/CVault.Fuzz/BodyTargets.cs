using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using CVault.Api;
using CVault.Security;
using CVault.Tenants;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.FileProviders;
using Microsoft.Extensions.Hosting;
using Wolverine.Http;

namespace CVault.Fuzz;

/// <summary>Bodies: a line that names the type, then the JSON, read and validated as the endpoints do.</summary>
public static class BodyTargets
{
    private static readonly Dictionary<string, Type> Types = Services.Bodies.ToDictionary(type => type.Name);

    /// <summary>The <c>Validate</c> of each endpoint that takes such a body, and needs nothing else but the way out.</summary>
    private static readonly ILookup<Type, MethodInfo> Validators = typeof(Body).Assembly.GetTypes()
        .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly))
        .Where(m => m.Name == "Validate" && m.ReturnType == typeof(ProblemDetails) && m.GetParameters() is [var body, .. var rest] && Types.ContainsValue(body.ParameterType) && rest.All(p => p.ParameterType == typeof(OutboundHttp)))
        .ToLookup(m => m.GetParameters()[0].ParameterType);

    private static readonly Lazy<OutboundHttp> Out = new(() => new OutboundHttp(new Production()));

    public static readonly Target Bodies = new("bodies", Read, Seeds,
        [.. Types.Keys.Select(name => name + "\n"), .. Types.Values.SelectMany(MembersOf).Distinct().Select(name => $"\"{name}\":"),
            "null", "true", "{}", "[]", "\\u0000", "\\ud800", "1e400", "-0", "2147483648", "ada@example.com", "10.8.0.0/16", "fd00::/64", "https://example.com", "sticky", "owner", "active"]);

    private static IEnumerable<string> MembersOf(Type type) => InfoOf(type).Properties.Select(p => p.Name);

    private static JsonTypeInfo InfoOf(Type type)
    {
        Reply.Json.MakeReadOnly(populateMissingResolver: true); // As its first use does.
        return Reply.Json.GetTypeInfo(type);
    }

    /// <summary>For each type one body with every member: a text, a number or what else the member takes.</summary>
    private static IEnumerable<byte[]> Seeds()
    {
        foreach (var (name, type) in Types)
        {
            var members = InfoOf(type).Properties.Select(p => $"\"{p.Name}\":{Sample(p.Name, p.PropertyType)}");
            yield return Encoding.UTF8.GetBytes($"{name}\n{{{string.Join(',', members)}}}");
        }

        yield return "RegisterDevice\nnull"u8.ToArray();
        yield return Encoding.UTF8.GetBytes("SettingsChanges\n{\"whitelabel_config\":" + new string('[', 40));
    }

    private static string Sample(string name, Type type) => (name, Nullable.GetUnderlyingType(type) ?? type) switch
    {
        ("whitelabel_config", _) => """{"colour":"#123456","n":[1,2.5,null]}""",
        (_, var t) when t == typeof(string[]) => name == "dns" ? "[\"1.1.1.1\"]" : "[\"https://example.com\"]",
        (_, var t) when t == typeof(int) || t == typeof(long) => "100",
        (_, var t) when t == typeof(bool) => "true",
        (_, var t) when t == typeof(Guid) => "\"0190a6e0-0000-7000-8000-000000000001\"",
        (_, var t) when t == typeof(DateTimeOffset) => "\"2030-01-01T00:00:00Z\"",
        (var n, var t) when t == typeof(JsonElement) => n.Contains("email", StringComparison.Ordinal) ? "\"ada@example.com\"" : "7",
        var (n, _) when n.Contains("email", StringComparison.Ordinal) && !n.Contains("verification", StringComparison.Ordinal) => "\"ada@example.com\"",
        ("role", _) => "\"owner\"",
        ("lease_policy", _) => "\"sticky\"",
        ("key_custody", _) => "\"managed\"",
        ("email_verification", _) => "\"required\"",
        ("status", _) => "\"active\"",
        ("transport", _) => "\"simulated\"",
        ("kind", _) => "\"publishable\"",
        ("issuer", _) => "\"https://id.example.com\"",
        ("address_pool", _) => "\"10.8.0.0/16\"",
        ("address_pool6", _) => "\"fd00:1:2:3::/64\"",
        ("public_key", _) => "\"CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"",
        _ => "\"correct horse-battery\"",
    };

    private static void Read(byte[] input)
    {
        var cut = input.AsSpan().IndexOf((byte)'\n');
        if (cut < 0 || !Types.TryGetValue(Encoding.UTF8.GetString(input.AsSpan(0, cut)), out var type)) return;
        object? body;
        try
        {
            body = JsonSerializer.Deserialize(input.AsSpan(cut + 1), type, Reply.Json);
        }
        catch (JsonException)
        {
            return;
        }

        foreach (var validator in Validators[type])
        {
            var problem = (ProblemDetails)validator.Invoke(null, BindingFlags.DoNotWrapExceptions, null, validator.GetParameters().Length == 1 ? [body] : [body, Out.Value], null)!;
            if (ReferenceEquals(problem, WolverineContinue.NoProblems)) Accepted(body);
            // As it is answered: what is refused is told in words that JSON takes.
            else _ = JsonSerializer.SerializeToUtf8Bytes(problem, Reply.Json);
        }
    }

    /// <summary>What passed can be worked with.</summary>
    private static void Accepted(object? body)
    {
        switch (body)
        {
            case TenantChanges changes: _ = changes.ApplyTo(new TenantSettings()); break;
            case SettingsChanges changes: _ = changes.ToTenantChanges().ApplyTo(new TenantSettings()); break;
            case { } some when !MembersAreLoose(some.GetType()):
                var text = JsonSerializer.Serialize(some, some.GetType(), Reply.Json);
                Target.Must(JsonSerializer.Serialize(JsonSerializer.Deserialize(text, some.GetType(), Reply.Json), some.GetType(), Reply.Json) == text, "A body that is written and read again is the same.");
                break;
        }
    }

    /// <summary>An absent <see cref="JsonElement"/> cannot be written.</summary>
    private static bool MembersAreLoose(Type type) => type.GetProperties().Any(p => p.PropertyType == typeof(JsonElement));

    private sealed class Production : IHostEnvironment
    {
        public string EnvironmentName { get; set; } = Environments.Production;
        public string ApplicationName { get; set; } = "";
        public string ContentRootPath { get; set; } = "";
        public IFileProvider ContentRootFileProvider { get; set; } = new NullFileProvider();
    }
}
