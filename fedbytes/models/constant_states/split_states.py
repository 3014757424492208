"""A model's batches run from the states after its constant layers, kept for each split."""

from collections.abc import Callable, Mapping
from contextlib import suppress

import torch
from torch import Tensor

from fedbytes.data.tokens.encoded import EncodedSplit
from fedbytes.models.base.device import autocast
from fedbytes.models.batching import Batch
from fedbytes.models.frozen_layers import FrozenLayers
from fedbytes.models.frozen_layers_cache import HiddenStates, OnProgress, open_hidden_states
from fedbytes.models.shifted_embeddings import Shift
from fedbytes.process.leases.lease import HeldError

KEPT_SPLITS = ("train", "test")


class SplitStates:
    """The states of a model's two splits; each split's are opened on first use.

    Args:
        layers: the constant layers.
        splits: the tokens of the train and the test split, by name.
        digest: names the weights.
        device: where the layers are run.
        dtype: type of matrix products.
    """

    def __init__(
        self,
        layers: FrozenLayers,
        splits: Mapping[str, EncodedSplit],
        digest: str,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._layers, self._splits = layers, splits
        self._digest, self._device, self._dtype = digest, device, dtype
        self._opened: dict[str, HiddenStates | None] = {}

    def open(
        self, split: str, on_progress: OnProgress | None = None, wait: bool = True
    ) -> HiddenStates | None:
        """Return a split's states, computed now if no process has before; None if they do not fit.

        Args:
            split: train or test.
            on_progress: called as `on_progress(split name, tokens done, all tokens)` meanwhile.
            wait: whether to wait for another process that is computing them.

        Raises:
            ValueError: if the cache folder cannot be written.
            HeldError: if another process is computing them and `wait` is false.
        """
        if split not in self._opened:
            data = self._splits[split]
            digest = f"{self._digest} {self._dtype}"
            with autocast(self._device, self._dtype):
                self._opened[split] = open_hidden_states(
                    self._layers, data, digest, self._device, on_progress, wait
                )
        return self._opened[split]

    def prepare(self, on_progress: OnProgress | None = None) -> None:
        """Open both splits' states now; several processes share the work."""
        for split in KEPT_SPLITS:  # two processes share the work: each takes a free split
            with suppress(HeldError):
                self.open(split, on_progress, wait=False)
        for split in KEPT_SPLITS:
            self.open(split, on_progress)

    def run(self, batch: Batch, call: Callable[[], Tensor], shift: Shift | None = None) -> Tensor:
        """Return `call()` with a batch's states in place of the constant layers.

        Args:
            batch: of the train or the test split.
            call: runs the model on it.
            shift: given the states [batch, time, width] and their mask, returns those to go on
                with; they are computed for it where none are kept.
        """
        states = self.open(batch.split)
        known = None if states is None else states.gather(batch)
        if shift is not None:
            if known is None:
                with torch.no_grad():
                    known = self._layers.compute_states(batch)
            known = shift(known, batch.mask)
        return self._layers.run(known, call)

    def detach(self) -> None:
        """Have the model run all its layers again."""
        self._layers.detach()
