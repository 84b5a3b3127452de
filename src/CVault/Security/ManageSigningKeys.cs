using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Security;

/// <summary>One signing key, as operators see it.</summary>
public sealed record SigningKeyView
{
    public required string Kid { get; init; }

    /// <summary><c>next</c>: published, signs from <see cref="SignsFrom"/> on. <c>signing</c>. <c>verifying</c>: only until <see cref="VerifiesUntil"/>. <c>expired</c>.</summary>
    public required string State { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required DateTimeOffset SignsFrom { get; init; }
    public required DateTimeOffset? VerifiesUntil { get; init; }

    public static SigningKeyView Of(SigningKey key, SigningKey signing, DateTimeOffset now) => new()
    {
        Kid = key.Kid,
        State = key.Kid == signing.Kid ? "signing" : key.SignsFrom > now ? "next" : key.Verifies(now) ? "verifying" : "expired",
        CreatedAt = key.CreatedAt,
        SignsFrom = key.SignsFrom,
        VerifiesUntil = key.VerifiesUntil,
    };
}

/// <summary>The platform's signing keys.</summary>
public sealed record SigningKeysView(IReadOnlyList<SigningKeyView> SigningKeys)
{
    public static SigningKeysView Of(SigningKeys keys, DateTimeOffset now) => new([.. keys.All.Select(k => SigningKeyView.Of(k, keys.Current(), now))]);
}

/// <summary><c>/admin/signing-keys</c>: the keys of access tokens.</summary>
public static class ManageSigningKeys
{
    [WolverineGet("/admin/signing-keys", OperationId = "listSigningKeys"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<SigningKeysView>(200)]
    public static Reply Get(SigningKeys keys, TimeProvider time) => Reply.Ok(SigningKeysView.Of(keys, time.GetUtcNow()));

    /// <summary>A new key. It signs after <see cref="SigningKeys.Ahead"/>; the one before goes on verifying for a token's life.</summary>
    [WolverinePost("/admin/signing-keys", OperationId = "rotateSigningKey"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<SigningKeyView>(201)]
    public static (Reply, Changes) Post(SigningKeys keys, SecurityLog log, HttpContext http, TimeProvider time)
    {
        var now = time.GetUtcNow();
        var next = SigningKey.Create(now, now + SigningKeys.Ahead);
        var changes = new Changes();
        foreach (var op in keys.Replace(next)) changes.Add(op);
        log.Write(SecurityEvent.SigningKeyChanged, http, ("created", next.Kid));
        return (Reply.Created("/admin/signing-keys", SigningKeyView.Of(next, keys.Current(), now)) with { ChangesCredentials = true }, changes);
    }
}

/// <summary>
/// <c>DELETE /admin/signing-keys/{kid}</c>: for a key that somebody else may have. What it signed is refused on every
/// node within seconds, and where it is the one that signs, another takes its place at once.
/// </summary>
public static class RemoveSigningKey
{
    public static (SigningKey?, ProblemDetails) Load(string kid, SigningKeys keys) =>
        keys.All.FirstOrDefault(k => k.Kid == kid) is { } key ? (key, WolverineContinue.NoProblems) : (null, Problems.NotFound());

    [WolverineDelete("/admin/signing-keys/{kid}", OperationId = "removeSigningKey"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<SigningKeyView>(200)]
    public static (Reply, Changes) Delete([NotBody] SigningKey key, SigningKeys keys, SecurityLog log, HttpContext http, TimeProvider time)
    {
        var now = time.GetUtcNow();
        var changes = new Changes();
        // The one that signs, and the one that would next if it is all that is left: never without one.
        if (!keys.All.Any(k => k.Kid != key.Kid && k.SignsFrom <= now && k.VerifiesUntil is null))
        {
            foreach (var op in keys.Replace(SigningKey.Create(now, now))) changes.Add(op);
        }

        foreach (var op in SigningKeys.Remove(key.Kid)) changes.Add(op);
        log.Write(SecurityEvent.SigningKeyChanged, http, ("removed", key.Kid));
        return (Reply.Ok(SigningKeyView.Of(key, keys.Current(), now)) with { ChangesCredentials = true }, changes);
    }
}
