"""Which of SLURM's jobs make which runs, whatever became of the file that says so."""

import errno
from pathlib import Path
from typing import Any

import pytest

from fedbytes.experiments.engines import slurm_jobs
from fedbytes.experiments.engines.slurm_jobs import note_jobs, noted_jobs, runs_in_queue
from fedbytes.process.disk_errors import DiskError


def test_a_line_that_was_cut_is_left_out_and_spoils_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_jobs(tmp_path, {"1_0": "a", "1_1": "b"})
    with (tmp_path / "jobs.jsonl").open("a") as file:
        file.write('{"2_0": "c')
    note_jobs(tmp_path, {"3_0": "d"})
    assert dict(noted_jobs(tmp_path)) == {"1_0": "a", "1_1": "b", "3_0": "d"}
    monkeypatch.setattr(slurm_jobs, "call_slurm", lambda *words: "1_1\n3_0\n9_0\n")
    assert runs_in_queue(tmp_path) == {"b", "d"}


def test_the_newest_job_of_a_run_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note_jobs(tmp_path, {"1_0": "a", "1_1": "b"})
    note_jobs(tmp_path, {"2_0": "a"})
    monkeypatch.setattr(slurm_jobs, "call_slurm", lambda *words: "1_0\n1_1\n")
    assert runs_in_queue(tmp_path) == {"b"}  # the frozen job of a is no worker of it


def test_jobs_that_cannot_be_noted_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *words: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(DiskError, match=r"jobs 8_0 to 8_1 wait all the same.*scancel"):
        note_jobs(tmp_path, {"8_0": "a", "8_1": "b"})
