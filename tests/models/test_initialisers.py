import numpy as np
import pytest
import torch

from fedbytes.models import JointInitial, build_model
from fedbytes.models.initialisers import draw_tensors, draw_uniform, fill_ones
from fedbytes.streams import stream


class Pair(JointInitial):
    """Two values, the second of which is the first's negative."""

    def draw(self, rngs, tensors):
        value = torch.from_numpy(rngs[0].normal(size=tensors[0].shape))
        return [value, -value]


def test_tensors_drawn_together_use_their_first_stream_wherever_they_are_named():
    one, two = Pair(), Pair()
    tensors = [torch.zeros(3)] * 5
    drawn = draw_tensors(
        [one, two, fill_ones, one, two], tensors, [stream(0, "t", i) for i in range(5)]
    )
    for first, second in ((0, 3), (1, 4)):
        wanted = torch.from_numpy(stream(0, "t", first).normal(size=3))
        assert torch.equal(drawn[first], wanted)
        assert torch.equal(drawn[second], -wanted)
    assert torch.equal(drawn[2], torch.ones(3))


def test_a_joint_initial_must_draw_all_its_tensors():
    one = Pair()
    with pytest.raises(ValueError, match="shorter"):
        draw_tensors([one] * 3, [torch.zeros(2)] * 3, [stream(0, "t", i) for i in range(3)])


@pytest.mark.parametrize(
    "adapter",
    [
        {"name": "peft", "method": "LOKR", "options": {"r": 2}},
        {"name": "prefix_tuning", "length": 3, "init": "random"},
    ],
    ids=str,
)
def test_one_draw_does_not_depend_on_those_before(adapter, colours):
    model = build_model("tiny-llama", adapter, colours)
    again = build_model("tiny-llama", adapter, colours)
    model.draw_initial(1)
    first = model.draw_initial(2)
    assert np.array_equal(first, again.draw_initial(2))
    assert not np.array_equal(first, again.draw_initial(1))


@pytest.mark.parametrize(("dim", "gain"), [(0, 1.0), (1, 1.0), (1, 3**0.5)])
def test_a_uniform_draw_is_bounded_by_the_size_of_its_dimension(dim, gain):
    like = torch.zeros(9, 400)
    drawn = draw_uniform(dim, gain)(stream(0, "test"), like)
    bound = gain / like.shape[dim] ** 0.5
    assert 0.99 * bound < float(drawn.abs().max()) <= bound + 1e-7
    assert float(drawn.mean()) == pytest.approx(0, abs=0.05 * bound)
