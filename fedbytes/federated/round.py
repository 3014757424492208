"""One federated round between a server and its clients, from top to bottom, as data travels.

The server opens the round and sends each client what it lacks. Clients decode it and train; an
attack may act on the deltas of hostile ones. Each delta goes through the client's privacy
mechanisms, error feedback and the uplink's codec into a message. The server receives the messages,
which audits hear, opens them by its `Aggregation`, applies its defences, aggregates, and broadcasts
the update through the downlink's codec into its new state. Every byte goes through the channel,
which books it.

An aggregation may have further exchanges. In each the server sends to all whom it still awaits
before any of them answers, so that no answer can depend on another's of the same exchange. Where
clients alone can open the sum, they move their models by it, and the run is evaluated at one.
"""

from fedbytes.federated.local_clients import LocalClients
from fedbytes.federated.protocol.channel import Channel
from fedbytes.federated.references.reference_rounds import run_reference_round
from fedbytes.federated.server.round_report import RoundReport
from fedbytes.federated.server.server import Server
from fedbytes.federated.stages.attackers import Attackers
from fedbytes.federated.stages.auditors import Auditors


def run_round(
    server: Server,
    clients: LocalClients,
    channel: Channel,
    attackers: Attackers,
    auditors: Auditors,
) -> RoundReport:
    """Run the next round; the states of all parties move forward in place.

    Raises:
        ValueError: if a client's delta is not finite, or an error-feedback residual grows
            without bound.
    """
    if server.fed.algorithm.travels != "vectors":
        return run_reference_round(server, clients, channel)
    context, held = server.open_round(), server.state.model
    wire = server.wire
    for client in context.clients:
        messages = server.messages_for(client)
        clients.receive(client, channel.down(context.round, client, messages))

    made = auditors.witness(clients.train(context))
    for client, trained in attackers.act(context, held, made, wire):
        frames = [] if trained is None else clients.send(client, trained)
        frames = attackers.tamper(context, held, client, frames, wire) if frames else frames
        arriving = channel.up(context.round, client, frames)
        server.receive(client, auditors.hear(context, held, client, arriving, server.shared_up))

    for _ in range(1, server.fed.aggregation.exchanges):
        awaited = server.next_exchange()
        for client in awaited:
            messages = server.messages_for(client)
            clients.receive(client, channel.down(context.round, client, messages))
        for client in awaited:
            frames = attackers.tamper(context, held, client, clients.answer(client), wire)
            arriving = channel.up(context.round, client, frames)
            server.receive(client, auditors.hear(context, held, client, arriving, server.shared_up))
    report = server.close_round(clients.opened(context))
    known = server.state
    for client in attackers.tamperers(context):
        clients.agree(client, known.announced.get(client), known.estimate(client))
    return report
