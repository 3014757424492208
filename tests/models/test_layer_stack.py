"""Which modules are a model's layers."""

from types import SimpleNamespace

import pytest
from torch import nn

from fedbytes.models import make_adapter
from fedbytes.models.layer_stack import describe_missing_stack, find_layers


class Model(nn.Module):
    """A model whose layers are the given lists."""

    def __init__(self, count, **lists):
        super().__init__()
        self.config = SimpleNamespace(num_hidden_layers=count, model_type="some")
        for name, layers in lists.items():
            setattr(self, name, nn.ModuleList(layers))


def linear(count):
    return [nn.Linear(2, 2) for _ in range(count)]


def test_the_list_of_one_class_comes_before_one_of_several():
    mixed = [nn.Linear(2, 2), nn.Conv1d(2, 2, 1), nn.Linear(2, 2)]
    assert find_layers(Model(3, mixed=mixed))[0] == "mixed"
    assert find_layers(Model(3, mixed=mixed, alike=linear(3)))[0] == "alike"
    assert find_layers(Model(3, few=linear(2), many=linear(4))) == ("", [])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Model(3, layers=linear(1) * 3), r"the 3 layers of model type 'some' are shared \(1 in"),
        (Model(4, layers=linear(2)), r"the 4 layers of model type 'some' are shared \(2 in"),
        (Model(4, a=linear(2), b=linear(2)), "of type 'some' has no single list of its layers"),
        (Model(None, a=linear(2)), "of type 'some' has no single list of its layers"),
    ],
)
def test_layers_that_cannot_be_told_apart_are_adapted_all(model, message):
    assert find_layers(model) == ("", [])
    for layers in (1, [0]):
        lora = make_adapter({"name": "lora", "layers": layers, "rank": 1})
        with pytest.raises(ValueError, match=f"{message}.*: set adapter.layers=all"):
            lora.attach(model)
    assert make_adapter({"name": "lora", "rank": 1}).attach(model)
    assert describe_missing_stack(model)
