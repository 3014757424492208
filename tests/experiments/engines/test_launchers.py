"""Every launcher keeps the contract: those that this host has not say so in one line."""

from typing import Any

import pytest

from fedbytes.experiments import LAUNCHERS
from fedbytes.experiments.engines.launcher_contract import check_launcher


@pytest.mark.parametrize("name", ["local", "slurm"])
def test_launchers_keep_their_contract(name: str) -> None:
    launcher = LAUNCHERS.make(name)
    if name == "slurm" and not launcher.refusal():
        pytest.skip("a cluster answers here: it is left to `make test-engines`")
    failed = [one for one in check_launcher(launcher) if not one.passed]
    assert not failed


@pytest.mark.parametrize(
    ("name", "extra"), [("ray", "ray"), ("dask", "dask"), ("submitit", "submitit")]
)
def test_an_engine_that_is_not_installed_names_its_extra(
    name: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = LAUNCHERS.make(name)
    monkeypatch.setattr("fedbytes.process.optional_imports.find_spec", lambda _: None)
    assert f"pip install 'fedbytes[{extra}]'" in launcher.refusal()
    assert "\n" not in launcher.refusal()


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"name": "slrum"}, "unknown launcher 'slrum'; did you mean 'slurm'"),
        ({"name": "slurm", "partitoin": "low"}, "did you mean 'partition'"),
        ({"name": "slurm", "notice": -1}, "notice must be in"),
        ({"name": "submitit", "cluster": "pbs"}, "must be one of slurm, local"),
    ],
)
def test_mistakes_are_named(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LAUNCHERS.make(spec)
