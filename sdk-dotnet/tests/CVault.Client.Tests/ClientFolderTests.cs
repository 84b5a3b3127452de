using Microsoft.Extensions.Logging;

namespace CVault.Client.Tests;

/// <summary>What is kept is its owner's alone, whole, and used by one at a time.</summary>
public sealed class ClientFolderTests : IDisposable
{
    private const UnixFileMode Mine = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly Home home = new();

    public void Dispose() => home.Dispose();

    [Fact]
    public async Task the_folder_and_its_files_are_for_their_owner_alone()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no file modes.");
#pragma warning disable CA1416 // of what the line above says
        File.SetUnixFileMode(home.Path, Mine | UnixFileMode.UserExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);

        var folder = home.Folder;
        folder.Write("settings.json", new ThisDevice(Guid.NewGuid(), Guid.NewGuid()));
        new FileLog(folder, TimeProvider.System).LogInformation("a line");
        (await folder.LockAsync(TestContext.Current.CancellationToken)).Dispose();

        Assert.Equal(Mine | UnixFileMode.UserExecute, File.GetUnixFileMode(home.Path));
        Assert.Equal(3, Directory.GetFiles(home.Path).Length);
        Assert.All(Directory.GetFiles(home.Path), f => Assert.Equal(Mine, File.GetUnixFileMode(f)));
#pragma warning restore CA1416
    }

    [Theory]
    [InlineData("chown 65534 theirs")]
    [InlineData("chown 65534 .")]
    [InlineData("rmdir theirs && mkdir mine && ln -s mine theirs && chown -h 65534 theirs")]
    public void a_folder_that_another_user_could_lead_elsewhere_is_not_taken(string how)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "Only root can give folders away.");
        var path = Directory.CreateDirectory(Path.Combine(home.Path, "theirs")).FullName;
        System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("/bin/sh", ["-c", how]) { WorkingDirectory = home.Path })!.WaitForExit();

        Assert.Equal("FOLDER_NOT_YOURS", Assert.Throws<ClientException>(() => ClientFolder.Open(path)).Code);
    }

    [Fact]
    public async Task who_holds_the_folder_holds_it_alone()
    {
        var held = await home.Folder.LockAsync(TestContext.Current.CancellationToken);
        var next = home.Folder.LockAsync(TestContext.Current.CancellationToken);

        await Task.Delay(200, TestContext.Current.CancellationToken);
        Assert.False(next.IsCompleted);
        held.Dispose();

        (await next).Dispose();
    }

    [Fact]
    public void a_damaged_file_is_named_and_not_repeated()
    {
        File.WriteAllText(Path.Combine(home.Path, "device.json"), "{ canary");

        var error = Assert.Throws<ClientException>(() => home.Folder.Read<ThisDevice>("device.json"));

        Assert.Contains("device.json", error.Message);
        Assert.DoesNotContain("canary", error.Message + error.Hint);
    }

    [Fact]
    public void the_log_keeps_the_kind_of_an_exception_and_not_its_words()
    {
        var log = new FileLog(home.Folder, TimeProvider.System);

        log.LogWarning(new InvalidOperationException("canary"), "Failed at {What}", "connect");
        File.AppendAllText(log.Path, "{ half a line");

        Assert.Equal("Failed at connect (InvalidOperationException)", Assert.Single(log.Read(10)).Text);
        Assert.Empty(home.FilesWith("canary"));
    }

    [Fact]
    public void the_last_lines_of_a_level_are_found_behind_any_number_of_lesser_ones()
    {
        var log = new FileLog(home.Folder, TimeProvider.System);
        log.LogWarning("the one");
        for (var i = 0; i < 20; i++) log.LogInformation("a line");

        Assert.Equal("the one", Assert.Single(log.Read(5, LogLevel.Warning)).Text);
        Assert.Equal(5, log.Read(5).Count);
    }
}
