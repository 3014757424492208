"""Loads a kept model, and predicts with it as the run did."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from fedbytes.data.tokens.encoded import EncodedSplit
from fedbytes.data.tokens.token_rows import first_not_none, token_rows
from fedbytes.models.adapter import make_adapter
from fedbytes.models.base.base_model import load_base, load_tokenizer, read_base
from fedbytes.models.base.device import autocast, pick_device, pick_precision
from fedbytes.models.build import draw_frozen
from fedbytes.models.heads.evaluation import score_batches
from fedbytes.models.heads.generation import generate_tokens
from fedbytes.models.heads.network import Classifier, LanguageModel
from fedbytes.models.heads.verbaliser import Verbaliser
from fedbytes.models.kept.facts import HEAD, OWN, KeptFacts, read_facts
from fedbytes.models.model_config import ModelSpec, make_model_spec
from fedbytes.process.quiet import quiet_logger


@dataclass(frozen=True, eq=False)
class KeptModel:
    """A model from a folder that a run or `fedbytes export` wrote.

    Attributes:
        network: the model with its head, in evaluation mode.
        facts: what was written beside the weights.
        about: what was written about the run.
        tokenizer: the folder's.
        device, dtype: where and in what its products are computed.
    """

    network: Any
    facts: KeptFacts
    about: dict[str, Any]
    tokenizer: Any = field(repr=False)
    device: torch.device
    dtype: torch.dtype

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probability of each class for each text, float64 [texts, classes].

        Raises:
            ValueError: for a model that has no classes.
        """
        facts = self.facts
        if not facts.labels:
            raise ValueError("this model writes texts and has no classes: ask for its answers")
        found = np.zeros((len(texts), len(facts.labels)))
        if not len(texts):
            return found
        rows = token_rows(list(texts), self.tokenizer, "classification", facts.max_length)
        for batch, scores in score_batches(
            lambda batch: self.network(batch.tokens, batch.mask),
            *(_split(rows), self.device, self.dtype),
        ):
            found[batch.rows] = F.softmax(scores.double(), dim=1).cpu().numpy()
        return found

    def answers(self, texts: Sequence[str], max_new_tokens: int | None = None) -> list[str]:
        """Return what a language model writes after each text, greedily.

        Where it was trained on conversations, each text is a question in its chat template.

        Args:
            texts: the questions, or the beginnings of texts.
            max_new_tokens: most tokens of an answer; as in the run by default.

        Raises:
            ValueError: for a classifier.
        """
        facts, most = self.facts, max_new_tokens or self.facts.max_new_tokens
        if facts.labels:
            raise ValueError("this model is a classifier and writes nothing: ask for probabilities")
        prompts = [self._prompt(text) for text in texts]
        with autocast(self.device, self.dtype):
            found = generate_tokens(self.network.backbone, prompts, most, facts.ends, self.device)
        return [self.tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in found]

    def _prompt(self, text: str) -> list[int]:
        tokenizer = self.tokenizer
        if self.facts.chat:
            chat = [{"role": "user", "content": text}]
            text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        found = list(tokenizer([text], add_special_tokens=False)["input_ids"][0])
        begin = first_not_none(tokenizer.bos_token_id, tokenizer.eos_token_id)
        return found if self.facts.chat or begin is None else [begin, *found]


def load_kept(folder: str | Path, device: str = "auto") -> KeptModel:
    """Load the model that a run kept, or that was exported.

    Args:
        folder: with `fedbytes.json`; of a run, its folder `model`.
        device: as `model.device`.

    Raises:
        ValueError: if the folder is no kept model, its files were altered, or its base is another
            than the one that was trained.
    """
    from transformers import AutoTokenizer

    path = Path(folder).expanduser()
    facts, about = read_facts(path)
    spec = make_model_spec(facts.model)
    where = pick_device(device)
    tokenizer: Any = AutoTokenizer.from_pretrained(path)
    backbone: Any = _load_backbone(path, facts, spec, where)
    network = _with_head(backbone, path, facts).eval().requires_grad_(False)
    return KeptModel(network, facts, about, tokenizer, where, pick_precision(spec.precision, where))


def _load_backbone(path: Path, facts: KeptFacts, spec: ModelSpec, device: torch.device) -> Any:
    kind = "causal-lm" if facts.words else facts.kind
    if facts.form == "merged":
        return read_base(str(path.resolve()), kind, str(device)).model
    quantised = spec.quantisation(pick_precision(spec.precision, device))
    base = load_base(spec.name, kind, str(device), quantised)
    if base.info.digest != facts.base_digest:
        raise ValueError(
            f"model {spec.name!r} is another today than the one that {path} was trained on: "
            "restore it, or make the run anew with --remake"
        )
    if facts.form == "peft":
        return _with_peft(base.shared_copy(), path)
    adapter = make_adapter(facts.adapter).read(load_tokenizer(spec.name)[0])
    backbone = base.shared_copy()
    with torch.random.fork_rng(devices=[]):
        adapter.attach(backbone)
        draw_frozen(adapter, backbone, facts.seed)
    _fill(backbone, path / OWN)
    return backbone


def _with_peft(base: Any, path: Path) -> Any:
    """Return a base with the layers that peft saved, without peft's wrapping."""
    with quiet_logger("bitsandbytes"):  # which peft imports where it is installed
        from peft import PeftModel
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of attributes that peft looks at
        return PeftModel.from_pretrained(base, str(path)).base_model.model


def _with_head(backbone: Any, path: Path, facts: KeptFacts) -> nn.Module:
    if facts.words:
        return Verbaliser(backbone, facts.question, facts.words)
    if not facts.labels:
        return LanguageModel(backbone)
    width = _width(path / HEAD)
    network = Classifier(backbone, width, len(facts.labels), facts.last_token)
    _fill(network.head, path / HEAD)
    network.head.to(next(backbone.parameters()).device)
    return network


def _width(path: Path) -> int:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return int(file.get_slice("weight").get_shape()[1])


def _fill(module: nn.Module, path: Path) -> None:
    """Replace the named parameters of a module by those of a file; its others may be shared."""
    from safetensors.torch import load_file

    for name, value in load_file(path).items():
        parent, _, last = name.rpartition(".")
        home = module.get_submodule(parent)
        device = home.get_parameter(last).device
        home._parameters[last] = nn.Parameter(value.to(device), requires_grad=False)


def _split(rows: list[list[int]]) -> EncodedSplit:
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    tokens = np.concatenate([np.asarray(row, dtype=np.int32) for row in rows])
    return EncodedSplit("test", tokens, offsets, None, {}, "")
