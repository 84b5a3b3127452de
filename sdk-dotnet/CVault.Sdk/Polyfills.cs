#if !NET
namespace System.Runtime.CompilerServices;

/// <summary>What <c>init</c> needs of the framework, which .NET Standard 2.0 has not.</summary>
internal static class IsExternalInit;
#endif
