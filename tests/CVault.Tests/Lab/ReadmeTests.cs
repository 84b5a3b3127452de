using System.Text.RegularExpressions;

namespace CVault.Tests.Lab;

/// <summary>The README's walks, from tenant to tunnel and from sign-up to keys, run as they stand there.</summary>
public sealed class ReadmeTests
{
    [Fact]
    public async Task the_walk_in_the_readme_ends_with_a_tunnel_and_without_one()
    {
        Assert.SkipUnless(Stack.HasLab, "The walk needs the lab, and this machine can have none.");
        var readme = await File.ReadAllTextAsync(Path.Combine(Stack.Root, "README.md"), TestContext.Current.CancellationToken);
        var walk = string.Join('\n', Regex.Matches(readme, "```bash\n(.*?)```", RegexOptions.Singleline).Select(m => m.Groups[1].Value));
        Assert.Contains("wg-quick up", walk, StringComparison.Ordinal);

        var output = await Stack.RunAsync("/usr/bin/env", ["bash", "-euo", "pipefail", "-c", walk]);
        // On a machine that is busy for a moment an answer may be "pending", and the walk waits for nothing.
        for (var again = 0; again < 2 && output.Text.Contains("\"peer_status\": \"pending\"", StringComparison.Ordinal); again++) output = await Stack.RunAsync("/usr/bin/env", ["bash", "-euo", "pipefail", "-c", walk]);

        var lines = output.Text.Split('\n').ToList();
        Assert.Equal(["no way out yet", "198.51.100.11", "198.51.100.2"], lines.Where(l => l is "no way out yet" or "198.51.100.11" or "198.51.100.2"));
        Assert.Contains("\"connected\"", lines);
        Assert.Equal(3, Regex.Count(output.Text, "\"peer_status\": \"live\"")); // registered, connected, removed
        Assert.Contains("cut off", lines);
        Assert.Contains("\"email_verified\": true", output.Text, StringComparison.Ordinal);
    }
}
