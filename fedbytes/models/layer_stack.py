"""The stack of layers of a model, whatever its architecture calls it."""

from torch import nn


def find_layers(model: nn.Module) -> tuple[str, list[nn.Module]]:
    """Return the name of the model's layer stack and its layers, or `("", [])`.

    The stack is the module list with as many members as the configuration has hidden layers: the
    first whose members are of one class, else the first. A list in which one layer stands several
    times is none, since its layers cannot be adapted apart.
    """
    count = _layer_count(model)
    lists = [
        (name, list(module))
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == count
    ]
    apart = [(name, layers) for name, layers in lists if len(set(layers)) == count]
    alike = [(name, layers) for name, layers in apart if len({type(it) for it in layers}) == 1]
    return next(iter([*alike, *apart]), ("", []))


def describe_missing_stack(model: nn.Module) -> str:
    """Return why `find_layers` finds no stack, as part of a message."""
    kind = getattr(getattr(model, "config", None), "model_type", type(model).__name__)
    count = _layer_count(model)
    members: dict[type[nn.Module], set[nn.Module]] = {}
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            for layer in module:
                members.setdefault(type(layer), set()).add(layer)
    members.pop(nn.ModuleList, None)
    most = max((len(found) for found in members.values()), default=0)
    if count is None or most >= count:
        return f"a model of type {kind!r} has no single list of its layers"
    return f"the {count} layers of model type {kind!r} are shared ({most} in its weights)"


def _layer_count(model: nn.Module) -> int | None:
    config = getattr(model, "config", None)
    count = getattr(config, "num_hidden_layers", None)
    return count if isinstance(count, int) else None


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
