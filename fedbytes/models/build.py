"""Build a trainable model from its configuration."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from fedbytes.data.chat_task import ChatTask
from fedbytes.data.task import Task, make_task
from fedbytes.data.tokens.encoded import GenerationOptions
from fedbytes.data.tokens.token_cache import EncodedTask, encode
from fedbytes.data.tokens.tokenizer_training import tokenizer_digest, trained_tokenizer
from fedbytes.models.adapter import ADAPTERS, Adapter, AnyInitial, make_adapter
from fedbytes.models.base.activation_checkpointing import checkpoint_layers
from fedbytes.models.base.base_model import Base, load_base, load_tokenizer
from fedbytes.models.base.device import pick_device, pick_precision
from fedbytes.models.base.family import TRAINED, Family, make_base
from fedbytes.models.base.offload import fetch_weights_on_use
from fedbytes.models.base.text_states import (
    check_weights_unwritten,
    measure_width,
    weight_versions,
)
from fedbytes.models.context_length import check_task_fits, check_tokens_known
from fedbytes.models.distributed.pipeline_parallel import Pipeline
from fedbytes.models.distributed.tensor_parallel import join_process_group, split_layers
from fedbytes.models.frozen_layers import FrozenLayers
from fedbytes.models.frozen_layers_check import states_can_be_kept
from fedbytes.models.heads.network import Classifier, LanguageModel
from fedbytes.models.heads.verbaliser import Verbaliser, encode_words, parse_words
from fedbytes.models.initialisers import draw_tensors
from fedbytes.models.layer_stack import lowest_trained_layer
from fedbytes.models.model_config import ModelSpec, make_model_spec
from fedbytes.models.side_by_side.fit import why_not_stacked
from fedbytes.models.trainable import TrainableModel
from fedbytes.streams import stream


def encode_task(
    task: str | Mapping[str, Any] | Task, model: str | Mapping[str, Any] | ModelSpec
) -> EncodedTask:
    """Return a task's texts as a model's tokens.

    Raises:
        ValueError: for a task or model that does not exist or cannot be read.
    """
    task, spec = make_task(task), make_model_spec(model)
    data = task.load()
    if spec.family is not None and spec.family.tokenizer == TRAINED:
        tokenizer = trained_tokenizer(data, spec.family.vocabulary)
        digest = tokenizer_digest(tokenizer)
    else:
        tokenizer, digest = load_tokenizer(spec.family.tokenizer if spec.family else spec.name)
    if not isinstance(task, ChatTask):
        encoded = encode(data, tokenizer, digest, task.kind, task.max_length, task.pack)
        return replace(encoded, holders=encoded.train.columns.get(task.holders))
    encoded = encode(data, tokenizer, digest, task.kind, task.max_length, template=task.template)
    encoded = replace(
        encoded,
        holders=encoded.train.columns.get(task.holders),
        measures=encoded.test.columns.get(task.measures),
    )
    if not task.generate_examples:
        return encoded
    return replace(
        encoded, generation=GenerationOptions(task.generate_examples, task.max_new_tokens)
    )


def build_model(
    model: str | Mapping[str, Any] | ModelSpec,
    adapter: str | Mapping[str, Any] | Adapter,
    task: EncodedTask,
    seed: int = 0,
    layer_cache: bool = True,
    prefix_cache: bool | None = None,
) -> TrainableModel:
    """Return a trainable model: the shared base, an adapter, and a head for the task.

    Args:
        model: name, folder or hub id, or `{"name": …, **fields of ModelSpec}`.
        adapter: name, or `{"name": …, **fields}`.
        task: what `encode_task` returned for the same model.
        seed: the run's seed; the initial state is drawn from its stream `initial adapter`.
        layer_cache: compute the layers below the lowest trained one once, and keep their output.
        prefix_cache: the former name of `layer_cache`.

    Raises:
        ValueError: for a model or adapter that does not exist or does not fit the task.
    """
    spec, chosen = make_model_spec(model), make_adapter(adapter)
    if spec.pipeline_parallel and task.generation is not None:
        raise ValueError(
            "pipeline_parallel has no key/value cache, which generation requires: set "
            "task.generate_examples=0"
        )
    if spec.processes:
        join_process_group(spec.device, spec.processes)
    device = pick_device(spec.device)
    dtype = pick_precision(spec.precision, device)
    if spec.family is None:
        chosen = chosen.read(load_tokenizer(spec.name)[0])
    kind = "causal-lm" if spec.head == "words" else task.kind
    home = "cpu" if spec.processes else str(device)
    base = (
        load_base(spec.name, kind, home, spec.quantisation(dtype), spec.offload)
        if spec.family is None
        else make_base(spec.family, task, device)
    )
    check_tokens_known(base.model, task, spec.name)
    versions = weight_versions(base.model)
    with torch.random.fork_rng(devices=[]):  # libraries draw initial values, which are not used
        network, initial = _assemble(base, chosen, task, spec, seed)
    question = len(network.question) if isinstance(network, Verbaliser) else 0
    check_task_fits(network.backbone, task, chosen.positions, question)
    pipeline = _pipelined(network.backbone, initial, spec) if spec.pipeline_parallel else None
    trainable = TrainableModel(network, initial, task, base.info, device, dtype, seed)
    trainable.one_at_a_time = why_not_stacked(chosen, spec)
    if pipeline is not None:
        pipeline.bind(network, trainable.flat)
        trainable.lora.spread = True
    # Processes that share a base must not wait for each other's caches.
    cached = layer_cache if prefix_cache is None else prefix_cache
    if cached and not spec.processes and spec.head == "linear":
        _keep_states(trainable, base, f"{ADAPTERS.spec(chosen)} {device} {task.digest}")
    check_weights_unwritten(base.model, versions, spec.name)
    return trainable


def _keep_states(trainable: TrainableModel, base: Base, what: str) -> None:
    """Compute constant layers once, if the model is found to allow it; `what` names the finding."""
    backbone = trainable.network.backbone
    depth = lowest_trained_layer(backbone)
    if not depth:
        return
    layers = FrozenLayers(backbone, depth)
    key = f"{depth} {what}"
    if key not in base.widths:
        kept = states_can_be_kept(layers, trainable.task, trainable.device)
        base.widths[key] = layers.width if kept else None
    width = base.widths[key]
    if width is None:
        layers.detach()
        trainable.keeps_no_states = True
        return
    layers.width = width
    trainable.use_frozen_layers(layers)


def _assemble(
    base: Base, adapter: Adapter, task: EncodedTask, spec: ModelSpec, seed: int
) -> tuple[Classifier | LanguageModel | Verbaliser, dict[str, AnyInitial]]:
    backbone = base.shared_copy()
    trained: Mapping[str, AnyInitial] = adapter.attach(backbone)
    draw_frozen(adapter, backbone, seed)
    _check_whole(backbone, trained, adapter.name, spec.quantise)
    if spec.offload is not None:
        fetch_weights_on_use(backbone, set(trained), pick_device(spec.device))
    if spec.tensor_parallel:
        split_layers(backbone, set(trained), pick_device(spec.device))
    if spec.gradient_checkpointing:
        checkpoint_layers(backbone)
    if spec.family is not None:
        trained = _drawn(spec.family, backbone, trained, adapter.name)
    initial: dict[str, AnyInitial] = {f"backbone.{name}": draw for name, draw in trained.items()}
    if task.kind == "causal-lm":
        if spec.head == "words":
            raise ValueError(
                "model.head=words requires a classification task (got kind: causal-lm)"
            )
        if not initial:
            raise ValueError(f"adapter {adapter.name!r} trains no parameter of a causal-lm task")
        return LanguageModel(backbone), initial
    if spec.head == "words":
        if not initial:
            raise ValueError(f"adapter {adapter.name!r} trains no parameter with model.head=words")
        words = parse_words(spec.words, task.label_names)
        tokenizer = load_tokenizer(spec.name)[0]
        return Verbaliser(backbone, *encode_words(tokenizer, spec.question, words)), initial
    width = (
        base.width
        if spec.offload is None
        else measure_width(backbone, spec.name, pick_device(spec.device))
    )
    last_token = spec.pooling == "last" or (spec.pooling == "auto" and base.info.decoder)
    network = Classifier(backbone, width, len(task.label_names), last_token)
    network.head.to(pick_device(spec.device))
    initial |= {f"head.{name}": draw for name, draw in network.head.initial().items()}
    return network, initial


def _pipelined(backbone: nn.Module, initial: Mapping[str, AnyInitial], spec: ModelSpec) -> Pipeline:
    """Keep only this process's layers of a base."""
    trained = {name.removeprefix("backbone.") for name in initial}
    return Pipeline(backbone, trained, pick_device(spec.device), spec.microbatches)


