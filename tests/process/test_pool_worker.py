"""Workers beside a process import what it imports, and say how they ended."""

import os

import pytest

from fedbytes.process.pool.pool_worker import PoolWorker, WorkerLostError


def test_a_file_of_the_current_folder_stands_in_for_no_module(tmp_path, monkeypatch):
    (tmp_path / "random.py").write_text("raise SystemExit('this is another random')\n")
    monkeypatch.chdir(tmp_path)
    worker = PoolWorker(["random"])
    assert worker.call(_add, (2,), 1) == 3
    worker.kill()
    worker.close()


def test_only_a_process_that_was_killed_may_have_wanted_memory():
    assert "set a lower workers_per_run" in str(WorkerLostError(-9))
    assert str(WorkerLostError(1)).endswith("exit code 1")


def test_a_call_to_a_process_that_ends_says_so():
    worker = PoolWorker([])
    with pytest.raises(WorkerLostError, match="exit code 3"):
        worker.call(_leave, (3,), None)
    worker.close()


def _add(kept, common, number):
    return common + number


def _leave(kept, common, code):
    os._exit(code)
