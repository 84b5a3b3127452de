using System.Runtime.Versioning;

namespace CVault.Sdk.Tunnel.Linux;

/// <summary>One program at a time changes the machine's tunnels. The kernel lets go of it with the process, however that ends.</summary>
[SupportedOSPlatform("linux")]
internal static class FileLock
{
    private static readonly TimeSpan Most = TimeSpan.FromSeconds(60);

    /// <exception cref="TunnelException"><c>TIMEOUT</c>.</exception>
    public static async Task<IDisposable> TakeAsync(string path, CancellationToken cancellation)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        for (var waited = TimeSpan.Zero; ; waited += TimeSpan.FromMilliseconds(50))
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException e)
            {
                if (waited > Most) throw new TunnelException(TunnelErrorCodes.Timeout, "Another program is changing a tunnel and does not end. Try again.", e);
                await Task.Delay(50, cancellation).ConfigureAwait(false);
            }
        }
    }
}
