"""The contract of every model family, as checks that also run on plug-ins of your own."""

import math

import torch

from fedbytes.data.task import Kind
from fedbytes.data.tokens.encoded import EncodedTask
from fedbytes.data.tokens.token_cache import encode
from fedbytes.data.tokens.tokenizer_training import tokenizer_digest, trained_tokenizer
from fedbytes.models.base.base_model import load_tokenizer
from fedbytes.models.base.family import FAMILIES, TRAINED, Family, make_base
from fedbytes.models.build import build_model
from fedbytes.models.model_config import ModelSpec
from fedbytes.models.testing.tiny_task import MAX_LENGTH, colour_texts, require_learning
from fedbytes.models.trainable import TrainableModel
from fedbytes.streams import stream
from fedbytes.testing import Check, Finding, check_spec, no_global_random, require, run_checks

_SEED = 5


def check_family(family: Family) -> list[Finding]:
    """Run every contract check over a family: models are made of it, and take a step.

    Args:
        family: any instance, registered or not.
    """
    checks: list[Check] = [
        ("its spec rebuilds it", lambda: check_spec(FAMILIES, family)),
        ("makes a model", lambda: _check_model(family)),
        ("draws every parameter", lambda: _check_initial(family)),
        ("its seed alone decides the initial state", lambda: _check_seed(family)),
        ("leaves the global random state alone", lambda: _check_global_random(family)),
        ("starts as good as guessing", lambda: _check_start(family)),
        ("a step lowers the loss of next tokens", lambda: _check_step(family, "causal-lm")),
        ("a step lowers the loss of classes", lambda: _check_step(family, "classification")),
    ]
    return run_checks(checks)


def _task(family: Family, kind: Kind = "causal-lm") -> EncodedTask:
    data = colour_texts()
    if family.tokenizer == TRAINED:
        tokenizer = trained_tokenizer(data, family.vocabulary)
        return encode(data, tokenizer, tokenizer_digest(tokenizer), kind, MAX_LENGTH)
    return encode(data, *load_tokenizer(family.tokenizer), kind, MAX_LENGTH)


def _built(family: Family, kind: Kind = "causal-lm") -> TrainableModel:
    name = getattr(family, "name", type(family).__name__)
    spec = ModelSpec(name=name, family=family, device="cpu", precision="float32")
    return build_model(spec, "full", _task(family, kind), _SEED, prefix_cache=False)


def _check_model(family: Family) -> str:
    task = _task(family)
    base = make_base(family, task, torch.device("cpu"))
    vocabulary = int(base.model.config.get_text_config().vocab_size)
    tokens = len(task.tokenizer)
    require(vocabulary >= tokens, f"the model knows {vocabulary} tokens of {tokens}")
    return f"{base.info.parameters} parameters, {vocabulary} tokens"


def _check_initial(family: Family) -> str:
    base = make_base(family, _task(family), torch.device("cpu"))
    held = dict(base.model.named_parameters())
    for name, parameter in held.items():
        value = family.initial(name)(stream(_SEED, "check"), parameter.detach())
        same = value.shape == parameter.shape
        require(same, f"{name}: shape {tuple(value.shape)}, not {tuple(parameter.shape)}")
        require(value.is_floating_point(), f"{name}: {value.dtype} is no floating-point type")
        require(bool(torch.isfinite(value).all()), f"{name}: initial values are not finite")
    return f"{len(held)} tensors"


def _check_seed(family: Family) -> str:
    states = []
    for generator in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator)
            states.append(_built(family).draw_initial(_SEED))
    require(torch.equal(*states), "two models draw other initial values from one seed")
    return f"{states[0].numel()} numbers"


def _check_global_random(family: Family) -> str:
    _built(family)  # libraries that load on first use may draw
    with no_global_random():
        built = _built(family)
        built.draw_initial(_SEED)
        built.evaluate()
    return ""


def _check_start(family: Family) -> str:
    """A model that knows nothing must be about as good as one that guesses any token."""
    built = _built(family)
    built.set_state(built.draw_initial(_SEED))
    loss, guessing = built.evaluate()["loss"], math.log(built.vocabulary)
    require(math.isfinite(loss), f"the loss is {loss}")
    require(loss < 2 * guessing, f"the loss is {loss:.2f}, and {guessing:.2f} is that of guessing")
    return f"loss {loss:.2f}, that of guessing is {guessing:.2f}"


def _check_step(family: Family, kind: Kind) -> str:
    return require_learning(_built(family, kind))
