"""One flat trained vector, its loss and its evaluation: a base model, an adapter and a task."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fedbytes.compression.layout import Layout
from fedbytes.data.tokens.encoded import EncodedSplit, EncodedTask, Rows
from fedbytes.models.adapter import AnyInitial
from fedbytes.models.adapter_parts.lora_layers import LoraLayers
from fedbytes.models.base.base_model import BaseInfo
from fedbytes.models.base.device import autocast
from fedbytes.models.batching import Batch, make_batch, shuffled_batches
from fedbytes.models.constant_states.split_states import KEPT_SPLITS, SplitStates
from fedbytes.models.flat_vector import bind_flat_vector
from fedbytes.models.frozen_layers import FrozenLayers
from fedbytes.models.frozen_layers_cache import OnProgress
from fedbytes.models.heads.evaluation import (
    WHOLE,
    MeasuredBatch,
    Part,
    batch_token_loss,
    classification_metrics,
    measure_batches,
    share_right,
    token_metrics,
)
from fedbytes.models.heads.generation import Answer, answer_prompts, score_answers
from fedbytes.models.heads.network import Classifier, LanguageModel
from fedbytes.models.heads.verbaliser import Verbaliser
from fedbytes.models.initialisers import draw_tensors
from fedbytes.models.shifted_embeddings import Shift, shifted_embeddings
from fedbytes.models.side_by_side.stacked_clients import StackedClients
from fedbytes.models.side_by_side.stacked_vectors import StackedVectors
from fedbytes.streams import stream

SplitName = Literal["train", "test"]


class TrainableModel:
    """A model whose trained tensors are views into one vector; `build_model` returns one.

    Its modules stay in evaluation mode: dropout would draw from a global generator.

    Attributes:
        layout: names and shapes of the trained tensors, in the vector's order.
        flat: the trained vector, float32 [layout.numel]; `flat.grad` is set and must stay so.
        task: the tokens that it is trained and tested on.
        info: size and digest of the base model.
        device: where it runs.
        dtype: type of matrix products.
        seed: the seed of `initial_state`.
        answers: answers that the model generated at the last evaluation.
        right: of a classification, bool [texts]: what was right at the last evaluation.
        measured_elsewhere: in place of `measure_batches` of whole splits, where other processes do.
        constant_states: after its constant layers, of each split; None where all layers run.
        lora: the layers with LoRA factors, and the offsets of their base weights.
        keeps_no_states: whether its constant layers run in every step, because their states depend
            on more than a text's tokens.
        one_at_a_time: why clients cannot be trained side by side; empty where they can.
        scratch: a cache for code that works with the model. Nothing in it may change a result: a
            missing key is computed again, and checkpoints do not include it.
    """

    def __init__(
        self,
        network: Classifier | LanguageModel | Verbaliser,
        initial: Mapping[str, AnyInitial],
        task: EncodedTask,
        info: BaseInfo,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        seed: int = 0,
    ) -> None:
        self.network = network.eval()
        self.task = task
        self.info = info
        self.device = device
        self.dtype = dtype
        self.seed = seed
        parameters = dict(network.named_parameters())
        self._initials = list(initial.values())
        self._start = [parameters[name].detach() for name in initial]
        self.flat: nn.Parameter
        self.layout: Layout
        sent = {name: _sent_name(name) for name in initial}
        self.flat, self.layout = bind_flat_vector(network, sent, device)
        self._sent = sent
        self.lora = LoraLayers(network, sent, device)
        self.constant_states: SplitStates | None = None
        self._others: dict[str, EncodedSplit] = {}
        self._shifted = False
        self._state_shift: Shift | None = None
        self.answers: list[Answer] = []
        self.right: npt.NDArray[np.bool_] | None = None
        self.measured_elsewhere: Callable[[str], Iterable[MeasuredBatch]] | None = None
        self.keeps_no_states = False
        self.one_at_a_time = "it was not built to"
        self.scratch: dict[str, Any] = {}
        self.set_state(self.initial_state)

    @property
    def vocabulary(self) -> int:
        """Size of the base model's vocabulary."""
        config: Any = self.network.backbone.config
        return int(config.get_text_config().vocab_size)

    @property
    def initial_state(self) -> Tensor:
        """The initial vector of this model's seed, on the CPU."""
        return self.draw_initial(self.seed)

    def draw_initial(self, seed: int) -> Tensor:
        """Return the initial vector of a seed, float32 [layout.numel], on the CPU."""
        rngs = [stream(seed, "initial adapter", index) for index in range(len(self._start))]
        values = draw_tensors(self._initials, self._start, rngs)
        return torch.cat([v.reshape(-1).float().cpu() for v in values] or [torch.empty(0)])

    def get_state(self) -> Tensor:
        """Return a copy of the trained vector."""
        return self.flat.detach().clone()

    def set_state(self, state: Tensor) -> None:
        """Load a trained vector [layout.numel].

        Raises:
            ValueError: if it has another shape.
        """
        if state.shape != self.flat.shape:
            raise ValueError(f"state has shape {tuple(state.shape)}, not {tuple(self.flat.shape)}")
        self.flat.data.copy_(state)

    @contextmanager
    def side_by_side(self, starts: Tensor) -> Iterator[StackedClients]:
        """Have several clients' vectors in the model's place within a block.

        Args:
            starts: a vector of each [clients, layout.numel].

        Raises:
            ValueError: if what is trained of the model cannot be several clients'.
        """
        if self.one_at_a_time:
            raise ValueError(f"clients cannot train side by side: {self.one_at_a_time}")
        vectors = StackedVectors(self.network, self._sent, self.layout, starts, self.device)

        def score(batch: Batch) -> Tensor:
            with autocast(self.device, self.dtype):
                return self._score(batch)

        with vectors.in_place():
            yield StackedClients(vectors, score, self._split("train"), self.device)

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean loss of a batch, per example or per next token.

        `backward()` adds into `flat.grad`.
        """
        with autocast(self.device, self.dtype):
            scores = self._score(batch)
        if batch.labels is not None:
            return F.cross_entropy(scores.float(), batch.labels)
        nll, count = batch_token_loss(scores, batch)
        return nll / count.clamp(min=1)

    @property
    def trains_features(self) -> bool:
        """Whether it is a classifier with trained parameters below its head."""
        return isinstance(self.network, Classifier) and any(
            not name.startswith("head.") for name in self.layout.names
        )

    def features(self, batch: Batch) -> Tensor:
        """Return a classifier's pooled states, float32 [batch, hidden], with a graph.

        Raises:
            ValueError: for a language model, which has none.
        """
        network = self.network
        if not isinstance(network, Classifier):
            raise ValueError("a causal-lm model has no pooled features: set a classification task")
        with autocast(self.device, self.dtype):
            found = self._run(lambda: network.features(batch.tokens, batch.mask), batch)
        return found.float()

    def loss_of(self, features: Tensor, batch: Batch) -> Tensor:
        """Return the mean loss of a batch whose `features` [batch, hidden] are known."""
        assert isinstance(self.network, Classifier)
        assert batch.labels is not None
        with autocast(self.device, self.dtype):
            scores = self.network.head(features)
        return F.cross_entropy(scores.float(), batch.labels)

    def predictions(self, batch: Batch) -> Tensor:
        """Return log-probabilities, float32 [predictions, classes], with a graph.

        They are of each example's classes, or of the vocabulary at each token to be predicted.
        """
        with autocast(self.device, self.dtype):
            scores = self._score(batch)
        if batch.labels is None:
            scores = scores[:, :-1][batch.targets[:, batch.scores_from :][:, 1:].bool()]
        return F.log_softmax(scores.float(), dim=-1)

    def score_tokens(self, tokens: Tensor, mask: Tensor, scores_from: int = 0) -> Tensor:
        """Return the scores of any texts, with a graph; all layers run.

        Args:
            tokens: int64 [batch, time].
            mask: int64 [batch, time], 1 for tokens and 0 for padding on the right.
            scores_from: of a causal-lm model, the index from which scores are needed.

        Returns:
            float32 [batch, classes], or of next tokens [batch, time - scores_from, vocabulary].
        """
        options = {"scores_from": scores_from} if scores_from else {}
        with autocast(self.device, self.dtype):
            scores: Tensor = self.network(tokens, mask, **options)
        return scores.float()

    @property
    def embedding(self) -> Tensor:
        """The vectors of all tokens [vocabulary, width], as the model reads them."""
        backbone: Any = self.network.backbone
        weight: Tensor = backbone.get_input_embeddings().weight
        return weight.detach()

    @contextmanager
    def shifted_inputs(self, shift: Shift, states: bool = False) -> Iterator[None]:
        """Have the model read shifted inputs of its layers, within a block.

        They are the embeddings of tokens, and all layers run: the kept states of constant layers
        are those of the texts alone.

        Args:
            shift: given the inputs [batch, time, width] and their mask [batch, time].
            states: shift the kept states instead, which are the inputs of the lowest trained
                layer; embeddings where none are kept.
        """
        before = self._shifted, self._state_shift
        try:
            if states and self.keeps_states:
                self._state_shift = shift
                yield
            else:
                self._shifted = True
                with shifted_embeddings(self.network.backbone, shift):
                    yield
        finally:
            self._shifted, self._state_shift = before

    @property
    def keeps_states(self) -> bool:
        """Whether it has constant layers whose states are computed once."""
        return self.constant_states is not None

    def batches(
        self,
        indices: Rows,
        batch_size: int,
        rng: np.random.Generator,
        split: SplitName = "train",
    ) -> Iterator[Batch]:
        """Yield shuffled batches of the examples at `indices` without end, epoch after epoch.

        The last batch of an epoch is smaller if `batch_size` does not divide their number.

        Raises:
            ValueError: if there are no examples, `batch_size` is below 1, or the task's documents
                are not packed yet.
        """
        if self.task.unpacked and split == "train":
            raise ValueError("pack the task before training: fedbytes.data.pack(task, parts)")
        data = self._split(split)
        for rows in shuffled_batches(indices, batch_size, rng):
            yield make_batch(data, rows, self.device)

    def evaluate(self, split: SplitName = "test") -> dict[str, float]:
        """Return the metrics on a split.

        Returns:
            `accuracy`, `macro_f1` and `loss` for classification; `loss` (nats per token) and
            `perplexity` for causal-lm, and `bits_per_byte` of text where texts are packed. For
            instruction tuning, loss and perplexity are those of the answers' tokens; the test split
            adds `exact_match` and `rouge_l` of generated answers, which are kept in `answers`, and
            the metrics that its conversations count for, if the task says so.
        """
        data = self._split(split)
        measured = (self.measured_elsewhere or self.measure_batches)(split)
        if data.labels is None:
            measures = self.task.measures if split == "test" else None
            found = token_metrics(measured, data, measures=measures)
        else:
            found, right = classification_metrics(measured, data)
            self.right = right if split == "test" else self.right
        if split == "test" and self.task.generation is not None:
            with autocast(self.device, self.dtype):
                self.answers = answer_prompts(self.network.backbone, self.task, self.device)
            found |= score_answers(self.answers)
        return found

    def share_right(self, rows: EncodedSplit) -> float:
        """Return the share of a split's examples that the model gets right.

        That is the class, or every learned token of a text, as greedy decoding would write it.

        Args:
            rows: of any texts; it keeps its name, by which constant layers' states are kept.

        Raises:
            ValueError: if its name is that of another split.
        """
        if self._others.setdefault(rows.name, rows) is not rows or rows.name in KEPT_SPLITS:
            raise ValueError(f"there is another split of the name {rows.name!r}: give its own")
        return share_right(self._score, rows, self.device, self.dtype)

    def evaluate_rows(self, rows: Rows, split: SplitName = "test") -> dict[str, float]:
        """Return the metrics on some examples of a split, at least one; nothing is generated.

        Args:
            rows: indices of the examples.
            split: which split they are of.
        """
        data, measured = self._split(split), self.measure_batches(split, rows)
        if data.labels is None:
            return token_metrics(measured, data, rows)
        return classification_metrics(measured, data, rows)[0]

    def measure_batches(
        self, split: str, rows: Rows | None = None, part: Part = WHOLE
    ) -> list[MeasuredBatch]:
        """Return what metrics are made of: what is measured on each batch of a split, in order.

        Args:
            split: train or test.
            rows: indices of some of its examples; all by default.
            part: which of the batches; all by default.
        """
        where = self._split(split), self.device, self.dtype
        asked = split == "test" and rows is None and self.task.measures is not None
        return measure_batches(self._score, *where, rows, part, answers=asked)

    def prepare(self, on_progress: OnProgress | None = None) -> None:
        """Compute the constant layers' states of both splits now, unless they are on disk.

        Otherwise each split's are computed on first use, which can take minutes.

        Args:
            on_progress: called as `on_progress(split name, tokens done, all tokens)` meanwhile.

        Raises:
            ValueError: if the cache folder cannot be written.
        """
        if self.constant_states is not None:
            self.constant_states.prepare(on_progress)

    def use_frozen_layers(self, layers: FrozenLayers) -> None:
        """Keep the states after these constant layers, instead of computing them every time."""
        splits = {name: self._split(name) for name in KEPT_SPLITS}
        where = self.info.digest, self.device, self.dtype
        self.constant_states = SplitStates(layers, splits, *where)

    def run_whole(self) -> None:
        """Run all layers in every step from now on."""
        if self.constant_states is not None:
            self.constant_states.detach()
            self.constant_states = None

    def _score(self, batch: Batch) -> Tensor:
        options = {"scores_from": batch.scores_from} if batch.scores_from else {}
        return self._run(lambda: self.network(batch.tokens, batch.mask, **options), batch)

    def _run(self, call: Callable[[], Tensor], batch: Batch) -> Tensor:
        kept = self.constant_states
        if kept is None or self._shifted or batch.split not in KEPT_SPLITS:
            return call()
        return kept.run(batch, call, self._state_shift)

    def _split(self, name: str) -> EncodedSplit:
        if name in self._others:
            return self._others[name]
        if name not in KEPT_SPLITS:
            raise ValueError(f"split must be train or test, got {name!r}")
        return self.task.train if name == "train" else self.task.test


def _sent_name(name: str) -> str:
    return name.removeprefix("backbone.").replace(".default", "")
