"""A rate or a step, never both, within what the codec can code."""

import pytest

from fedbytes.compression import make_codec


@pytest.mark.parametrize(
    ("name", "bits", "step"),
    [
        ("ecsq", "from 0.05 to 16", r"from 2\^-12 to 64"),
        ("tcq", "from 0.05 to 16", r"from 2\^-12 to 64"),
        ("correlated", "from 0.05 to 16", r"from 2\^-12 to 64"),
        ("lora_klt", "from 0.02 to 12", r"from 2\^-10 to 16"),
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
