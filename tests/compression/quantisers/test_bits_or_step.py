"""A rate or a step, never both, within what the codec can code."""

import pytest

from fedbytes.compression import make_codec


@pytest.mark.parametrize(
    ("name", "bits", "step"),
    [
        ("ecsq", r"in \[0.05, 16\]", r"in \[1/4096, 64\]"),
        ("tcq", r"in \[0.05, 16\]", r"in \[1/4096, 64\]"),
        ("correlated", r"in \[0.05, 16\]", r"in \[1/4096, 64\]"),
        ("lora_klt", r"in \[0.02, 12\]", r"in \[1/1024, 16\]"),
    ],
)
def test_what_cannot_be_met_is_refused(name: str, bits: str, step: str) -> None:
    assert make_codec(name).bits is not None  # type: ignore[attr-defined]
    assert make_codec(name, step=1.0).bits is None  # type: ignore[attr-defined]
    for value in (0, -1.0, 17.0, float("nan")):
        with pytest.raises(ValueError, match=f"{name}: bits must be {bits}, got {value}"):
            make_codec(name, bits=value)
    for value in (0, 1e-4, 65.0, float("inf")):
        with pytest.raises(ValueError, match=f"{name}: step must be {step}, got {value}"):
            make_codec(name, step=value)
    with pytest.raises(ValueError, match=r"not both; got bits=1\.0, step=1\.0"):
        make_codec(name, bits=1.0, step=1.0)
