using Npgsql;

namespace CVault.Tests.Unit;

/// <summary><c>CVAULT_DATABASE_URL</c> in its forms.</summary>
public sealed class DatabaseTests
{
    [Theory]
    [InlineData("postgresql://cvault:secret@db.example.com:5433/vpn")]
    [InlineData("postgres://cvault:secret@db.example.com:5433/vpn")]
    [InlineData("Host=db.example.com;Port=5433;Database=vpn;Username=cvault;Password=secret")]
    public void a_URL_and_Npgsqls_own_form_say_the_same(string url)
    {
        var read = Read(url);
        Assert.Equal(("db.example.com", 5433, "vpn", "cvault", "secret"), (read.Host, read.Port, read.Database, read.Username, read.Password));
    }

    [Fact]
    public void a_URL_may_leave_out_port_and_credentials()
    {
        var read = Read("postgresql://localhost/vpn");
        Assert.Equal(("localhost", 5432, "vpn", null, null), (read.Host, read.Port, read.Database, read.Username, read.Password));
    }

    [Fact]
    public void a_sockets_folder_stands_in_the_host_parameter()
    {
        var read = Read("postgresql://cvault:secret@/vpn?host=/run/my%20sockets&port=5433");
        Assert.Equal(("/run/my sockets", 5433, "vpn", "cvault"), (read.Host, read.Port, read.Database, read.Username));
        Assert.Equal("/run/sockets", Read("postgresql:///vpn?host=/run/sockets").Host);
    }

    [Fact]
    public void a_password_may_hold_anything_once_it_is_escaped() =>
        Assert.Equal("p@s:s/w?r#d;=' %", Read("postgresql://cvault:p%40s%3As%2Fw%3Fr%23d%3B%3D%27%20%25@localhost/vpn").Password);

    [Fact]
    public void an_unescaped_at_sign_belongs_to_the_password() => Assert.Equal(("p@ss", "localhost"), (Read("postgresql://cvault:p@ss@localhost/vpn").Password, Read("postgresql://cvault:p@ss@localhost/vpn").Host));

    [Theory]
    [InlineData("require", SslMode.Require)]
    [InlineData("verify-full", SslMode.VerifyFull)]
    [InlineData("disable", SslMode.Disable)]
    public void sslmode_is_spelt_as_libpq_spells_it(string mode, SslMode expected) => Assert.Equal(expected, Read($"postgresql://localhost/vpn?sslmode={mode}").SslMode);

    [Fact]
    public void an_IPv6_host_stands_in_brackets()
    {
        var read = Read("postgresql://cvault:secret@[2001:db8::1]:5433/vpn");
        Assert.Equal(("2001:db8::1", 5433), (read.Host, read.Port));
    }

    [Theory]
    [InlineData("postgresql://localhost")]
    [InlineData("postgresql://localhost/")]
    [InlineData("postgresql://cvault@localhost/?sslmode=require")]
    [InlineData("postgresql://localhost:port/vpn")]
    [InlineData("postgresql://localhost:99999999999/vpn")]
    [InlineData("ThereIsNoSuch=")]
    [InlineData("postgresql:///vpn?host=/run/sockets&port=-1")]
    public void a_URL_that_says_too_little_is_refused(string url) => Assert.ThrowsAny<FormatException>(() => Database.ConnectionString(url));

    [Fact]
    public void a_request_is_refused_soon_rather_than_kept_waiting_unless_the_operator_says_otherwise()
    {
        Assert.Equal((5, 50), (Read("postgresql://localhost/vpn").Timeout, Read("postgresql://localhost/vpn").MaxPoolSize));
        Assert.Equal((9, 20), (Read("Host=localhost;Timeout=9;Maximum Pool Size=20").Timeout, Read("Host=localhost;Timeout=9;Maximum Pool Size=20").MaxPoolSize));
    }

    private static NpgsqlConnectionStringBuilder Read(string url) => new(Database.ConnectionString(url));
}
