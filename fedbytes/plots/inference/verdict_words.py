"""What a family of methods is said to be: better, equal, non-inferior, worse, or not shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Literal, TypeAlias

from fedbytes.plots.inference.holm import adjust_holm
from fedbytes.plots.inference.paired_tests import LEVEL, PairedTests
from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS, MOST_SEEDS, count_seeds

Word: TypeAlias = Literal["better", "equal", "non-inferior", "worse", "not shown", "no verdict"]
_HYPOTHESES = ("better", "equal", "non_inferior", "worse")


@dataclass(frozen=True)
class Verdict:
    """One method's verdict in its family.

    Attributes:
        word: the strongest that is shown: `better` than the baseline; `equal`, within the margin on
            both sides; `non-inferior`, no worse by the margin; `worse` by more than the margin;
            `not shown`; or `no verdict` below five seeds.
        p_non_inferior, p_better, p_equal, p_worse: adjusted by Holm over the family; NaN below
            five seeds.
        n, sd, margin: of the paired differences, and what they were tested with.
        step: the level at which the method would be tested next, Holm's hardest step among those
            that are not shown.
    """

    word: Word
    p_non_inferior: float
    p_better: float
    p_equal: float
    p_worse: float
    n: int = 0
    sd: float = nan
    margin: float = nan
    step: float = nan

    @property
    def seeds_needed(self) -> int | None:
        """The seeds that would show non-inferiority four times in five, if the difference is 0.

        None where something is shown or there is no verdict, for more than 10,000, and where the
        present ones are as many: then the difference itself is too near the margin.
        """
        seeds = self._planned()
        return None if seeds is None or seeds <= self.n else seeds

    def _planned(self) -> int | None:
        return count_seeds(self.sd, self.margin, level=self.step) if self.open else None

    @property
    def open(self) -> bool:
        """Whether there are seeds enough, and nothing is shown."""
        return self.word == "not shown"

    @property
    def sentence(self) -> str:
        """The verdict as a table's cell says it."""
        if not self.open:
            return self.word
        seeds = self._planned()
        if seeds is None:
            return f"not shown: more than n = {MOST_SEEDS:,} needed"
        if seeds <= self.n:
            return "not shown: too near the margin"
        return f"not shown: about n = {seeds} needed"


def decide(
    family: Sequence[PairedTests | None],
    margin: float,
    level: float = LEVEL,
    unknown: Sequence[bool] | None = None,
) -> list[Verdict]:
    """Return the verdict of each method of a family.

    Each word errs in at most `level` of families: Holm's adjustment is made for each of the four
    claims over all methods that have five seeds.

    Args:
        family: tests of each method; None for one without a test.
        margin: that the tests were made with.
        level: the family-wise error rate of each word.
        unknown: which methods lost a seed to a failure. Nothing good is shown of the survivors.
    """
    lost = list(unknown) if unknown is not None else [False] * len(family)
    tested = [i for i, found in enumerate(family) if found and found.n >= FEWEST_SEEDS]
    adjusted: dict[str, dict[int, float]] = {}
    for claim in _HYPOTHESES:
        raw = [
            1.0 if lost[i] and claim != "worse" else float(getattr(family[i], f"p_{claim}"))
            for i in tested
        ]
        adjusted[claim] = dict(zip(tested, adjust_holm(raw).tolist(), strict=True))
    still_open = sum(adjusted["non_inferior"][i] > level for i in tested)
    found = []
    for i, tests in enumerate(family):
        if tests is None or i not in adjusted["worse"]:
            found.append(Verdict("no verdict", nan, nan, nan, nan))
            continue
        p = {claim: adjusted[claim][i] for claim in _HYPOTHESES}
        found.append(
            Verdict(
                word=_strongest(p, level),
                p_non_inferior=p["non_inferior"],
                p_better=p["better"],
                p_equal=p["equal"],
                p_worse=p["worse"],
                n=tests.n,
                sd=tests.sd,
                margin=margin,
                step=level / max(1, still_open),
            )
        )
    return found


def _strongest(p: dict[str, float], level: float) -> Word:
    if p["better"] <= level:
        return "better"
    if p["equal"] <= level:
        return "equal"
    if p["non_inferior"] <= level:
        return "non-inferior"
    return "worse" if p["worse"] <= level else "not shown"
