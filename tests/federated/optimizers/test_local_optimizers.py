"""Clients' optimisers whose moments are in 8 bits."""

import sys

import pytest
import torch
from torch import nn

from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.optimizers import local_optimizers
from fedbytes.federated.optimizers.local_optimizers import begin_anew, make_local_optimizer

NUMEL = 10_000  # below 4,096 bitsandbytes keeps the moments in 32 bits


def _walk(optimizer: torch.optim.Optimizer, flat: nn.Parameter, steps: int) -> torch.Tensor:
    """Steps towards a fixed target, from zero."""
    target = torch.linspace(-1, 1, NUMEL)
    flat.data.zero_()
    for _ in range(steps):
        flat.grad = flat.detach() - target
        optimizer.step()
    return flat.detach().clone()


def test_8_bit_moments_follow_those_of_32_bits_in_a_quarter_of_the_bytes():
    ends, sizes = {}, {}
    for name in ("adamw", "adamw8bit"):
        flat = nn.Parameter(torch.zeros(NUMEL))
        optimizer = make_local_optimizer(name, flat, 0.01)
        ends[name] = _walk(optimizer, flat, 30)
        state = optimizer.state[flat]
        sizes[name] = sum(
            t.nbytes for k, t in state.items() if torch.is_tensor(t) and "qm" not in k
        )
    difference = torch.linalg.norm(ends["adamw8bit"] - ends["adamw"])
    assert difference < 0.1 * torch.linalg.norm(ends["adamw"])
    assert sizes["adamw8bit"] < 0.27 * sizes["adamw"]


def test_an_optimiser_that_begins_anew_steps_as_a_new_one():
    flat = nn.Parameter(torch.zeros(NUMEL))
    optimizer = make_local_optimizer("adamw8bit", flat, 0.5, weight_decay=0.1)
    _walk(optimizer, flat, 7)
    begin_anew(optimizer, 0.01, 0.0)
    again = _walk(optimizer, flat, 5)
    other = nn.Parameter(torch.zeros(NUMEL))
    torch.testing.assert_close(
        again, _walk(make_local_optimizer("adamw8bit", other, 0.01), other, 5)
    )


def test_a_round_learns_with_8_bit_moments(make_run):
    algorithm = make_algorithm("fedavg", local_steps=3, learning_rate=0.05, optimizer="adamw8bit")
    run = make_run(2, algorithm=algorithm)
    run.fed.model.set_state(run.state.model)
    before = run.fed.model.accuracy()
    run.go(5)
    run.fed.model.set_state(run.state.model)
    assert run.fed.model.accuracy() > before + 0.2


def test_what_cannot_be_is_said_with_the_remedy(monkeypatch):
    flat = nn.Parameter(torch.zeros(NUMEL))
    with pytest.raises(ValueError, match="needs cuda, not cpu: use adamw8bit"):
        make_local_optimizer("paged_adamw8bit", flat, 0.01)
    with pytest.raises(ValueError, match="does not run on meta: use adamw"):
        make_local_optimizer("adamw8bit", nn.Parameter(torch.zeros(3, device="meta")), 0.01)
    with pytest.raises(ValueError, match="optimizer must be one of adamw, sgd, adamw8bit"):
        make_algorithm("fedavg", local_steps=1, optimizer="adamw8")
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)  # as if it were not installed
    with pytest.raises(ValueError, match=r"pip install 'fedbytes\[bnb\]'"):
        make_local_optimizer("adamw8bit", flat, 0.01)


def test_an_optimiser_that_is_not_fused_on_a_device_steps_without():
    for device, fused in (("cpu", True), ("meta", False)):
        flat = nn.Parameter(torch.zeros(3, device=device))
        assert make_local_optimizer("adamw", flat, 0.1).defaults["fused"] is fused


def test_steps_that_a_build_of_the_library_lacks_are_refused_before_the_first(monkeypatch):
    functional = pytest.importorskip("bitsandbytes.functional")

    def lacking(*given, **options):
        raise RuntimeError("no kernel for this device")

    monkeypatch.setattr(functional, "optimizer_update_8bit_blockwise", lacking)
    local_optimizers._steps_in_8_bits.cache_clear()
    with pytest.raises(ValueError, match="'adamw8bit' does not step on this cpu: use adamw"):
        make_local_optimizer("adamw8bit", nn.Parameter(torch.zeros(NUMEL)), 0.01)
    local_optimizers._steps_in_8_bits.cache_clear()
