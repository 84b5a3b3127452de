using System.Runtime.Versioning;

namespace CVault.Sdk.Tests;

public sealed class FileTokenStoreTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("cvault-sdk-").FullName;

    private string LoginPath => Path.Combine(folder, "login.json");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task What_is_set_is_read_back_and_cleared()
    {
        var store = new FileTokenStore(LoginPath);
        Assert.Null(await store.GetAsync());
        await store.SetAsync(Session("A1"));
        await store.SetAsync(Session("A2"));
        var read = await new FileTokenStore(LoginPath).GetAsync();
        Assert.Equal(("A2", "R"), (read!.AccessToken, read.RefreshToken));
        Assert.Equal(Session("A2").ExpiresAt, read.ExpiresAt);
        await store.ClearAsync();
        await store.ClearAsync();
        Assert.Null(await store.GetAsync());
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
    }

    [Fact, UnsupportedOSPlatform("windows")]
    public async Task The_file_and_a_new_folder_are_their_owners_alone()
    {
        if (OperatingSystem.IsWindows()) Assert.Skip("Windows has no such modes.");
        var path = Path.Combine(folder, "new", "login.json");
        await new FileTokenStore(path).SetAsync(Session("A1"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.GetDirectoryName(path)!));
    }

    [Fact, UnsupportedOSPlatform("windows")]
    public async Task A_file_that_others_could_read_is_replaced_by_one_that_they_cannot()
    {
        if (OperatingSystem.IsWindows()) Assert.Skip("Windows has no such modes.");
        await File.WriteAllTextAsync(LoginPath, "{}");
        File.SetUnixFileMode(LoginPath, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        await new FileTokenStore(LoginPath).SetAsync(Session("A1"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(LoginPath));
    }

    [Theory, InlineData(""), InlineData("{\"access_tok"), InlineData("null")]
    public async Task A_broken_file_is_no_login(string content)
    {
        await File.WriteAllTextAsync(LoginPath, content);
        Assert.Null(await new FileTokenStore(LoginPath).GetAsync());
    }

    [Fact]
    public async Task Readers_find_a_whole_login_while_it_is_written()
    {
        var store = new FileTokenStore(LoginPath);
        await store.SetAsync(Session("A0"));
        var writing = Task.Run(async () =>
        {
            for (var i = 1; i <= 200; i++) await store.SetAsync(Session("A" + i));
        });
        while (!writing.IsCompleted) Assert.NotNull(await store.GetAsync());
        await writing;
        Assert.Equal("A200", (await store.GetAsync())!.AccessToken);
    }

    private static CVaultSession Session(string access) => new() { UserId = Guid.Empty, AccessToken = access, RefreshToken = "R", ExpiresAt = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero) };
}
