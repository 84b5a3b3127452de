using System.Net;
using CVault.Servers;
using JasperFx.Events;
using Marten;
using Marten.Events.Projections;

namespace CVault.IpLeases;

/// <summary>A new server's addresses become rows in the transaction that registers it.</summary>
public partial class AddressPoolProjection : EventProjection
{
    public void Project(IEvent<ServerRegistered> e, IDocumentOperations operations)
    {
        var (first, last) = Pool.Numbers(IPNetwork.Parse(e.Data.AddressPool));
        operations.QueueSqlCommand(
            $"insert into {Database.Schema}.addresses (server_id, number, free_from) select ?, n, '-infinity' from generate_series(?, ?) n",
            e.StreamId, first, last);
    }
}