def _check_whole(
    backbone: nn.Module, trained: Mapping[str, AnyInitial], adapter: str, quantise: str
) -> None:
    held = dict(backbone.named_parameters())
    for name in trained:
        if not held[name].is_floating_point():
            raise ValueError(
                f"adapter {adapter!r} cannot train {name}, packed by quantise={quantise}: use an "
                "adapter such as lora, or remove quantise"
            )


def _drawn(
    family: Family, backbone: nn.Module, trained: Mapping[str, AnyInitial], adapter: str
) -> dict[str, AnyInitial]:
    """Return a family's initial values for its parameters, all of which must be trained."""
    if {*trained} != {name for name, _ in backbone.named_parameters()}:
        raise ValueError(
            f"model {family.name!r} starts from random weights, which must all be trained: use "
            f"adapter full (got {adapter!r})"
        )
    return {name: family.initial(name) for name in trained}


def draw_frozen(adapter: Adapter, backbone: nn.Module, seed: int) -> None:
    """Initialise the tensors that an adapter draws from a run's seed and never trains."""
    held = {**dict(backbone.named_parameters()), **dict(backbone.named_buffers())}
    frozen = adapter.frozen(backbone)
    tensors = [held[name] for name in frozen]
    rngs = [stream(seed, "frozen adapter", index) for index in range(len(tensors))]
    for tensor, value in zip(tensors, draw_tensors([*frozen.values()], tensors, rngs), strict=True):
        tensor.data.copy_(value)
