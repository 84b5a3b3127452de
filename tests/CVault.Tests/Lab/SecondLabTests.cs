using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace CVault.Tests.Lab;

/// <summary>A lab beside the stack's, with a state folder of its own; there the lab's own check can do as it likes.</summary>
public sealed partial class SecondLabTests(Stack stack)
{
    [Fact]
    public async Task a_second_lab_passes_its_own_check_beside_the_first_and_goes_without_a_trace()
    {
        LabClient.Required();
        await using var client = await LabClient.NewAsync("first-lab");
        var device = await (await (await stack.NewTenantAsync()).NewUserAsync()).NewDeviceAsync(region: "us-east");
        await client.ConnectAsync(device.Config);
        Assert.Equal("198.51.100.11", await client.IpAsync());
        var folder = $"/tmp/cvault-second-lab-{Guid.NewGuid():N}";
        var hosts = await HostsAsync(Stack.StateDir);

        try
        {
            await InAsync(folder, "ops/lab", "up");
            Assert.Equal(["client1", "internet", "router", "vpn1", "vpn2"], await HostsAsync(folder));
            Assert.DoesNotContain(device.PublicKey, (await InAsync(folder, "ops/lab", "exec", "vpn1", "--", "wg", "show", "wg0", "peers")).Text, StringComparison.Ordinal);

            var check = await InAsync(folder, "ops/lib/lab/selfcheck");
            var sum = Summary().Match(check.Text);
            Assert.True(sum.Success && int.Parse(sum.Groups[1].Value) > 50 && check.ExitCode == 0, string.Join('\n', check.Text.Split('\n').Where(l => !l.StartsWith("ok ", StringComparison.Ordinal))));

            Assert.Equal("198.51.100.11", await client.IpAsync());
            Assert.True(await LabServer.Vpn1.HasAsync(device.PublicKey));
        }
        finally
        {
            await InAsync(folder, "ops/lab", "down", "--purge");
            Directory.Delete(folder, recursive: true);
        }

        Assert.Empty(await HostsAsync(folder));
        Assert.Subset((await HostsAsync(Stack.StateDir)).ToHashSet(), hosts.ToHashSet());
        Assert.Equal("up", (await Stack.RunAsync("ops/lab", ["status"])).Text.Split('\n')[0].Split(' ')[^1]);
        Assert.Equal("198.51.100.11", await client.IpAsync());
        Assert.True(await LabServer.Vpn1.HasAsync(device.PublicKey));
    }

    private static Task<Output> InAsync(string folder, params string[] command) => Stack.RunAsync("/usr/bin/env", ["CVAULT_STATE_DIR=" + folder, .. command], mayFail: true);

    /// <summary>The hosts of a lab, by their network namespaces: a part of the folder's hash, then the host's name.</summary>
    private static async Task<string[]> HostsAsync(string folder)
    {
        var id = "cv" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(folder)))[..8] + "-";
        var all = (await Stack.RunAsync("/usr/bin/env", ["ip", "netns", "list"])).Text.Split('\n').Select(l => l.Split(' ')[0]);
        return [.. all.Where(n => n.StartsWith(id, StringComparison.Ordinal)).Select(n => n[id.Length..]).Order(StringComparer.Ordinal)];
    }

    [GeneratedRegex(@"^(\d+) passed, 0 failed$", RegexOptions.Multiline)]
    private static partial Regex Summary();
}
