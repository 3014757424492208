"""What brings a client up to date costs the fewest bytes that it can."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbytes.compression.frame import HEADER_BYTES, Frame
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.protocol.messages import KIND_IDS
from fedbytes.federated.server.catch_up import cheapest_way

COSTS = st.lists(st.integers(1, 100), max_size=6)


@settings(deadline=None)
@given(COSTS, st.integers(1, 300), st.none() | st.integers(1, 50), st.booleans())
def test_the_cheaper_of_updates_and_whole_state_is_sent(missed, whole, seed, new):
    way = cheapest_way(
        -1 if new else 3, missed, seed=seed, whole=lambda: [whole], cost=lambda bytes_: bytes_
    )
    updates = [seed, *missed] if new else missed
    if new and seed is None:
        assert way == [whole]
    elif len(missed) > 1:
        assert way == min(updates, [whole], key=sum)
    else:  # the newest update alone is always sent as one
        assert way == updates


@settings(deadline=None)
@given(st.integers(-1, 5), st.none() | st.integers(1, 50))
def test_updates_that_are_not_kept_are_not_sent(synced, seed):
    way = cheapest_way(synced, None, seed=seed, whole=lambda: [7], cost=lambda bytes_: bytes_)
    assert way == [7]


@pytest.mark.parametrize("initial", ["seed", "full"])
@pytest.mark.parametrize("spec", [{"name": "int", "bits": 8}, "bf16"], ids=str)
def test_what_crosses_is_the_cheaper_way(make_run, initial, spec):
    # Two of nine a round: some return after a round, others after ten.
    link = make_link(spec)
    algorithm = make_algorithm("fedavg", local_steps=1)
    fields = {"downlink": link, "algorithm": algorithm, "initial": initial}
    run = make_run(9, clients_per_round=2, **fields)
    whole, ways = 4 * run.fed.layout.numel + 4 + HEADER_BYTES, set()
    updates, synced = {}, {}
    for round_ in range(1, 25):
        first = len(run.crossed)
        run.go(1)
        payload = run.state.server.updates[-1]
        updates[round_] = len(payload) + HEADER_BYTES
        new = zip(run.ledger.entries[first:], run.crossed[first:], strict=True)
        sent = [(entry.client, data) for entry, data in new if entry.direction == "down"]
        for client in run.fed.context(round_).clients:
            frames = [data for to, data in sent if to == client]
            kinds = {Frame.unpack(data).kind for data in frames}
            missed = [updates[r] for r in range(synced.get(client, 0) + 1, round_)]
            cost = sum(missed) + (0 if client in synced else 8 + HEADER_BYTES)
            if client not in synced and initial == "full":
                cost = whole
            if len(missed) > 1:
                cost = min(cost, whole)
            assert sum(map(len, frames)) == cost
            ways.add(KIND_IDS["state"] in kinds)
            synced[client] = round_ - 1
    assert ways == {True, False}
