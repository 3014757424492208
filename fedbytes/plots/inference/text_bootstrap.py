"""A bootstrap over seeds and test texts: both are samples of what could have been drawn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from fedbytes.plots.inference.paired_tests import LEVEL
from fedbytes.plots.inference.variance_components import split_variance
from fedbytes.streams import stream

RESAMPLES = 4_000
_BLOCK = 256  # draws at a time, which bounds the memory


@dataclass(frozen=True)
class TextBootstrap:
    """A mean difference with one-sided bounds over seeds and texts.

    Attributes:
        mean: of the differences.
        low, high: one-sided bounds at the level.
        seeds, texts: how many of each.
    """

    mean: float
    low: float
    high: float
    seeds: int
    texts: int


def bootstrap_texts(
    own: ArrayLike,
    baseline: ArrayLike,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> TextBootstrap:
    """Return bounds of a difference that hold for other seeds and for other texts.

    Seeds and texts are drawn with replacement independently of each other, and a cell's weight is
    the product of its row's and its column's (Owen 2007, "The pigeonhole bootstrap"). Such draws
    understate the spread of few seeds and overstate that of single cells, so the quantiles taken
    are those at which a normal with the draws' deviation has the bound of Student's t with the
    error of crossed means (as in Hesterberg 2015, "What Teachers Should Know About the
    Bootstrap", for one factor). The draws give the shape.

    Args:
        own: [seeds, texts] the method's score of each text in each run (right or wrong, or minus
            the loss); more is better.
        baseline: [seeds, texts] the baseline's, in the same order of seeds and texts.
        level: of each bound.
        resamples: of the bootstrap.
        seed: of the draws.

    Raises:
        ValueError: if the shapes differ, for fewer than two seeds or texts, or a score that is
            not finite.
    """
    first, second = (np.asarray(scores, dtype=np.float64) for scores in (own, baseline))
    if first.shape != second.shape or first.ndim != 2:
        raise ValueError(
            f"scores of method and baseline must be two tables of one shape, [seeds, texts], got "
            f"{list(first.shape)} and {list(second.shape)}"
        )
    gaps = first - second
    seeds, texts = gaps.shape
    if min(seeds, texts) < 2 or not np.isfinite(gaps).all():
        raise ValueError(
            f"a bootstrap over seeds and texts needs two of each and finite scores, got {seeds} "
            f"seeds and {texts} texts"
        )
    random = stream(seed, "bootstrap over seeds and texts")
    means = []
    for start in range(0, resamples, _BLOCK):
        size = min(_BLOCK, resamples - start)
        rows = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=size)
        columns = random.multinomial(texts, np.full(texts, 1 / texts), size=size)
        means.append(np.einsum("bs,sb->b", rows, gaps @ columns.T) / (seeds * texts))
    drawn, mean = np.concatenate(means), float(gaps.mean())
    spread, (error, degrees) = float(drawn.std()), split_variance(gaps).error_of_mean
    if spread <= 1e-12 * max(abs(mean), 1e-12):
        return TextBootstrap(mean, mean, mean, seeds, texts)
    tail = float(special.ndtr(special.stdtrit(degrees, level) * error / spread))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return TextBootstrap(mean, float(low), float(high), seeds, texts)
