using Npgsql;

namespace CVault.Tests.Api;

/// <summary>
/// The settings of our connections against the real PostgreSQL: a request that a rule of the database refuses must not
/// spoil the connection for the next one, which may be anybody's (npgsql/npgsql#6391).
/// </summary>
public sealed class PreparedStatementTests
{
    /// <summary>A text that cannot be stored fails before the statement runs, a broken rule while it does.</summary>
    public static TheoryData<int, string, string> Failures => new(
        from nth in Enumerable.Range(1, 4)
        from failure in new[] { ("refused\0", "22021"), ("refused", "23514") }
        select (nth, failure.Item1, failure.Item2));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task a_statement_that_failed_on_its_nth_use_works_on_the_next(int nth, string value, string sqlState)
    {
        await using var database = OneConnection();
        await using (var create = database.CreateCommand("create temp table if not exists rule (id int primary key, value text not null check (value <> 'refused'))")) await create.ExecuteNonQueryAsync(Cancellation);
        for (var use = 1; use < nth; use++) await InsertAsync(database, use, "fine");
        for (var again = 0; again < 3; again++)
        {
            var refused = await Assert.ThrowsAsync<PostgresException>(() => InsertAsync(database, nth, value));
            Assert.Equal(sqlState, refused.SqlState);
        }

        for (var use = nth; use < nth + 5; use++) Assert.Equal(use, await InsertAsync(database, use, "fine"));
    }

    /// <summary>As a request of ours is: two statements in one transaction, which fails at the second.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task statements_of_a_transaction_that_was_rolled_back_work_in_the_next(int nth)
    {
        await using var database = OneConnection();
        await using (var create = database.CreateCommand("create temp table if not exists rule (id int primary key, value text not null check (value <> 'refused'))")) await create.ExecuteNonQueryAsync(Cancellation);
        for (var use = 1; use < nth; use++) await InTransactionAsync(database, use);
        if (nth == 1) await InsertAsync(database, 0, "fine");
        for (var again = 0; again < 3; again++)
        {
            var refused = await Assert.ThrowsAsync<PostgresException>(() => InTransactionAsync(database, nth, twice: true));
            Assert.Equal("23505", refused.SqlState);
        }

        for (var use = nth; use < nth + 5; use++) await InTransactionAsync(database, use);
    }

    private static NpgsqlDataSource OneConnection() => NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(Stack.ConnectionString) { MaxPoolSize = 1 });

    private static async Task<int> InsertAsync(NpgsqlDataSource database, int id, string value)
    {
        await using var connection = await database.OpenConnectionAsync(Cancellation);
        await using var transaction = await connection.BeginTransactionAsync(Cancellation);
        await using var command = Insert(connection, id, value);
        var inserted = (int)(await command.ExecuteScalarAsync(Cancellation))!;
        await transaction.CommitAsync(Cancellation);
        return inserted;
    }

    private static async Task InTransactionAsync(NpgsqlDataSource database, int id, bool twice = false)
    {
        await using var connection = await database.OpenConnectionAsync(Cancellation);
        await using var transaction = await connection.BeginTransactionAsync(Cancellation);
        await using (var count = new NpgsqlCommand("select count(*) from rule where id >= $1", connection) { Parameters = { new() { Value = 0 } } }) await count.ExecuteScalarAsync(Cancellation);
        await using (var command = Insert(connection, id, "fine")) Assert.Equal(id, await command.ExecuteScalarAsync(Cancellation));
        if (twice)
        {
            await using var command = Insert(connection, id, "refused by a rule");
            await command.ExecuteScalarAsync(Cancellation);
        }

        await transaction.CommitAsync(Cancellation);
    }

    private static NpgsqlCommand Insert(NpgsqlConnection connection, int id, string value) =>
        new("insert into rule (id, value) values ($1, $2) returning id", connection) { Parameters = { new() { Value = id }, new() { Value = value } } };
}
