"""`fedbytes link` over a real store."""

from pathlib import Path

import pandas as pd
import pytest

from fedbytes.cli.analysis.link import link
from fedbytes.experiments import make_config, run

SMALL = {
    "task": {
        "name": "reuters-r8",
        "max_train_examples": 80,
        "max_test_examples": 40,
        "max_length": 16,
    },
    "model": {"name": "tiny-bert"},
    "adapter": {"name": "head"},
    "partition": {"name": "iid", "num_clients": 3},
    "algorithm": {"name": "fedavg", "local_steps": 1},
    "rounds": 2,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    for codec in ({"name": "fp32"}, {"name": "int", "bits": 4}):
        run(make_config({**SMALL, "codec": codec, "evaluate_start": True}), folder)
    return folder


def test_slower_links_take_longer(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link(store, links="lorawan,fibre", out=tmp_path)
    printed = capsys.readouterr().out
    assert "lorawan: 0.0055 up" in printed
    assert "Mbit/s" in printed.split("Pays below")[1]
    rows = pd.read_csv(tmp_path / "link.csv").set_index(["link", "codec"])["seconds_per_round"]
    assert rows["lorawan", "fp32"] > 10 * rows["fibre", "fp32"]
    assert {path.name for path in tmp_path.iterdir()} == {
        "hours.svg",
        "hours.pdf",
        "hours.png",
        "link.csv",
    }


def test_small_messages_gain_where_bits_are_dear(store: Path, tmp_path: Path) -> None:
    link(store, up=1e-5, down=1e-5, out=tmp_path)
    rows = pd.read_csv(tmp_path / "link.csv").set_index("codec")["seconds_per_round"]
    assert rows["fp32"] > 2 * rows["int bits=4"]


def test_clients_may_have_rates_of_their_own(store: Path, tmp_path: Path) -> None:
    rates = tmp_path / "rates.csv"
    rates.write_text("client,up,down,rtt\n1,0.01,0.01,500\n")
    for name, path in (("alike", None), ("own", rates)):
        link(store, up=100, down=100, rates=path, out=tmp_path / name)
    alike, own = (pd.read_csv(tmp_path / name / "link.csv")["hours"] for name in ("alike", "own"))
    assert (own > alike).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"up": 10.0}, "give --up and --down together"),
        ({"rtt": 10.0}, "--rtt goes with --up"),
        ({"links": "5g"}, "no link '5g'"),
        ({"slower": 0.0}, "--slower must be above 0"),
        ({"up": 0.0, "down": 1.0}, "up must be Mbit/s above 0"),
    ],
)
def test_mistakes_are_a_line(store: Path, options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        link(store, **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("client,up\n1,2\n", "needs columns client, up and down"),
        ("client,up,down\n1,2,3\n1,2,3\n", "line 3: client 1 stands twice"),
        ("client,up,down\nx,2,3\n", "line 2: invalid literal"),
        ("client,up,down\n1,0,3\n", "line 2: link 'client 1': up must be"),
    ],
)
def test_damaged_rates_are_refused_by_line(
    store: Path, tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        link(store, rates=path)


def test_that_clients_shared_a_step_is_said(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link(store, links="fibre", out=tmp_path)
    assert capsys.readouterr().err == ""
    run(make_config({**SMALL, "clients_at_once": 3}), tmp_path / "store")
    link(tmp_path / "store", links="fibre", out=tmp_path)
    (line,) = capsys.readouterr().err.splitlines()
    assert "(clients_at_once=3): a client's training counts as its share" in line
