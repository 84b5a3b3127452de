using System.Runtime.Versioning;
using System.Security.AccessControl;
using System.Security.Principal;
using System.Text;

namespace CVault.Sdk.Tunnel.ByConfigFile;

/// <summary>Files with keys in them, in a folder that is closed to all others from its first moment.</summary>
internal static class SecretFiles
{
    [UnsupportedOSPlatform("windows")]
    public static void WriteUnix(string path, string text)
    {
        var folder = Path.GetDirectoryName(path)!;
        const UnixFileMode owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        Directory.CreateDirectory(folder, owner | UnixFileMode.UserExecute);
        File.SetUnixFileMode(folder, owner | UnixFileMode.UserExecute); // of one that was there
        using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, UnixCreateMode = owner });
        file.Write(Encoding.UTF8.GetBytes(text));
    }

    [SupportedOSPlatform("windows")]
    public static void WriteWindows(string path, string text)
    {
        var folder = new DirectoryInfo(Path.GetDirectoryName(path)!);
        var closed = new DirectorySecurity();
        closed.SetAccessRuleProtection(isProtected: true, preserveInheritance: false);
        foreach (var who in new[] { WellKnownSidType.LocalSystemSid, WellKnownSidType.BuiltinAdministratorsSid })
        {
            closed.AddAccessRule(new FileSystemAccessRule(new SecurityIdentifier(who, null), FileSystemRights.FullControl,
                InheritanceFlags.ContainerInherit | InheritanceFlags.ObjectInherit, PropagationFlags.None, AccessControlType.Allow));
        }

        if (folder.Exists) folder.SetAccessControl(closed);
        else folder.Create(closed);
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None);
        file.Write(Encoding.UTF8.GetBytes(text));
    }
}
