"""Every codec at every rate: the rows behind rate-distortion figures and tables."""

import dataclasses
import json
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fedbytes.compression.codec import CODECS, Codec, codec_names, codec_spec, make_codec
from fedbytes.compression.measurement.codec_measures import default_variants, measure, measure_round
from fedbytes.labels import short_label

DISTRIBUTIONS = ("gauss", "t3")
CLIENTS, CORRELATIONS = (4, 16, 64), (0.0, 0.2, 0.9)
_RATES: dict[str, tuple[float, ...]] = {
    "density": (0.01, 0.05, 0.1, 0.25),
    "bits": (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0),
}
_MEAN_NUMEL = 100_000  # coordinates for means of up to 64 vectors


@dataclass(frozen=True)
class Point:
    """One codec at one rate; `example` if it is one of the codec's own examples."""

    codec: Codec
    distribution: str
    example: bool


def survey_points(names: Sequence[str] = ()) -> list[Point]:
    """Return the points of a survey: the codecs' own examples, and a sweep of their rates.

    Args:
        names: codecs, or none for all.
    """
    chosen = [name for name in codec_names() if not names or name in names]
    found: dict[str, tuple[Codec, bool]] = {}
    for spec in default_variants():
        if spec["name"] in chosen:
            found.setdefault(_key(make_codec(spec)), (make_codec(spec), True))
    for name in chosen:
        for codec in _rates_of(name):
            found.setdefault(_key(codec), (codec, False))
    return [
        Point(codec, distribution, example)
        for codec, example in found.values()
        for distribution in DISTRIBUTIONS
    ]


def survey(points: Sequence[Point], numel: int = 1_000_000) -> Iterator[dict[str, Any]]:
    """Yield one row per point: its description and the results of `measure`."""
    for point in points:
        codec = point.codec
        row = measure(codec, numel=numel, distribution=point.distribution, repeats=3)
        yield {
            "codec": short_label(codec),
            "name": codec.name,
            "spec": _key(codec),
            "distribution": point.distribution,
            "example": point.example,
            "unbiased": codec.unbiased,
            "contracts": codec.contracts,
            "sparse": codec.sparse,
            **row,
        }


def survey_means(names: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield one row per codec, number of clients and correlation: the NMSE of the mean."""
    for point in survey_points(names):
        if not point.example or point.distribution != "gauss":
            continue
        for clients in CLIENTS:
            for correlation in CORRELATIONS:
                yield {
                    "codec": short_label(point.codec),
                    "name": point.codec.name,
                    "spec": _key(point.codec),
                    "unbiased": point.codec.unbiased,
                    "sparse": point.codec.sparse,
                    "clients": clients,
                    "correlation": correlation,
                    **measure_round(point.codec, clients, correlation, _MEAN_NUMEL),
                }


def _key(codec: Codec) -> str:
    return json.dumps(codec_spec(codec), separators=(",", ":"))


def _rates_of(name: str) -> Iterator[Codec]:
    """Yield a codec over the values of its `density`, or else of its `bits`, that it takes."""
    cls = CODECS.get(name)
    fields = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    rate = next((field for field in _RATES if field in fields), None)
    if rate is None:
        return
    for kept in _settings(cls.examples, rate):
        for value in _values(typing.get_type_hints(cls)[rate], _RATES[rate]):
            try:
                yield make_codec(name, **kept, **{rate: value})
            except ValueError:  # a rate that this codec does not have
                continue


def _settings(examples: Sequence[dict[str, Any]], rate: str) -> list[dict[str, Any]]:
    """Return the examples' settings besides the rate: all of the first, one field of others."""
    found: list[dict[str, Any]] = []
    for example in examples:
        kept = {key: value for key, value in example.items() if key not in (rate, "step")}
        if kept not in found and (not found or len(kept) == 1):
            found.append(kept)
    return found


def _values(hint: Any, rates: tuple[float, ...]) -> tuple[Any, ...]:
    """Return the values of a field to try: those of its Literal, or the rates as its type."""
    if typing.get_origin(hint) is typing.Literal:
        return typing.get_args(hint)
    whole = hint is int
    return tuple(int(rate) for rate in rates if rate == int(rate)) if whole else rates
