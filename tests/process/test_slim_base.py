"""With numpy, torch and xxhash alone: codecs and partitioners work, the rest says what it lacks."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fedbytes.process.optional_imports import EXTRA_OF, explain_missing

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
for package in {blocked}:
    sys.modules[package] = None  # as where it is not installed
import numpy as np, torch
import fedbytes.compression as compression, fedbytes.noniid as noniid
for package in (compression, noniid):
    for name in package.__all__:
        getattr(package, name)
layout = compression.Layout({{"w": (8, 8)}})
shared = compression.Shared(layout, seed=0, round=1, sender=0)
x = torch.linspace(-1, 1, 64)
sent = 0
for spec in compression.default_variants():
    codec = compression.make_codec(spec)
    sent += len(codec.encode(x, shared))
    assert codec.decode(codec.encode(x, shared), shared).shape == x.shape
print("bytes", sent)
labels = np.arange(600) % 3
for name in ("dirichlet", "iid", "shards"):
    print(name, noniid.make_partitioner(name)(labels, 4, 0).sizes.sum())
texts = np.array(["fast car", "red wine", "white wine", "slow car"], dtype=object)
for use in (
    lambda: noniid.make_partitioner("clusters", num_clusters=2)(texts, 2, 0),
    lambda: __import__("fedbytes.experiments").experiments.run,
    lambda: __import__("fedbytes").sweep,
):
    try:
        use()
    except (ImportError, ValueError) as error:
        print("says", error)
from fedbytes.__main__ import start
start()
"""


def test_codecs_and_partitioners_need_no_extra_and_the_rest_says_which():
    script = SCRIPT.format(blocked=sorted(EXTRA_OF))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    lines = done.stdout.splitlines()
    assert len(lines) == 7, done.stderr
    assert int(lines[0].removeprefix("bytes ")) > 1000
    assert lines[1:4] == ["dirichlet 600", "iid 600", "shards 600"]
    for line, what in zip(
        lines[4:], ("'clusters'", "fedbytes.experiments.run", "fedbytes.sweep"), strict=True
    ):
        assert re.fullmatch(rf"says .*{what} requires \w+: pip install 'fedbytes\[train\]'", line)
    assert done.returncode == 2
    assert re.fullmatch(
        r"error: the command line requires \w+: pip install 'fedbytes\[train\]'\n", done.stderr
    )


def test_an_import_of_anything_else_fails_as_it_is():
    error = ModuleNotFoundError("No module named 'other'", name="other")
    assert explain_missing(error, "x") is error


NAMES = {"huggingface-hub": "huggingface_hub", "pyyaml": "yaml"}


def test_every_package_of_the_extra_is_known_by_its_import_name():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[<>=\[]", one)[0] for one in declared["optional-dependencies"]["train"]]
    assert {NAMES.get(name, name) for name in names} <= set(EXTRA_OF)
    base = {re.split(r"[<>=]", one)[0] for one in declared["dependencies"]}
    assert base == {"numpy", "torch", "xxhash"}


@pytest.mark.parametrize("extra", ["ray", "dask", "submitit", "flower", "nvflare", "tensorboard"])
def test_an_extra_for_training_brings_what_training_needs(extra):
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "fedbytes[train]" in declared["optional-dependencies"][extra]


WITHOUT_SECURE = """
import sys
for package in ("cryptography", "tenseal", "dp_accounting"):
    sys.modules[package] = None
from fedbytes.experiments.config.run_config import make_config
make_config({"algorithm": {"name": "fedavg", "local_steps": 1}})
for name in ("secagg", "he"):
    try:
        make_config({"privacy": name, "uplink": {"name": "fixed", "clip": 4.0, "bits": 16}})
    except ValueError as error:
        print(error)
"""


def test_runs_without_secure_sums_need_not_have_their_packages():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SECURE], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for line, name in zip(done.stdout.splitlines(), ("secagg", "he"), strict=True):
        assert re.search(rf"'{name}' .*pip install 'fedbytes\[secure\]'", line)
