"""Writes a trained model as a folder that peft or transformers load."""

import copy
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fedbytes.models.adapter import ADAPTERS, Adapter, KeptForm
from fedbytes.models.base.base_model import load_base
from fedbytes.models.base.base_places import base_place, lasting_name
from fedbytes.models.heads.generation import end_tokens
from fedbytes.models.heads.network import Classifier
from fedbytes.models.heads.verbaliser import Verbaliser
from fedbytes.models.kept.facts import HEAD, OWN, KeptFacts
from fedbytes.models.kept.merge_layers import merged_backbone
from fedbytes.models.model_config import ModelSpec, model_spec
from fedbytes.models.trainable import TrainableModel
from fedbytes.process.quiet import quiet_logger, quiet_transformers

_UNLIMITED = int(1e9)


def write_model(
    model: TrainableModel,
    spec: ModelSpec,
    adapter: Adapter,
    folder: Path,
    merge: bool,
    template: str | None = None,
) -> KeptFacts:
    """Write adapter or merged model, head and tokenizer; return what is needed beside them.

    From then on the model runs all its layers in every step.

    Args:
        model: the trained model, whose vector is what is kept.
        spec: of its base.
        adapter: what is trained of it.
        folder: where to; it exists, and nothing else is in it.
        merge: whether to write a whole model, with the adapter in its weights.
        template: the chat template of a task of conversations.

    Raises:
        ValueError: if it cannot be written in this form.
    """
    form = form_of(adapter, merge)
    network = model.network
    model.run_whole()
    with quiet_transformers():
        if form == "merged":
            _write_merged(network.backbone, model.task.kind, folder)
        elif form == "peft":
            _write_peft(model, spec, adapter, folder)
        else:
            _save({n: t for n, t in _trained(model).items() if not n.startswith("head.")}, folder)
        if isinstance(network, Classifier):
            _save(dict(network.head.named_parameters()), folder, HEAD)
        _write_tokenizer(model, folder, template)
    return _facts(model, spec, adapter, form, template)


def form_of(adapter: Adapter, merge: bool) -> KeptForm:
    """Return the form in which an adapter is kept.

    Raises:
        ValueError: if it has none, in one line that names what it has.
    """
    forms = adapter.kept_as
    beside: list[KeptForm] = [form for form in forms if form != "merged"]
    if merge and "merged" not in forms:
        raise ValueError(
            f"adapter {adapter.name!r} is no change of the base's weights and cannot be merged "
            "into them: set keep=adapter"
        )
    if not merge and not beside:
        raise ValueError(
            f"adapter {adapter.name!r} trains the base's own weights, so there is nothing beside "
            "it to keep: set keep=merged"
        )
    return "merged" if merge else beside[0]


def _trained(model: TrainableModel) -> dict[str, Tensor]:
    """Return the trained tensors by their names in the network, the backbone's without a prefix."""
    start = model.flat.data.untyped_storage().data_ptr()
    return {
        name.removeprefix("backbone."): parameter
        for name, parameter in model.network.named_parameters()
        if parameter.data.untyped_storage().data_ptr() == start
    }


def _write_merged(backbone: nn.Module, kind: str, folder: Path) -> None:
    merged = merged_backbone(backbone)
    if kind == "causal-lm":
        merged.config.use_cache = True
    merged.save_pretrained(folder)


def _write_peft(model: TrainableModel, spec: ModelSpec, adapter: Adapter, folder: Path) -> None:
    """Give a base peft's own layers, fill them with the trained ones, and have peft save them."""
    with quiet_logger("bitsandbytes"):  # which peft imports where it is installed
        from peft import PeftModel
        from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
        from peft.utils.peft_types import PeftType

    kind = "causal-lm" if spec.head == "words" else model.task.kind
    base = load_base(
        *(spec.name, kind, str(model.device), spec.quantisation(model.dtype), spec.offload)
    )
    bare: Any = base.shared_copy()
    method = adapter.as_peft(bare)
    make: Any = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(method.method)]
    config = make(
        **method.options,
        target_modules=list(method.modules),
        task_type="CAUSAL_LM" if kind == "causal-lm" else "FEATURE_EXTRACTION",
        base_model_name_or_path=base_place(spec.name, kind),
    )
    before = {id(tensor) for tensor in _tensors(bare).values()}
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of attributes that peft looks at
        peft: Any = PeftModel(bare, config)  # its own initial values are overwritten
    held = _tensors(peft.base_model.model)
    for name, tensor in _tensors(model.network.backbone).items():
        if name in held and id(held[name]) not in before:
            held[name].data.copy_(tensor.data)
    config.inference_mode = True
    peft.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)  # the run's own card takes its place


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    named = [*module.named_parameters(remove_duplicate=False)]
    return dict([*named, *module.named_buffers(remove_duplicate=False)])


def _save(tensors: dict[str, Any], folder: Path, name: str = OWN) -> None:
    from safetensors.torch import save_file

    held = {key: value.detach().cpu().clone().contiguous() for key, value in tensors.items()}
    save_file(held, folder / name, metadata={"format": "pt"})


def _write_tokenizer(model: TrainableModel, folder: Path, template: str | None) -> None:
    tokenizer: Any = copy.deepcopy(model.task.tokenizer)
    if tokenizer.model_max_length >= _UNLIMITED:
        tokenizer.model_max_length = model.task.max_length
    if template is not None:
        tokenizer.chat_template = template
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right" if model.task.label_names else "left"
    tokenizer.save_pretrained(folder)


def _facts(
    model: TrainableModel, spec: ModelSpec, adapter: Adapter, form: KeptForm, template: str | None
) -> KeptFacts:
    network, task = model.network, model.task
    words = network if isinstance(network, Verbaliser) else None
    end = task.tokenizer.eos_token_id
    return KeptFacts(
        form=form,
        kind=task.kind,
        model=model_spec(spec) | ({} if spec.family else {"name": lasting_name(spec.name)}),
        adapter=ADAPTERS.spec(adapter),
        base_digest="" if form == "merged" else model.info.digest,
        max_length=task.max_length,
        seed=model.seed,
        labels=list(task.label_names),
        last_token=isinstance(network, Classifier) and network.last_token,
        question=words.question.tolist() if words else [],
        words=words.words.tolist() if words else [],
        chat=template is not None,
        max_new_tokens=64 if task.generation is None else task.generation.max_new_tokens,
        ends=end_tokens(task) if template is not None else [] if end is None else [int(end)],
    )
