namespace CVault.Security;

/// <summary>
/// Marks a type whose values no log may hold: secrets, what carries them, and personal data. The log writes <c>***</c> for
/// such a value, alone or inside another; where something prints it, its <c>ToString</c> tells no more than its name.
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct)]
public sealed class NeverLoggedAttribute : Attribute;
