"""Evolution strategies learn the shape of what they search in, and send what they learnt."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from quadratic import Quadratic

from fedbytes.compression.codec import Codec
from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import Compatibility, make_algorithm
from fedbytes.federated.algorithms.fedbpt.evolution import Paths, Rates, evolve, shape_of, size_of
from fedbytes.federated.federation import Federation
from fedbytes.federated.fit.link_fit import compatibility
from fedbytes.federated.hooks import Upload
from fedbytes.federated.protocol.link import Link, make_link
from fedbytes.federated.testing.strict_client import Rehearsal

COUNT = 6
KINDS = ("diagonal", "full")


class Valley(Quadratic):
    """1/2 x' A x, the same for all examples, with curvatures from 1 to 10,000."""

    def __init__(self, turned):
        super().__init__(np.ones(40), np.zeros((40, 4)))
        self.layout = Layout({"x": (COUNT,)})
        self.flat = torch.nn.Parameter(torch.zeros(COUNT))
        scales = np.diag(np.logspace(0, 4, COUNT))
        axes = np.linalg.qr(np.random.default_rng(3).normal(size=(COUNT, COUNT)))[0]
        matrix = axes @ scales @ axes.T if turned else scales
        self.matrix = torch.tensor(matrix, dtype=torch.float32)

    def draw_initial(self, seed):
        return torch.ones(COUNT)

    def loss(self, batch):
        return 0.5 * self.flat.detach() @ self.matrix @ self.flat.detach()


def valley_run(rounds, turned=False, clients=2, **fields):
    algorithm = make_algorithm("fedbpt", generations=10, population=8, **fields)
    fed = Federation(
        model=Valley(turned),
        parts=np.array_split(np.arange(40), clients),
        algorithm=algorithm,
        uplink=make_link("fp32"),
        downlink=make_link("fp32"),
        clients_per_round=clients,
    )
    return Rehearsal(fed).go(rounds)


def height(run):
    run.fed.algorithm.load(run.fed.model, run.state.model)
    return float(run.fed.model.loss(None))


@pytest.mark.parametrize("aggregate", ["mean", "search"])
def test_a_shape_gets_further_in_a_valley_along_the_axes(aggregate):
    """In as many evaluations; the larger matrix takes longer to learn."""
    none, diagonal = (
        height(valley_run(20, clients=4, covariance=kind, aggregate=aggregate))
        for kind in ("none", "diagonal")
    )
    assert diagonal < none / 10


def test_only_the_whole_matrix_learns_a_valley_that_is_turned():
    none, diagonal, full = (
        height(valley_run(20, turned=True, covariance=kind)) for kind in ("none", *KINDS)
    )
    assert full < min(none, diagonal) / 100


def test_what_is_learnt_is_sent_and_priced():
    kinds = {"none": 0, "diagonal": COUNT, "full": COUNT * (COUNT + 1) // 2}
    checksum = 4
    for kind, more in kinds.items():
        for aggregate in ("mean", "search"):
            run = valley_run(3, covariance=kind, aggregate=aggregate)
            down = 4 * (COUNT + 1 + more) + checksum
            up = down if aggregate == "mean" else 4 * (COUNT + 2) + checksum
            for entry in run.ledger.entries:
                if entry.kind in ("delta", "update"):
                    assert entry.payload_bytes == (up if entry.direction == "up" else down)


@pytest.mark.parametrize("kind", KINDS)
def test_any_numbers_are_a_covariance(kind):
    numbers = torch.from_numpy(np.random.default_rng(0).normal(size=size_of(kind, 5))).float()
    shape, z = shape_of(kind, numbers), torch.eye(5)
    root = shape.spread(z)
    assert torch.linalg.eigvalsh(root @ root.T).min() > 0
    torch.testing.assert_close(shape.whiten(root), z)
    torch.testing.assert_close(shape.learned(1.0, torch.zeros(1), z[:1]).numbers, numbers)
    taller = shape.learned(0.5, torch.tensor([2.0]), z[:1]).spread(z)
    torch.testing.assert_close(taller @ taller.T, 0.5 * root @ root.T + 2 * z[:1].T @ z[:1])


@pytest.mark.parametrize("kind", KINDS)
def test_without_selection_the_covariance_stays_on_average(kind):
    rates, paths = Rates(8, 4, kind), Paths(torch.zeros(4), torch.zeros(4))
    identity = shape_of(kind, torch.zeros(size_of(kind, 4)))
    rng, found = np.random.default_rng(0), []
    for _ in range(4000):
        z = torch.from_numpy(rng.standard_normal((4, 4), dtype=np.float32))
        root = evolve(rates, identity, paths, z, z).shape.spread(torch.eye(4))
        found.append(root @ root.T)
    wanted = (1 - rates.one) * torch.eye(4)
    # A path's first length is short of one sample's.
    wanted += rates.one * rates.path_push**2 / rates.effective * torch.eye(4)
    torch.testing.assert_close(torch.stack(found).mean(0), wanted, rtol=0, atol=0.02)


def test_a_whole_matrix_sees_turned_axes_as_the_same():
    axes = torch.from_numpy(np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]).float()
    rates, rng = Rates(8, 4, "full"), np.random.default_rng(2)
    start = shape_of("full", torch.zeros(10)), Paths(torch.zeros(4), torch.zeros(4))
    plain, turned = start, start
    for _ in range(10):
        z = torch.from_numpy(rng.standard_normal((4, 4), dtype=np.float32))
        one = evolve(rates, *plain, z, plain[0].spread(z))
        other = evolve(rates, *turned, z @ axes, turned[0].spread(z @ axes))
        torch.testing.assert_close(one.moved @ axes, other.moved, rtol=1e-4, atol=1e-5)
        assert one.factor == pytest.approx(other.factor, rel=1e-5)
        plain, turned = (one.shape, one.paths), (other.shape, other.paths)


