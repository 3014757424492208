"""Rules: another codec for each tensor, layer or factor, by name."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar

import numpy as np

from fedbytes.compression.codec import CODECS, Codec, Floats, Payload
from fedbytes.compression.codecs.rules.layout_part import LayoutPart
from fedbytes.compression.coding.reader import Reader, pack_count
from fedbytes.compression.layout import Layout, Shared


@dataclass(frozen=True)
class Rule:
    """The codec of the tensors whose names match.

    Attributes:
        match: a shell pattern over a tensor's whole name, such as `*lora_A*` or `*layer.5.*`.
        codec: what codes them, all in one vector.
    """

    match: str
    codec: Codec


@CODECS.register("rules")
@dataclass(frozen=True)
class Rules(Codec):
    """Tensors go to the codec of the first rule that matches their name.

    Wire: for each rule that has tensors, in order, the bytes of its codec over them, each but the
    last after its length as a count. A codec's randomness is drawn anew for each rule.

    Unbiased, or contracts, where every rule's codec does.

    Attributes:
        rules: at least one; the last often matches `*`, since a tensor without a rule is an error.

    Example:
        >>> exact, rest = {"match": "*bias", "codec": "fp32"}, {"match": "*", "codec": "sign"}
        >>> codec = make_codec("rules", rules=[exact, rest])
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0], {"w": (3,), "bias": (1,)})
        (14, [1.5, -1.5, 1.5, 2.0])
    """

    rules: tuple[Rule, ...] = ()
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {
            "rules": [
                {"match": "*a*", "codec": {"name": "ecsq", "bits": 1.0}},
                {"match": "*", "codec": {"name": "int", "bits": 4}},
            ]
        },
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.rules:
            raise ValueError("rules: give at least one of {match: …, codec: …}")

    @property
    def exact(self) -> bool:
        """Whether every rule's codec is."""
        return all(rule.codec.exact for rule in self.rules)

    @property
    def unbiased(self) -> bool:
        """Whether every rule's codec is."""
        return all(rule.codec.unbiased for rule in self.rules)

    @property
    def contracts(self) -> bool:
        """Whether every rule's codec does: the errors of disjoint parts add up."""
        return all(rule.codec.contracts for rule in self.rules)

    @property
    def uses_reference(self) -> bool:
        """Whether a rule's codec does."""
        return any(rule.codec.uses_reference for rule in self.rules)

    def _parts(self, layout: Layout) -> list[tuple[int, LayoutPart]]:
        """Return the place of each rule that has tensors, and these."""
        named: dict[int, list[str]] = {}
        for name in layout.names:
            place = next((i for i, r in enumerate(self.rules) if fnmatchcase(name, r.match)), None)
            if place is None:
                raise ValueError(f"rules: none matches tensor {name!r}; end with match='*'")
            named.setdefault(place, []).append(name)
        return [(place, LayoutPart(layout, named[place])) for place in sorted(named)]

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        pieces: list[bytes | memoryview] = []
        for place, part in self._parts(shared.layout):
            inner = part.shared(shared, "rules", place)
            body = self.rules[place].codec.encode_body(part.gather(x), inner)
            pieces += [pack_count(len(body)), body]
        return b"".join(pieces[:-2] + pieces[-1:])

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        reader = Reader(data, self.name)
        y = np.zeros(shared.layout.numel, np.float32)
        parts = self._parts(shared.layout)
        for i, (place, part) in enumerate(parts):
            last = i == len(parts) - 1
            size = reader.left if last else reader.count("length of a part", reader.left)
            body = reader.take(size, "part")
            codec = self.rules[place].codec
            part.scatter(codec.decode_body(body, part.shared(shared, "rules", place)), y)
        reader.end()
        return y
