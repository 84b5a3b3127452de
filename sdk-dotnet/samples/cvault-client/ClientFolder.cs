using System.Text.Json;

namespace CVault.Client;

/// <summary>
/// The folder that holds all that the client keeps: <c>CVAULT_CLIENT_HOME</c>, else <c>cvault-client</c> in the user's
/// folder for settings (<c>XDG_CONFIG_HOME</c>, <c>~/.config</c>). Mode 0700, its files 0600; on Windows the profile's own rights.
/// </summary>
public sealed class ClientFolder
{
    private const UnixFileMode FolderMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode FileMode0600 = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>How long another process of the client may hold the folder; a connect takes some seconds.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(45);

    private ClientFolder(string path) => Path = path;

    public string Path { get; }

    /// <summary>Finds the folder, makes it where it is missing, and takes rights away that others should not have.</summary>
    public static ClientFolder Open(string? path = null)
    {
        path ??= Environment.GetEnvironmentVariable("CVAULT_CLIENT_HOME") is { Length: > 0 } home
            ? home
            : System.IO.Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData, Environment.SpecialFolderOption.DoNotVerify), "cvault-client");
        path = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        if (Owner.FirstOther(path) is { } other)
        {
            throw new ClientException("FOLDER_NOT_YOURS", $"{other} is another user's: what is kept there would not be yours alone.", "Name a folder of your own in CVAULT_CLIENT_HOME; with sudo, leave -E out.");
        }

        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path);
        }
        else
        {
            Directory.CreateDirectory(path, FolderMode);
            File.SetUnixFileMode(path, FolderMode);
        }

        return new ClientFolder(path);
    }

    public string PathOf(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>What a file holds; null when there is none.</summary>
    public T? Read<T>(string name) where T : class
    {
        try
        {
            return JsonSerializer.Deserialize<T>(File.ReadAllBytes(PathOf(name)), Json.Options);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        catch (JsonException)
        {
            // The exception's words could repeat what the file holds.
            throw new ClientException("FILE_DAMAGED", $"{PathOf(name)} cannot be read.", $"Delete it and try again; what it held is then asked for anew.");
        }
    }

    /// <summary>Replaces a file in one step: whoever reads it meanwhile, or after a crash, finds the old or the new one.</summary>
    public void Write<T>(string name, T value)
    {
        var next = PathOf($"{name}.{Guid.NewGuid():N}.new");
        try
        {
            using (var file = new FileStream(next, Private(FileMode.CreateNew, FileAccess.Write)))
            {
                JsonSerializer.Serialize(file, value, Json.Options);
                file.Flush(flushToDisk: true);
            }

            File.Move(next, PathOf(name), overwrite: true);
        }
        catch
        {
            File.Delete(next);
            throw;
        }
    }

    public void Delete(string name) => File.Delete(PathOf(name));

    /// <summary>How a file that only its owner may read is opened.</summary>
    public static FileStreamOptions Private(FileMode mode, FileAccess access, FileShare share = FileShare.None)
    {
        var options = new FileStreamOptions { Mode = mode, Access = access, Share = share };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = FileMode0600;
        return options;
    }

    /// <summary>
    /// Holds the folder until it is disposed: one process or one page's click at a time. A refresh token is good for one use
    /// and its reuse ends the login, so two commands must never refresh at once.
    /// </summary>
    public async Task<IDisposable> LockAsync(CancellationToken cancellation)
    {
        var end = DateTimeOffset.UtcNow + Patience;
        while (true)
        {
            try
            {
                return new FileStream(PathOf("lock"), Private(FileMode.OpenOrCreate, FileAccess.ReadWrite));
            }
            catch (IOException) when (DateTimeOffset.UtcNow < end)
            {
                await Task.Delay(50, cancellation);
            }
            catch (IOException)
            {
                throw new ClientException("BUSY", "Another cvault-client is at work.", "Wait until it has ended, or end it, and try again.");
            }
        }
    }
}
