using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace CVault.Tests.Lab;

/// <summary>
/// A stand-in for Stripe on this machine, as far as CVault speaks to it: it remembers identifiers and idempotency keys, answers
/// a key as it did before even where that was an error, and does to some requests what a network and a busy service do.
/// </summary>
public sealed class StripeStandIn : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly Random random;
    private readonly object all = new();
    private readonly Dictionary<string, (int Status, string Body)> answers = [];

    private StripeStandIn(WebApplication app, int seed) => (this.app, random) = (app, new Random(seed));

    public string Url => app.Urls.Single();

    /// <summary>How many of a hundred requests go wrong.</summary>
    public int Trouble { get; set; }

    /// <summary>In which ways.</summary>
    public string[] Ways { get; set; } = ["refused", "broken", "broken after it", "silent", "silent after it", "twice"];

    /// <summary>By identifier: whose, and how many bytes.</summary>
    public ConcurrentDictionary<string, (string Customer, long Bytes)> Metered { get; } = new();

    /// <summary>By Stripe's id.</summary>
    public ConcurrentDictionary<string, JsonObject> Invoices { get; } = new();
    public ConcurrentDictionary<string, JsonObject> CreditNotes { get; } = new();

    /// <summary>What went wrong, and how often.</summary>
    public ConcurrentDictionary<string, int> Troubles { get; } = new();

    public static async Task<StripeStandIn> StartAsync(int seed)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var stripe = new StripeStandIn(builder.Build(), seed);
        stripe.app.Run(stripe.AnswerAsync);
        await stripe.app.StartAsync();
        return stripe;
    }

    /// <summary>A webhook's body and its <c>Stripe-Signature</c>, by Stripe's own recipe.</summary>
    public static (string Body, string Signature) Sign(JsonObject said, string secret, DateTimeOffset at)
    {
        var body = said.ToJsonString();
        var second = at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        return (body, $"t={second},v1={Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes($"{second}.{body}")))}");
    }

    public static JsonObject Event(string type, JsonObject about) => new()
    {
        ["id"] = "evt_" + Guid.NewGuid().ToString("N"), ["object"] = "event", ["api_version"] = "2026-01-28.clover", ["created"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds(), ["livemode"] = false, ["pending_webhooks"] = 1,
        ["type"] = type, ["data"] = new JsonObject { ["object"] = about },
    };

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    private async Task AnswerAsync(HttpContext http)
    {
        var form = http.Request.HasFormContentType ? (await http.Request.ReadFormAsync()).ToDictionary(f => f.Key, f => f.Value.ToString()) : [];
        var key = http.Request.Headers["Idempotency-Key"].ToString();
        string trouble;
        lock (all) trouble = random.Next(100) >= Trouble ? "" : Ways[random.Next(Ways.Length)];
        if (trouble.Length > 0) Troubles.AddOrUpdate(trouble, 1, (_, n) => n + 1);
        (int Status, string Body) answer;
        lock (all)
        {
            answer = trouble switch
            {
                "refused" => (429, Error("rate_limit", "Too many requests.")),
                "broken" => Remember(key, () => (500, Error(null, "Something went wrong."))),
                "broken after it" => Remember(key, () =>
                {
                    Do(http.Request, form);
                    return (500, Error(null, "Something went wrong."));
                }),
                "silent" => (0, ""),
                _ => Remember(key, () => Do(http.Request, form)),
            };
            // The network has it twice: the caller hears the second answer.
            if (trouble == "twice") answer = Remember(key, () => Do(http.Request, form));
        }

        if (trouble.StartsWith("silent", StringComparison.Ordinal))
        {
            await Task.Delay(TimeSpan.FromSeconds(1.5));
            http.Abort();
            return;
        }

        http.Response.StatusCode = answer.Status;
        http.Response.ContentType = "application/json";
        await http.Response.WriteAsync(answer.Body);
    }

    private (int, string) Remember(string key, Func<(int, string)> answer) => key.Length == 0 ? answer() : answers.TryGetValue(key, out var before) ? before : answers[key] = answer();

    private (int Status, string Body) Do(HttpRequest request, Dictionary<string, string> form)
    {
        var path = request.Path.Value!.Split('/', StringSplitOptions.RemoveEmptyEntries)[1..];
        switch (request.Method, path)
        {
            case ("POST", ["billing", "meter_events"]):
                var at = DateTimeOffset.FromUnixTimeSeconds(long.Parse(form["timestamp"], CultureInfo.InvariantCulture));
                if (at < DateTimeOffset.UtcNow.AddDays(-35)) return (400, Error(null, "The timestamp is too far in the past."));
                if (!Metered.TryAdd(form["identifier"], (form["payload[stripe_customer_id]"], long.Parse(form["payload[value]"], CultureInfo.InvariantCulture)))) return (400, Error(null, $"An event already exists with identifier {form["identifier"]}."));
                return Ok(new JsonObject { ["object"] = "billing.meter_event", ["identifier"] = form["identifier"], ["event_name"] = form["event_name"], ["created"] = at.ToUnixTimeSeconds(), ["timestamp"] = at.ToUnixTimeSeconds() });
            case ("POST", ["invoices"]):
                var invoice = new JsonObject
                {
                    ["id"] = "in_" + Guid.NewGuid().ToString("N"), ["object"] = "invoice", ["status"] = "draft", ["customer"] = form["customer"], ["currency"] = form["currency"], ["created"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
                    ["metadata"] = new JsonObject { ["cvault_invoice"] = form["metadata[cvault_invoice]"] }, ["items"] = new JsonArray(),
                };
                Invoices[invoice["id"]!.ToString()] = invoice;
                return Ok(Shown(invoice));
            case ("GET", ["invoices"]): return Ok(List(Invoices.Values.Where(i => i["customer"]!.ToString() == request.Query["customer"]).Select(Shown)));
            case ("GET", ["invoices", var id]): return Invoices.TryGetValue(id, out var one) ? Ok(Shown(one)) : (404, Error("resource_missing", "No such invoice."));
            case ("GET", ["invoices", var id, "lines"]): return Ok(List(Invoices[id]["items"]!.AsArray().Select(i => i!.DeepClone().AsObject())));
            case ("POST", ["invoiceitems"]):
                var item = new JsonObject { ["id"] = "ii_" + Guid.NewGuid().ToString("N"), ["object"] = "invoiceitem", ["amount"] = long.Parse(form["amount"], CultureInfo.InvariantCulture), ["currency"] = form["currency"] };
                if (Invoices[form["invoice"]]["status"]!.ToString() != "draft") return (400, Error("invoice_not_editable", "The invoice is final."));
                Invoices[form["invoice"]]["items"]!.AsArray().Add(item);
                return Ok(item.DeepClone().AsObject());
            case ("POST", ["invoices", var id, "finalize"]):
                if (Invoices[id]["status"]!.ToString() != "draft") return (400, Error("invoice_not_editable", "The invoice is final."));
                Invoices[id]["status"] = "open";
                return Ok(Shown(Invoices[id]));
            case ("POST", ["invoices", var id, "pay"]):
                if (Invoices[id]["status"]!.ToString() != "open") return (400, Error("invoice_already_paid", "The invoice is paid."));
                (Invoices[id]["status"], Invoices[id]["out_of_band"]) = ("paid", form["paid_out_of_band"]);
                return Ok(Shown(Invoices[id]));
            case ("POST", ["credit_notes"]):
                // What is no longer owed can only be given back, and it must be said how.
                var (amount, remaining) = (long.Parse(form["amount"], CultureInfo.InvariantCulture), Remaining(Invoices[form["invoice"]]));
                if (long.Parse(form.GetValueOrDefault("out_of_band_amount", "0"), CultureInfo.InvariantCulture) != Math.Max(0, amount - remaining)) return (400, Error(null, "The sum of refund, credit and out-of-band amounts must be the post-payment amount."));
                var note = new JsonObject
                {
                    ["id"] = "cn_" + Guid.NewGuid().ToString("N"), ["object"] = "credit_note", ["invoice"] = form["invoice"], ["amount"] = long.Parse(form["amount"], CultureInfo.InvariantCulture),
                    ["metadata"] = new JsonObject { ["cvault_credit_note"] = form["metadata[cvault_credit_note]"] },
                };
                CreditNotes[note["id"]!.ToString()] = note;
                return Ok(note.DeepClone().AsObject());
            case ("GET", ["credit_notes"]): return Ok(List(CreditNotes.Values.Where(n => n["invoice"]!.ToString() == request.Query["invoice"]).Select(n => n.DeepClone().AsObject())));
            default: return (404, Error(null, $"The stand-in has no {request.Method} {request.Path}."));
        }
    }

    private static long Total(JsonObject invoice) => invoice["items"]!.AsArray().Sum(i => i!["amount"]!.GetValue<long>());

    private long Remaining(JsonObject invoice) => invoice["status"]!.ToString() != "open" ? 0 : Total(invoice) - CreditNotes.Values.Where(n => n["invoice"]!.ToString() == invoice["id"]!.ToString()).Sum(n => n["amount"]!.GetValue<long>());

    private JsonObject Shown(JsonObject invoice)
    {
        var shown = invoice.DeepClone().AsObject();
        (shown["total"], shown["amount_remaining"]) = (Total(invoice), Remaining(invoice));
        shown.Remove("items");
        return shown;
    }

    private static JsonObject List(IEnumerable<JsonObject> data) => new() { ["object"] = "list", ["has_more"] = false, ["url"] = "/v1/things", ["data"] = new JsonArray([.. data]) };

    private static (int, string) Ok(JsonObject body) => (200, body.ToJsonString());

    private static string Error(string? code, string message) => new JsonObject { ["error"] = new JsonObject { ["type"] = "invalid_request_error", ["code"] = code, ["message"] = message } }.ToJsonString();
}
