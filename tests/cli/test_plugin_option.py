"""`--plugin FILE` makes a file's names known to every verb alike."""

from contextlib import ExitStack, contextmanager

import pytest
import yaml

from fedbytes.cli import app
from fedbytes.cli.registries import all_registries

PLUGIN = """
from dataclasses import dataclass

from fedbytes.compression import CODECS
from fedbytes.compression.codecs.fp32 import Fp32
from fedbytes.noniid import PARTITIONERS
from fedbytes.noniid.partitioners.iid import Iid


@CODECS.register("my-fp32")
@dataclass(frozen=True)
class MyCodec(Fp32):
    '''Mine.'''


@PARTITIONERS.register("my-iid")
@dataclass(frozen=True)
class MyPartitioner(Iid):
    '''Mine.'''
"""


@contextmanager
def isolated_registries():
    with ExitStack() as stack:
        for registry in all_registries().values():
            stack.enter_context(registry.isolated())
        yield


@pytest.fixture(autouse=True)
def isolated():
    with isolated_registries():
        yield


@pytest.fixture
def plugin(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    return path


@pytest.fixture
def words(settings):
    changes = {"rounds": 1, "partition": {"name": "my-iid", "num_clients": 4}, "codec": "my-fp32"}
    return [f"{key}={yaml.safe_dump(value, default_flow_style=True).splitlines()[0]}"
            for key, value in (settings | changes).items()]  # fmt: skip


def call(*words):
    return app([str(word) for word in words], standalone_mode=False)


def test_list_and_codecs_and_partition(plugin, words, capsys):
    for command, seen in [
        (["list", "codecs"], "my-fp32"),
        (["codecs", "my-fp32", "--numel", 1000], "my-fp32"),
        (["partition", *words], "my-iid"),
    ]:
        call(*command, "--plugin", plugin)
        assert seen in capsys.readouterr().out


def test_run_sweep_status_plot_and_report(plugin, words, tmp_path, capsys):
    store, suite = tmp_path / "store", tmp_path / "empty.yaml"
    suite.write_text("base: {}")
    assert call("run", *words, "--out", store, "--plugin", plugin) == 0
    call("sweep", suite, *words, "--dry-run", "--plugin", plugin)
    assert "1 run," in capsys.readouterr().out
    assert call("sweep", suite, *words, "--out", store, "--plugin", plugin) == 0
    assert "0 of 1 run to make" in capsys.readouterr().out  # the run above has its id
    call("status", store, "--plugin", plugin)
    assert "my-fp32" in capsys.readouterr().out
    for verb in ("plot", "report"):
        call(verb, store, "--plugin", plugin)
    assert (store / "report.html").exists()


def test_check_takes_what_its_file_builds_on(plugin, tmp_path, capsys):
    other = tmp_path / "other.py"
    other.write_text(
        "from dataclasses import dataclass\n"
        "from fedbytes.noniid import PARTITIONERS\n"
        "MyIID = PARTITIONERS.get('my-iid')\n"
        "@PARTITIONERS.register('my-other')\n"
        "@dataclass(frozen=True)\n"
        "class Other(MyIID):\n"
        "    pass\n"
    )
    assert call("check", other, "--plugin", plugin) == 0
    shown = capsys.readouterr().out
    assert "partitioner my-other" in shown
    assert "my-iid" not in shown


def test_status_lists_runs_whose_plugins_are_gone(plugin, words, tmp_path, capsys):
    store = tmp_path / "store"
    with isolated_registries():
        assert call("run", *words, "--out", store, "--plugin", plugin) == 0
    plugin.unlink()
    capsys.readouterr()
    call("status", store)
    assert "my-fp32" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_refused_by_every_verb(tmp_path):
    with_argument = ("sweep", "plot", "report", "check", "status")
    for verb in ("run", "partition", "list", "codecs", *with_argument):
        first = [tmp_path] if verb in with_argument else []
        with pytest.raises(ValueError, match=r"'none\.py' does not exist"):
            call(verb, *first, "--plugin", "none.py")
