using System.Collections.Immutable;

namespace CVault.Tenants;

/// <summary>What a member is in their tenant. Stored by name, so names stay.</summary>
public enum Role { Owner, Admin, Developer, Billing, ReadOnly }

/// <summary>What a member may do. Those that read are open to a tenant whose email is not verified yet; the others are not.</summary>
public enum Permission
{
    ReadTenant, ManageSettings, ReadKeys, ManageKeys, ReadMembers, ManageMembers, ReadUsage, ReadBilling, ManageBilling, ManageIdentity,
}

/// <summary>Which role may do what.</summary>
public static class Roles
{
    /// <summary>The policy that demands a permission: <c>[Authorize(Roles.May + nameof(Permission.ManageKeys))]</c>.</summary>
    public const string May = "member:";

    private static readonly ImmutableDictionary<Role, ImmutableHashSet<Permission>> Table = new Dictionary<Role, ImmutableHashSet<Permission>>
    {
        [Role.Owner] = [.. Enum.GetValues<Permission>()],
        [Role.Admin] = [.. Enum.GetValues<Permission>()],
        [Role.Developer] = [Permission.ReadTenant, Permission.ReadKeys, Permission.ManageKeys, Permission.ReadMembers, Permission.ReadUsage],
        [Role.Billing] = [Permission.ReadTenant, Permission.ReadMembers, Permission.ReadUsage, Permission.ReadBilling, Permission.ManageBilling],
        [Role.ReadOnly] = [Permission.ReadTenant, Permission.ReadKeys, Permission.ReadMembers, Permission.ReadUsage],
    }.ToImmutableDictionary();

    /// <summary>Whether the role has the permission.</summary>
    public static bool Has(this Role role, Permission permission) => Table[role].Contains(permission);

    /// <summary>Every role that has the permission.</summary>
    public static Role[] With(Permission permission) => [.. Enum.GetValues<Role>().Where(r => r.Has(permission))];

    /// <summary>Whether the permission only reads.</summary>
    public static bool Reads(this Permission permission) => permission.ToString().StartsWith("Read", StringComparison.Ordinal);

    /// <summary>
    /// Whether a member of one role may make another's role <paramref name="before"/> into <paramref name="after"/> (null:
    /// not a member, before or after). Who may manage members may, but only an owner makes, changes or removes an owner.
    /// </summary>
    public static bool MayChange(this Role actor, Role? before, Role? after) =>
        actor.Has(Permission.ManageMembers) && (actor == Role.Owner || (before != Role.Owner && after != Role.Owner));
}
