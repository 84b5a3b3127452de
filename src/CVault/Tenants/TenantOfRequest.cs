using System.Security.Claims;
using CVault.Security;
using Microsoft.AspNetCore.Http;
using Wolverine.Http.Runtime.MultiTenancy;

namespace CVault.Tenants;

/// <summary>
/// Whose data a request may see: the tenant of its credential, and for an operator the one that the path names.
/// Nothing else that a caller sends decides it.
/// </summary>
public sealed class TenantOfRequest : ITenantDetection
{
    public ValueTask<string?> DetectTenant(HttpContext context)
    {
        if (context.User.FindFirstValue(Actor.TenantClaim) is { } tenant) return ValueTask.FromResult<string?>(tenant);
        return ValueTask.FromResult(
            context.User.HasClaim(c => c.Type == Actor.OperatorClaim) && context.Request.Path.StartsWithSegments("/admin/tenants")
            && Guid.TryParse(context.Request.RouteValues["id"] as string, out var named)
                ? named.ToString()
                : null);
    }
}
