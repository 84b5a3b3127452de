using CVault.Security;
using Microsoft.AspNetCore.Http;

namespace CVault.Tests.Unit;

/// <summary>Places for requests with an idempotency key: no tenant takes another's, and no sign-in a device's.</summary>
public sealed class KeyedRequestsTests
{
    private static readonly PathString Devices = "/api/v1/devices", LogIn = "/api/v1/tenant/auth/login";

    [Fact]
    public async Task a_tenant_that_holds_all_of_its_places_waits_alone()
    {
        var keyed = new KeyedRequests(places: 16);
        var held = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => keyed.EnterAsync(Devices, "a", default)));
        var fifth = keyed.EnterAsync(Devices, "a", default);
        (await keyed.EnterAsync(Devices, "b", default)).Dispose();
        Assert.False(fifth.IsCompleted);
        held[0].Dispose();
        held[0].Dispose(); // Once more gives nothing back.
        (await fifth).Dispose();
    }

    [Fact]
    public async Task sign_ins_of_however_many_tenants_leave_places_for_the_rest()
    {
        var keyed = new KeyedRequests(places: 16);
        var signIns = Enumerable.Range(0, 40).Select(i => keyed.EnterAsync(LogIn, "tenant " + i, default)).ToArray();
        Assert.Equal(8, signIns.Count(s => s.IsCompleted));
        (await keyed.EnterAsync(Devices, "tenant 1", default)).Dispose();
    }

    [Fact]
    public async Task who_goes_away_while_waiting_leaves_nothing_behind()
    {
        var keyed = new KeyedRequests(places: 4);
        var held = await keyed.EnterAsync(Devices, "a", default);
        using var gone = new CancellationTokenSource();
        var waiting = keyed.EnterAsync(Devices, "a", gone.Token);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        held.Dispose();
        (await keyed.EnterAsync(Devices, "a", default)).Dispose();
    }
}
