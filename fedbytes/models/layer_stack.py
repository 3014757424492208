"""The stack of layers of a model, whatever its architecture calls it."""

from torch import nn


def find_layers(model: nn.Module) -> tuple[str, list[nn.Module]]:
    """Return the name of the model's layer stack and its layers, or `("", [])`.

    The stack is the module list with as many members, all of one class, as the configuration
    has hidden layers.
    """
    count = getattr(getattr(model, "config", None), "num_hidden_layers", None)
    for name, module in model.named_modules():
        if not isinstance(module, nn.ModuleList) or len(module) != count:
            continue
        if len({type(layer) for layer in module}) == 1:
            return name, list(module)
    return "", []


def lowest_trained_layer(model: nn.Module) -> int:
    """Return the index of the lowest trained layer; everything below it is constant.

    It is the number of layers if none is trained, and 0 if anything outside the stack is trained
    or no stack is found.
    """
    stack, layers = find_layers(model)
    lowest = len(layers)
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if not stack or not name.startswith(f"{stack}."):
            return 0
        lowest = min(lowest, int(name[len(stack) + 1 :].split(".", 1)[0]))
    return lowest
