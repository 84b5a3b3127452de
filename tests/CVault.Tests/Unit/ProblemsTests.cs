using System.Reflection;
using Microsoft.AspNetCore.Mvc;

namespace CVault.Tests.Unit;

/// <summary>Every error with its stable code.</summary>
public sealed class ProblemsTests
{
    /// <summary>Section 4.5 of the specification (all but <c>NETWORK_ERROR</c>, which a client finds alone) and the contract.</summary>
    private static readonly Dictionary<string, int> Contract = new()
    {
        ["INVALID_API_KEY"] = 401, ["TENANT_SUSPENDED"] = 403, ["USER_LIMIT_EXCEEDED"] = 403, ["DEVICE_LIMIT_EXCEEDED"] = 403, ["BANDWIDTH_LIMIT_EXCEEDED"] = 403, ["SERVER_UNAVAILABLE"] = 503,
        ["INVALID_CREDENTIALS"] = 401, ["VALIDATION_FAILED"] = 400, ["NOT_FOUND"] = 404, ["CONFLICT"] = 409, ["UNAUTHENTICATED"] = 401, ["FORBIDDEN"] = 403,
        ["EMAIL_TAKEN"] = 409, ["IDEMPOTENCY_KEY_REUSED"] = 422, ["POOL_EXHAUSTED"] = 503, ["RATE_LIMITED"] = 429,
    };

    private static readonly ProblemDetails[] All = [.. typeof(Problems).GetMethods(BindingFlags.Public | BindingFlags.Static)
        .Where(m => m.ReturnType == typeof(ProblemDetails) && m.Name != nameof(Problems.OfStatus))
        .Select(m => (ProblemDetails)m.Invoke(null, [.. m.GetParameters().Select(p => (object)(p.ParameterType == typeof(string) ? "Because." : Array.Empty<(string, string)>()))])!)];

    public static TheoryData<string, int> Codes => [.. Contract.Select(c => (c.Key, c.Value))];

    [Theory]
    [MemberData(nameof(Codes))]
    public void every_code_of_the_contract_exists_with_its_status(string code, int status)
    {
        var problem = All.SingleOrDefault(p => Problems.CodeOf(p) == code);
        Assert.True(problem is not null, $"Problems.cs has no {code}, which the contract promises.");
        Assert.Equal(status, problem.Status);
    }

    [Fact]
    public void no_two_problems_share_a_code() => Assert.Equal(All.Length, All.Select(Problems.CodeOf).Distinct().Count());

    [Fact]
    public void a_code_is_upper_snake_case_and_every_problem_has_a_title() => Assert.All(All, p =>
    {
        Assert.Matches("^[A-Z]+(_[A-Z]+)*$", Problems.CodeOf(p));
        Assert.False(string.IsNullOrWhiteSpace(p.Title));
    });

    [Fact]
    public void a_problem_is_made_anew_each_time_for_each_request_writes_its_id_into_it() => Assert.NotSame(Problems.NotFound(), Problems.NotFound());

    [Fact]
    public void bad_fields_are_named_with_all_that_is_wrong_with_each()
    {
        var errors = Assert.IsType<Dictionary<string, string[]>>(Problems.Validation(("email", "a"), ("name", "b"), ("email", "c")).Extensions["errors"]);
        Assert.Equal(["a", "c"], errors["email"]);
        Assert.Equal(["b"], errors["name"]);
    }

    [Theory]
    [InlineData(400, "VALIDATION_FAILED")]
    [InlineData(401, "UNAUTHENTICATED")]
    [InlineData(403, "FORBIDDEN")]
    [InlineData(404, "NOT_FOUND")]
    [InlineData(405, "METHOD_NOT_ALLOWED")]
    [InlineData(413, "PAYLOAD_TOO_LARGE")]
    [InlineData(415, "UNSUPPORTED_MEDIA_TYPE")]
    [InlineData(418, "BAD_REQUEST")]
    [InlineData(500, "INTERNAL_ERROR")]
    public void what_the_HTTP_layer_refuses_has_a_code_too(int status, string code)
    {
        var problem = Problems.OfStatus(status);
        Assert.Equal((status, code), (problem.Status, Problems.CodeOf(problem)));
    }
}
