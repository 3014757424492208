"""Streaming DiLoCo: fragments take turns, and a worker goes on with its own of the others."""

import pytest
import torch

from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.algorithms.streaming_diloco.fragments import make_fragments
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.state import State

INNER = {"local_steps": 3, "learning_rate": 0.05}
LLAMA = Layout(
    {
        "embed.weight": (50, 8),
        **{f"layers.{i}.{part}": (8, 8) for i in range(5) for part in ("q", "up")},
        "norm.weight": (8,),
    }
)


def _make(make_run, clients=3, parts=None, **fields):
    algorithm = make_algorithm("streaming_diloco", **INNER | fields)
    return make_run(clients, algorithm=algorithm, **parts or {})


def test_fragments_are_whole_tensors_strided_over_the_layers_and_cover_all_once():
    fragments = make_fragments(LLAMA, 3)
    names = [name for fragment in fragments for name in fragment.layout.names]
    assert sorted(names) == sorted(LLAMA.names)
    for f, fragment in enumerate(fragments):
        layers = {int(n.split(".")[1]) for n in fragment.layout.names if n.startswith("layers")}
        assert layers == {i for i in range(5) if i % 3 == f}
    # The embeddings are with the one layer of the last fragment, the norm with the next smallest.
    assert "embed.weight" in fragments[2].layout.names
    assert max(f.layout.numel for f in fragments) == 2 * 64 + 400


def test_what_is_taken_is_put_back_in_its_places():
    x = torch.arange(LLAMA.numel, dtype=torch.float32)
    again = torch.zeros(LLAMA.numel)
    for fragment in make_fragments(LLAMA, 4):
        part = fragment.take(x)
        assert part.numel() == fragment.layout.numel
        fragment.put(part, again)
    assert torch.equal(again, x)


def test_one_fragment_is_diloco(make_run):
    whole = make_run(3, algorithm=make_algorithm("diloco", **INNER)).go(5)
    one = _make(make_run, fragments=1).go(5)
    assert torch.equal(one.state.model, whole.state.model)
    assert one.ledger.total == whole.ledger.total


def test_a_round_moves_and_sends_its_fragment_alone(make_run):
    run = _make(make_run, fragments=2, parts={"initial": "seed"})
    fragments = make_fragments(run.fed.layout, 2)
    for round_ in range(1, 6):
        before = run.state.model
        run.go(1)
        moved, still = fragments[(round_ - 1) % 2], fragments[round_ % 2]
        assert not torch.equal(moved.take(before), moved.take(run.state.model))
        assert torch.equal(still.take(before), still.take(run.state.model))
        up = [e for e in run.ledger.entries if e.round == round_ and e.kind == "delta"]
        assert {e.payload_bytes for e in up} == {4 * moved.layout.numel + 4}


def test_a_worker_goes_on_with_its_own_values(make_run):
    # One worker, outer steps that change nothing more: it is as if it never talked.
    fields = {"server_optimizer": "sgd", "server_learning_rate": 1.0, "server_momentum": 0.0}
    talks = _make(make_run, 1, fragments=2, **fields).go(6)
    alone = make_run(1, algorithm=make_algorithm("diloco", **INNER | fields)).go(6)
    own = talks.clients[0].state.memory["own vector"]
    torch.testing.assert_close(own, alone.state.model, rtol=1e-5, atol=1e-6)
    # What is held lacks only the newest round of the other fragment.
    newest, other = make_fragments(talks.fed.layout, 2)[::-1]
    torch.testing.assert_close(newest.take(talks.state.model), newest.take(own))
    assert not torch.allclose(other.take(talks.state.model), other.take(own))


def test_a_worker_that_missed_rounds_takes_up_what_was_synchronised_meanwhile(make_run):
    run = _make(make_run, 4, fragments=2, parts={"clients_per_round": 1, "seed": 3}).go(1)
    (first,) = (c for c, kept in run.state.clients.items() if kept.memory)
    memory = run.clients[first].state.memory
    algorithm, fragments = run.fed.algorithm, make_fragments(run.fed.layout, 2)
    rest, mine = torch.full((run.fed.layout.numel,), 7.0), memory["own vector"]
    for round_, kept in ((2, {0, 1}), (3, {1}), (4, set()), (9, set())):
        goes_on = algorithm._goes_on(run.fed.context(round_), rest, memory)
        for f, fragment in enumerate(fragments):
            # Round 2 takes the newest fragment, the first, up at its own step, and so on.
            newest = f == (round_ - 2) % 2
            if not newest:
                theirs = mine if f in kept else rest
                assert torch.equal(fragment.take(goes_on), fragment.take(theirs))


@pytest.mark.parametrize("mixing", [0.0, 0.25])
def test_an_update_that_arrives_late_is_mixed_in_before_its_step(make_run, mixing):
    # Steps so small that they do not matter: after a round the worker has what it mixed.
    fields = {"fragments": 2, "overlap": 2, "mixing": mixing, "learning_rate": 1e-12}
    run = _make(make_run, 1, **fields).go(1)
    start, own = run.state.model + 1.0, run.clients[0].state.memory["own vector"]
    context, fed = run.fed.context(2).for_client(0), run.fed
    trained = fed.algorithm.train(
        context, start, fed.parts[0], run.clients[0].state.memory, run.fed.context(2).stream("test")
    )
    newest, other = make_fragments(fed.layout, 2)
    now = trained.memory["own vector"]
    expected = mixing * newest.take(own) + (1 - mixing) * newest.take(start)
    torch.testing.assert_close(newest.take(now), expected)
    torch.testing.assert_close(other.take(now), other.take(own))


def test_overlap_changes_what_is_learned_and_no_bytes(make_run):
    runs = [_make(make_run, fragments=2, overlap=o).go(6) for o in (0, 2)]
    assert runs[0].ledger.total == runs[1].ledger.total
    assert not torch.equal(runs[0].state.model, runs[1].state.model)


def test_it_goes_on_from_a_checkpoint_with_every_memory(make_run, tmp_path):
    link = make_link({"name": "topk", "density": 0.2, "error_feedback": True, "decay": 0.9})
    parts = {"clients_per_round": 2, "uplink": link}
    fields = {"fragments": 2, "overlap": 1, "mixing": 0.5, "parts": parts}
    whole, cut = (_make(make_run, 4, **fields).go(n) for n in (8, 4))
    cut.state.save(tmp_path / "state.pt", {})
    resumed = _make(make_run, 4, **fields)
    resumed.state, _ = State.load(tmp_path / "state.pt")
    resumed.go(4)
    assert torch.equal(resumed.state.model, whole.state.model)
    assert cut.crossed + resumed.crossed == whole.crossed
    assert set(whole.state.server.optimizer) == {"0/velocity", "1/velocity"}


def test_it_learns(make_run):
    run = _make(make_run, 4, fragments=2, local_steps=5)
    run.fed.model.set_state(run.state.model)
    before = run.fed.model.accuracy()
    run.go(12)
    run.fed.model.set_state(run.state.model)
    assert run.fed.model.accuracy() > before + 0.3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fragments": 0}, "fragments must be at least 1, got 0"),
        ({"mixing": 1.0}, r"mixing must be in \[0, 1\), got 1.0"),
        ({"overlap": 3}, "overlap=3 must be below local_steps, got local_steps=3"),
        ({"overlap": -1}, "overlap must be at least 0, got -1"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        make_algorithm("streaming_diloco", **INNER | fields)


def test_more_fragments_than_tensors_are_refused_with_how_many_there_can_be(make_run):
    with pytest.raises(ValueError, match="set fragments to 2 at most"):
        _make(make_run, fragments=3).go(1)
