namespace CVault.Sdk.Tests.Packages;

/// <summary><c>samples/aot</c>, compiled ahead of time. It takes minutes and a linker, so it runs only when all is to be tested.</summary>
public class AotTests
{
    [Fact]
    public async Task The_AOT_sample_is_published_without_a_warning_and_runs()
    {
        if (Environment.GetEnvironmentVariable("CVAULT_TEST_FULL") != "1") Assert.Skip("CVAULT_TEST_FULL is not 1: publishing the AOT sample takes minutes.");
        if (!OperatingSystem.IsLinux()) Assert.Skip("The sample's compiler is asked for on Linux only.");
        var output = Directory.CreateTempSubdirectory("cvault-aot-").FullName;
        try
        {
            await Command.DotnetAsync(Path.Combine(Repository.Sdk, "samples", "aot"), "publish", "-c", "Release", "-o", output, "-warnaserror");
            await using var server = await AnyOrderServer.StartAsync();
            server.First = async http =>
            {
                if (http.Request.Path != "/api/v1/auth/login") return false;
                http.Response.StatusCode = 401;
                http.Response.ContentType = "application/problem+json";
                await http.Response.Body.WriteAsync("""{"code":"INVALID_CREDENTIALS","title":"No."}"""u8.ToArray());
                return true;
            };
            var said = await Command.RunAsync(output, Path.Combine(output, "aot"), [], ("CVAULT_URL", server.Url.ToString()), ("CVAULT_PUBLISHABLE_KEY", "cvp_test"));
            Assert.Equal(
                ["refused: INVALID_CREDENTIALS", "signed_in: True", "connected to us-east", "status: connected", "device: Laptop", "removed: revoked", "signed out: True"],
                said.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        }
        finally
        {
            Directory.Delete(output, recursive: true);
        }
    }
}
