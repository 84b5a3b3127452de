namespace CVault.Tests.Unit;

public sealed class FailPointTests
{
    [Theory, InlineData("after-ssh", 1), InlineData("after-ssh:7", 7)]
    public void a_setting_names_a_point_and_which_time(string setting, int time) => Assert.Equal(("after-ssh", time), FailPoint.Parse(setting, "Development"));

    [Theory, InlineData("Production"), InlineData("development"), InlineData(null)]
    public void anywhere_but_in_development_there_is_none(string? environment) => Assert.Null(FailPoint.Parse("after-ssh", environment));

    [Fact]
    public void unset_there_is_none() => Assert.Null(FailPoint.Parse("", "Development"));

    [Fact]
    public void reaching_one_that_nobody_asked_for_does_nothing() => FailPoint.Reached("before-commit");
}
