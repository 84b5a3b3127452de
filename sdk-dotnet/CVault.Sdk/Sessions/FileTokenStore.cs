using System.Text.Json;
#if !NET
using System.Runtime.InteropServices;
using System.Text;
#endif

namespace CVault.Sdk;

/// <summary>
/// Keeps the login in a file that only its owner may read (mode 0600; on Windows whoever may read the folder). Several processes
/// of one user may share it. Where the system has a keychain, a store of your own that uses it is better.
/// </summary>
public sealed class FileTokenStore : ITokenStore
{
    private readonly string path;

    /// <summary>A store in a file, which need not be there yet.</summary>
    /// <param name="path">Its folder is made, for its owner alone, if there is none.</param>
    public FileTokenStore(string path) => this.path = Path.GetFullPath(path);

    /// <inheritdoc/>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public async ValueTask<CVaultSession?> GetAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return await JsonSerializer.DeserializeAsync(file, Json.Default.CVaultSession, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or JsonException)
        {
            // What cannot be read is no login.
            return null;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file or its folder may not be written.</exception>
    public async ValueTask SetAsync(CVaultSession session, CancellationToken cancellationToken = default)
    {
        var folder = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(folder)) MakeFolder(folder);
        // Written beside it and put in its place at once: whoever reads it finds the old login or the new one.
        var (file, written) = Create(path);
        try
        {
            using (file) await JsonSerializer.SerializeAsync(file, session, Json.Default.CVaultSession, cancellationToken).ConfigureAwait(false);
            Replace(written, path);
        }
        catch
        {
            File.Delete(written);
            throw;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="IOException">The file cannot be removed.</exception>
    public ValueTask ClearAsync(CancellationToken cancellationToken = default)
    {
        if (File.Exists(path)) File.Delete(path);
        return default;
    }

    /// <summary>Shows no token.</summary>
    public override string ToString() => nameof(FileTokenStore) + " " + path;

#if NET
    private static void MakeFolder(string folder)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder);
        else Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private static (FileStream, string) Create(string beside)
    {
        var name = beside + "." + Guid.NewGuid().ToString("N");
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return (new FileStream(name, options), name);
    }

    private static void Replace(string written, string path) => File.Move(written, path, overwrite: true);
#else
    private static bool OnWindows => RuntimeInformation.IsOSPlatform(OSPlatform.Windows);

    private static void MakeFolder(string folder)
    {
        Directory.CreateDirectory(folder);
        if (!OnWindows) Check(Chmod(folder, 0x1c0)); // 0700
    }

    /// <summary>mkstemp makes the file with mode 0600: it is never there with another.</summary>
    private static (FileStream, string) Create(string beside)
    {
        if (OnWindows)
        {
            var name = beside + "." + Guid.NewGuid().ToString("N");
            return (new FileStream(name, FileMode.CreateNew, FileAccess.Write), name);
        }

        var template = Encoding.UTF8.GetBytes(beside + ".XXXXXX\0");
        var descriptor = Mkstemp(template);
        Check(descriptor);
        return (new FileStream(new Microsoft.Win32.SafeHandles.SafeFileHandle((IntPtr)descriptor, ownsHandle: true), FileAccess.Write), Encoding.UTF8.GetString(template, 0, template.Length - 1));
    }

    private static void Replace(string written, string path)
    {
        if (!OnWindows) Check(Rename(written, path));
        else if (File.Exists(path)) File.Replace(written, path, null);
        else File.Move(written, path);
    }

    private static void Check(int result)
    {
        if (result < 0) throw new IOException("The file of the token store cannot be written: error " + Marshal.GetLastWin32Error() + ".");
    }

    [DllImport("libc", EntryPoint = "mkstemp", SetLastError = true)]
    private static extern int Mkstemp(byte[] template);

    [DllImport("libc", EntryPoint = "chmod", SetLastError = true, CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int Chmod(string path, uint mode);

    [DllImport("libc", EntryPoint = "rename", SetLastError = true, CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int Rename(string from, string to);
#endif
}
