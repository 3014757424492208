import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import submissions

from fedbytes.experiments import make_config, run
from fedbytes.experiments.published.submission import BYTES, CONFIGS, ROUNDS, Card, make_submission
from fedbytes.experiments.published.verification import make_again, verify_submission

CARD = Card("halves", "Halves", "A. N. Author", "Sends halves.")
HALVES = '''
from dataclasses import dataclass
import numpy as np
from fedbytes.compression import CODECS, Codec

@CODECS.register("halves")
@dataclass(frozen=True)
class Halves(Codec):
    """Half precision, and never more than 60,000."""

    def _encode(self, x, shared):
        return np.clip(x, -6e4, 6e4).astype(np.float16).tobytes()

    def _decode(self, data, shared):
        if len(data) != 2 * shared.layout.numel:
            raise ValueError(f"halves: {len(data)} bytes for {shared.layout.numel} coordinates")
        return np.frombuffer(data, np.float16).astype(np.float32)
'''


@pytest.fixture
def store(settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two seeds of fp32 and of a codec of somebody else's, as if from a clean checkout.

    The texts are named by their whole path and the codec by a relative one, as people do.
    """
    monkeypatch.chdir(tmp_path)
    plugin = tmp_path / "halves.py"
    plugin.write_text(HALVES)
    folder = tmp_path / "store"
    for codec in ("fp32", "halves"):
        for seed in (0, 1):
            fields = {"plugins": [plugin.name], "codec": {"name": codec}, "seed": seed}
            made = run(make_config(settings | fields), folder)
            clean(made)
    return folder


def clean(folder: Any) -> None:
    """Say that a run is from committed code, which the code under test need not be."""
    folder.write_json("provenance.json", folder.provenance() | {"dirty": False})


def test_a_submission_goes_the_whole_way(store: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    folder = make_submission(store, results, CARD, with_files=True)
    found = verify_submission(folder)
    assert len(found.configs) == 4
    assert {path.name for path in (folder / "files").iterdir()} == {"halves.py", "texts.csv"}
    (tmp_path / "halves.py").unlink()  # whoever verifies does not have it
    (folder / "files" / "__pycache__").mkdir(exist_ok=True)  # Python's, where it may write
    (folder / "files" / "__pycache__" / "halves.cpython-311.pyc").write_bytes(b"")
    halves = next(r for r, c in found.configs.items() if c["uplink"]["name"] == "halves")
    again = make_again(found, halves)
    assert (again.run, again.verdict, dict(again.apart)) == (halves, "equal", {})
    script = [sys.executable, "scripts/submissions.py", "--results", str(results)]
    root = Path(__file__).parents[3]
    done = subprocess.run(script, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1 submissions hold\n"
    page = (results / "README.md").read_text(encoding="utf-8")
    assert "- [halves](halves/README.md): Halves, A. N. Author" in page
    rows = [line for line in page.splitlines() if line.startswith("| halves ")]
    assert len(rows) == 2
    assert subprocess.run([*script, "--check"], cwd=root, check=False).returncode == 0
    (results / "README.md").write_text(page.replace("| halves ", "| halved ", 1))
    assert subprocess.run([*script, "--check"], cwd=root, check=False).returncode == 1


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("README.md", lambda text: text + " ", "README.md is altered"),
        (ROUNDS, lambda text: text.replace("0.", "0.9", 1), "rounds.csv is altered"),
    ],
)
def test_edited_files_are_found(
    store: Path, tmp_path: Path, name: str, edit: Any, message: str
) -> None:
    folder = make_submission(store, tmp_path, CARD, with_files=True)
    path = folder / name
    path.write_text(edit(path.read_text()))
    with pytest.raises(ValueError, match=message):
        verify_submission(folder)


def resealed(folder: Path, name: str, old: str, new: str) -> Path:
    """Change a file of a submission and its digest with it, as a forger would."""
    from fedbytes.experiments.published.submission import digests_in

    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))
    (folder / "digests.json").write_text(json.dumps(digests_in(folder)))
    return folder


def test_forged_ids_rounds_and_bytes_are_found(store: Path, tmp_path: Path) -> None:
    def fresh(name: str) -> Path:
        return make_submission(store, tmp_path / name, CARD, with_files=True)

    forged = resealed(fresh("a"), CONFIGS, '"learning_rate": 0.01', '"learning_rate": 0.02')
    with pytest.raises(ValueError, match="is that of run"):
        verify_submission(forged)
    folder = fresh("b")
    kinds = (folder / BYTES).read_text().splitlines()[1]
    bigger = kinds.rsplit(",", 2)
    forged = resealed(folder, BYTES, kinds, f"{bigger[0]},{int(bigger[1]) + 1},{bigger[2]}")
    with pytest.raises(ValueError, match=r"(up|down)_bytes in rounds\.csv and \d+ in bytes\.csv"):
        verify_submission(forged)
    forged = resealed(fresh("c"), "card.json", '"runs": 4', '"runs": 5')
    with pytest.raises(ValueError, match="the card says 5 runs, there are 4"):
        verify_submission(forged)


def test_what_may_not_be_submitted(settings: dict[str, Any], store: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"texts\.csv, a file of your own"):
        make_submission(store, tmp_path, CARD)
    dirty = run(make_config(settings | {"seed": 5}), tmp_path / "dirty")
    dirty.write_json("provenance.json", dirty.provenance() | {"dirty": True, "commit": "c" * 40})
    with pytest.raises(ValueError, match=r"uncommitted changes .* --remake"):
        make_submission(tmp_path / "dirty", tmp_path, CARD)
    clean(dirty)
    (dirty.path / "done").unlink()
    with pytest.raises(ValueError, match=f"run {dirty.run} is "):
        make_submission(tmp_path / "dirty", tmp_path, CARD)
    assert not list(tmp_path.glob(".halves*"))
    (tmp_path / "halves").mkdir()
    with pytest.raises(ValueError, match="is there already"):
        make_submission(store, tmp_path, CARD, with_files=True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("Bad Name", "t", "a"), "'Bad Name'"),
        (("ok", " ", "a"), "title must be one line"),
        (("ok", "t", "a\nb"), "authors must be one line"),
        (("ok", "t", "a", "", "javascript:alert(1)"), "link must be an address"),
        (("ok", "t", "a", "", "https://a b"), "link must be an address"),
    ],
)
def test_a_card_is_plain(fields: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Card(*fields)


def test_a_card_shows_as_it_was_written(store: Path, tmp_path: Path) -> None:
    card = Card("ours", "A_b_c: [x](y) | <img> *z*", "J. *Doe*", link="https://a.org/b_c?d=1")
    folder = make_submission(store, tmp_path / "results", card, with_files=True)
    head = (folder / "README.md").read_text().splitlines()
    assert head[0] == r"# A\_b\_c: \[x\](y) \| &lt;img&gt; \*z\*"
    assert head[2] == r"By J. \*Doe\*. <https://a.org/b_c?d=1>"
    listed = submissions.page([verify_submission(folder)])
    assert r"A\_b\_c: \[x\](y) \| &lt;img&gt; \*z\*, J. \*Doe\*, " in listed
    assert "<img>" not in listed
