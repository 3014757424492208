"""A round costs what its clients cost: what is kept of others is neither counted nor moved."""

import numpy as np
import pytest
import torch

from fedbytes.compression.frame import Frame
from fedbytes.federated.client_memory.kept_by_client import KeptByClient
from fedbytes.federated.client_memory.memory_room import SETTING, memory_limit
from fedbytes.federated.client_memory.records import pack_record, unpack_record
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.state import State
from fedbytes.federated.testing.bench_federation import same
from fedbytes.federated.testing.tiny_models import EXAMPLES

TOPK = {"name": "topk", "density": 0.05, "error_feedback": True}
EF21 = {"name": "topk", "density": 0.05, "error_feedback": "ef21"}


def parts(clients):
    return [np.array([c % EXAMPLES, (7 * c + 1) % EXAMPLES]) for c in range(clients)]


@pytest.mark.parametrize(
    "value",
    [
        {"a": torch.arange(6).reshape(2, 3).T, "b": [None, True, (1, 2.5)], 3: b"\0x", "c": {}},
        {"nan": float("nan"), "inf": float("-inf"), "half": torch.ones(3, dtype=torch.bfloat16)},
        {"empty": torch.empty(0, 4), "scalar": torch.tensor(7), "mask": torch.tensor([True])},
        {"sparse": torch.eye(2).to_sparse(), "after": torch.ones(2)},
    ],
)
def test_a_record_is_read_to_the_bit(value):
    found = unpack_record(pack_record(value))
    assert pack_record(found) == pack_record(value)
    assert list(map(str, found)) == list(map(str, value))
    for key, tensor in value.items():
        if isinstance(tensor, torch.Tensor):
            assert found[key].dtype == tensor.dtype
            assert torch.equal(found[key].to_dense(), tensor.to_dense())


@pytest.mark.parametrize("cut", [3, 30, -1])
def test_a_cut_record_is_refused(cut):
    with pytest.raises(ValueError, match="a client's record is cut"):
        unpack_record(pack_record({"residual": torch.ones(9)})[:cut])


@pytest.mark.parametrize("link", [TOPK, EF21])
@pytest.mark.parametrize("limit", ["0", "20e3"])
def test_memories_on_disk_change_no_bit(make_run, monkeypatch, tmp_path, link, limit):
    settings = {"parts": parts(12), "clients_per_round": 4, "uplink": make_link(link)}
    free = make_run(12, **settings).go(8)
    monkeypatch.setenv(SETTING, limit)
    tight = make_run(12, **settings)
    tight.state.spill_into(tmp_path)
    tight.go(8)
    assert tight.crossed == free.crossed
    assert torch.equal(tight.state.model, free.state.model)
    for clients in (tight.state.clients, tight.state.server.estimates):
        assert clients.bytes_held <= max(float(limit), 12e3)  # one is always in use
    assert len(list(tmp_path.glob(".spilled-*/clients-*"))) > 3
    for client, kept in free.state.clients.items():
        assert same(vars(tight.state.clients.peek(client)), vars(kept))


def test_a_checkpoint_writes_what_changed_and_a_resumed_run_goes_on_to_the_bit(
    make_run, monkeypatch, tmp_path
):
    monkeypatch.setenv(SETTING, "10e3")
    settings = {"parts": parts(40), "clients_per_round": 3, "uplink": make_link(EF21)}
    whole, cut, files = make_run(40, **settings).go(12), make_run(40, **settings), []
    for round_ in range(1, 10):
        cut.go(1)
        files.append(tmp_path / f"clients-{round_:06d}.bin")
        cut.state.save(tmp_path / "state.pt", {}, files[-1])
    sizes = [path.stat().st_size for path in files]
    assert max(sizes) < 1.1 * min(sizes)
    assert len(cut.state.clients) > 15
    cut.state, _ = State.load(tmp_path / "state.pt", files)
    cut.go(1)
    every = tmp_path / "clients-000010-all.bin"
    cut.state.save(tmp_path / "state.pt", {}, every, everything=True)
    for path in files:
        path.unlink()
    cut.state, _ = State.load(tmp_path / "state.pt", [every])
    cut.go(2)
    assert cut.crossed == whole.crossed
    assert torch.equal(cut.state.model, whole.state.model)
    assert list(cut.state.server.synced) == list(whole.state.server.synced)


def test_what_is_changed_is_saved_and_what_is_looked_at_is_not():
    kept = KeptByClient("clients", {1: {"x": 1}, 2: {"x": 2}})
    list(kept.records(everything=False))
    kept.saved({})
    kept.peek(1)
    assert list(kept.records(everything=False)) == []
    kept[2]["x"] = 5
    assert [(kind, client) for kind, client, _ in kept.records(everything=False)] == [
        ("clients", 2)
    ]
    del kept[2]
    assert list(kept) == [1]
    with pytest.raises(KeyError):
        kept[2]


def test_a_round_looks_at_no_part_of_another_client(make_run):
    class Counted(list):
        looks = 0

        def __iter__(self):
            self.looks += len(self)
            return super().__iter__()

        def __getitem__(self, client):
            self.looks += 1
            return super().__getitem__(client)

    link = make_link(TOPK)
    held = Counted(parts(400))
    run = make_run(400, parts=held, clients_per_round=4, uplink=link, downlink=link).go(1)
    held.looks = 0
    run.go(5)
    assert held.looks <= 5 * 4 * 4


def test_what_a_client_kept_for_the_exchanges_of_a_round_goes_with_the_next(make_run):
    run = make_run(40, parts=parts(40), clients_per_round=4).go(5)
    known = run.clients._clients
    assert len(known) > 8
    kept = [number for number, client in known.items() if client._session is not None]
    assert sorted(kept) == sorted(run.server.context.clients)


@pytest.mark.parametrize("receivers", [2, 6])
def test_a_broadcast_is_packed_and_checked_once(make_run, monkeypatch, receivers):
    link = make_link(TOPK)
    run = make_run(6, clients_per_round=receivers, downlink=link)
    unpack, opened = Frame.unpack, []
    monkeypatch.setattr(
        Frame,
        "unpack",
        staticmethod(lambda data, **known: opened.append(known["sender"]) or unpack(data, **known)),
    )
    run.go(1)
    assert opened.count(0xFFFFFFFF) == 1


@pytest.mark.parametrize("given", ["much", "-1", "inf"])
def test_a_limit_that_is_no_number_of_bytes_is_refused(monkeypatch, given):
    monkeypatch.setenv(SETTING, given)
    with pytest.raises(ValueError, match=f"{SETTING} must be a number of bytes such as 2e9, got"):
        memory_limit()
