"""A layout cut into fragments of whole tensors, that take turns on the wire."""

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from fedbytes.compression.layout import Layout

_LAYER = re.compile(r"(?:^|\.)(\d+)(?:\.|$)")


@dataclass(frozen=True)
class Fragment:
    """Some tensors of a vector, in its order, as a vector of their own."""

    layout: Layout
    places: tuple[slice, ...]

    def take(self, whole: Tensor) -> Tensor:
        """Return a copy of the fragment [layout.numel] of `whole`."""
        return torch.cat([whole[place] for place in self.places])

    def put(self, part: Tensor, whole: Tensor) -> None:
        """Write the fragment's values into `whole`."""
        sizes = [place.stop - place.start for place in self.places]
        for place, piece in zip(self.places, torch.split(part, sizes), strict=True):
            whole[place] = piece


def make_fragments(layout: Layout, count: int) -> list[Fragment]:
    """Return `count` fragments that cover the layout: layer l goes to fragment l mod count.

    A tensor's layer is the first number in its name. Tensors without one (embeddings, the last
    norm) go, largest first, to the fragment that is smallest then.

    Raises:
        ValueError: if a fragment would be empty.
    """
    sizes = {name: piece.stop - piece.start for name, piece in layout.slices().items()}
    owner: dict[str, int] = {}
    filled = [0] * count
    loose = []
    for name, size in sizes.items():
        layer = _LAYER.search(name)
        if layer is None:
            loose.append(name)
            continue
        owner[name] = int(layer[1]) % count
        filled[owner[name]] += size
    for name in sorted(loose, key=lambda name: (-sizes[name], name)):
        owner[name] = filled.index(min(filled))
        filled[owner[name]] += sizes[name]
    if min(filled) == 0:
        most = sum(size > 0 for size in filled)
        raise ValueError(
            f"fragments={count} leaves some without a tensor: set fragments to {most} at most"
        )
    return [_fragment(layout, [n for n in sizes if owner[n] == f]) for f in range(count)]


def _fragment(layout: Layout, names: list[str]) -> Fragment:
    slices, shapes = layout.slices(), layout.shapes
    return Fragment(
        Layout({name: shapes[name] for name in names}), tuple(slices[name] for name in names)
    )
