"""One federated round between a server and its clients, from top to bottom, as data travels.

The server opens the round and sends each client what it lacks. Clients decode it and train; each
delta goes through error feedback and the uplink's codec into a message. The server receives the
messages, opens them by its `Aggregation`, aggregates, and broadcasts the update through the
downlink's codec into its new state. Every byte goes through the channel, which books it.

An aggregation may have further exchanges. In each the server sends to all whom it still awaits
before any of them answers, so that no answer can depend on another's of the same exchange.
"""

from fedbytes.federated.local_clients import LocalClients
from fedbytes.federated.protocol.channel import Channel
from fedbytes.federated.server.server import RoundReport, Server


def run_round(server: Server, clients: LocalClients, channel: Channel) -> RoundReport:
    """Run the next round; the states of server and clients move forward in place.

    Raises:
        ValueError: if a client's delta is not finite, or an error-feedback residual grows
            without bound.
    """
    context = server.open_round()
    for client in context.clients:
        messages = server.messages_for(client)
        clients.receive(client, channel.down(context.round, client, messages))

    for client, trained in clients.train(context):
        frames = clients.send(client, trained)
        server.receive(client, channel.up(context.round, client, frames))

    for _ in range(1, server.fed.aggregation.exchanges):
        awaited = server.next_exchange()
        for client in awaited:
            messages = server.messages_for(client)
            clients.receive(client, channel.down(context.round, client, messages))
        for client in awaited:
            server.receive(client, channel.up(context.round, client, clients.answer(client)))
    return server.close_round()