def test_the_lower_loss_leads_a_search():
    run = valley_run(1, covariance="diagonal", aggregate="search")
    algorithm, held = run.fed.algorithm, run.state.model
    towards = torch.tensor([1.0, 0, 0, 0, 0, 0])
    uploads = [
        Upload(client, torch.cat([move, torch.tensor([loss, 0.5])]), 10)
        for client, (move, loss) in enumerate([(towards, 3.0), (-towards, 2.0)])
    ]
    update, state = algorithm.combine(run.fed.context(2), held, uploads, {})
    assert update[0] < 0
    again, _ = algorithm.combine(run.fed.context(2), held, uploads[::-1], {})
    assert torch.equal(update, again)
    assert state["generation"] == 1


@pytest.mark.parametrize("clients", [1, 3])
def test_a_search_runs_with_any_number_of_clients(clients):
    run = valley_run(3, clients=clients, covariance="full", aggregate="search")
    assert run.state.model.isfinite().all()


def test_what_cannot_be_is_said_with_the_remedy():
    class Wide(Valley):
        def __init__(self):
            super().__init__(False)
            self.layout = Layout({"x": (1025,)})

    algorithm = make_algorithm("fedbpt", covariance="full")
    with pytest.raises(ValueError, match=r"at most 1024 .*1025 .*set covariance=diagonal"):
        algorithm.synced_layout(Wide())
    assert make_algorithm("fedbpt", covariance="diagonal").synced_layout(Wide()).numel == 2051
    search = make_algorithm("fedbpt", aggregate="search")
    coarse = Compatibility(up_name="bf16", up_exact=False)
    assert "set uplink.name=fp32, or aggregate=mean" in search.refuses(coarse)
    assert "set uplink.momentum=0, or" in search.refuses(Compatibility(up_momentum=True))
    below = Compatibility(down_name="topk", down_exact=False, down_feedback=True, partial=True)
    assert search.refuses(below) is None
    assert make_algorithm("fedbpt").refuses(replace(coarse, up_momentum=True)) is None


def test_a_lossless_codec_of_the_users_own_is_as_good_as_fp32():
    @dataclass(frozen=True)
    class Reversed(Codec):
        """The vector from its end."""

        name = "reversed"
        exact = True

        def _encode(self, x, shared):
            return x[::-1].copy()

        def _decode(self, data, shared):
            return np.frombuffer(data, np.float32)[::-1].copy()

    own, coarse = Link(Reversed()), make_link("bf16")
    search = make_algorithm("fedbpt", aggregate="search")
    for algorithm in (search, make_algorithm("prompt_search")):
        assert algorithm.refuses(compatibility(own, own, False)) is None
        assert algorithm.refuses(compatibility(coarse, coarse, False)) is not None
