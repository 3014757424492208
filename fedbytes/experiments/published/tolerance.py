"""How far a metric of two makings of a run may be apart, by what it is a mean of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_OWN = "own_"
_CLASSES = "macro_f1"


@dataclass(frozen=True)
class Tolerance:
    """How far two makings of a run may be apart before they differ.

    Another processor or number of threads adds up in another order. The last bits of a model then
    differ, and where a codec rounds, a bit is enough to send another level; what a client keeps
    carries it on. In the end some test texts are answered otherwise: of every group of texts that
    a metric is a mean over, at most the fraction `share`, and always one (`allowed_share`).

    Attributes:
        share: of texts; metrics between 0 and 1, such as accuracy, follow from it.
        relative: of all others, such as losses and perplexity.
        bytes: relative difference of the bytes; entropy-coded messages differ in length.
    """

    share: float = 0.005
    relative: float = 0.02
    bytes: float = 0.01

    def __post_init__(self) -> None:
        for name in ("share", "relative", "bytes"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ValueError(f"the tolerance {name} must be from 0 to below 1, got {value:g}")


EXACT_LINKS = Tolerance(share=0.002, relative=0.002, bytes=0.0)
"""Of runs whose links are `fp32`: their messages have equal lengths."""


@dataclass(frozen=True)
class TestSizes:
    """How many test examples a run is measured with, as far as it is known.

    Attributes:
        classes: examples of each class that has any; of a task without classes, of all at once.
        clients: examples of each client's own tests, of those that have any.
    """

    __test__ = False  # no test case, whatever pytest takes from the name

    classes: Sequence[int] = ()
    clients: Sequence[int] = ()

    @classmethod
    def of(cls, provenance: Mapping[str, object], clients: Sequence[int] = ()) -> "TestSizes":
        """Return what a run's provenance says; runs from before it did say nothing of classes."""
        told = provenance.get("test_examples")
        sizes = told if isinstance(told, list) else []
        return cls(tuple(int(n) for n in sizes if n), tuple(n for n in clients if n))

    def or_of(self, other: "TestSizes") -> "TestSizes":
        """Return these, and what only another making of the run knows."""
        return TestSizes(self.classes or other.classes, self.clients or other.clients)


def allowed_share(metric: str, share: float, sizes: TestSizes) -> float:
    """Return how far a metric between 0 and 1 may be apart.

    A metric is a mean over groups of texts: accuracy over one group of all, macro-F1 over classes,
    `own_` metrics over clients. Of each group the fraction `share` may be answered otherwise, and
    always one text, so groups of few texts count: a class of 3 among 8 is good for 1/24 alone.
    The worst decile of clients is as its smallest. Where sizes are not known, ten times `share`
    is allowed for means over groups.

    Args:
        metric: the name of its column.
        share: fraction of texts, of each group.
        sizes: of the groups.

    Example:
        >>> r8 = TestSizes(classes=(336, 57, 488, 3, 33, 30, 23, 30))
        >>> allowed_share("accuracy", 0.005, r8)
        0.005
        >>> round(allowed_share("macro_f1", 0.005, r8), 3)
        0.063
    """
    classes = len(sizes.classes) or 1
    if metric.startswith(_OWN):
        groups = [n / classes if _CLASSES in metric else n for n in sizes.clients]
    elif metric == _CLASSES:
        groups = list(sizes.classes)
    else:
        return max(share, 1 / sum(sizes.classes)) if sizes.classes else share
    if not groups:
        return 10 * share
    parts = [min(1.0, max(share, 1 / n)) for n in groups]
    return max(parts) if "worst" in metric else sum(parts) / len(parts)
