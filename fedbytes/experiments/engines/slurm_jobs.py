"""What SLURM says of its jobs, and which of them were asked for runs of a store."""

import getpass
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from fedbytes.process.disk_errors import explained_disk_errors

_JOBS_FILE = "jobs.jsonl"


def call_slurm(*words: str) -> str:
    """Return what one of SLURM's commands prints.

    Raises:
        ValueError: if it is not there, or refuses; one line with its reason.
    """
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    except FileNotFoundError:
        raise ValueError(f"there is no {words[0]} on this host: call it on a login node") from None
    except subprocess.TimeoutExpired:
        raise ValueError(f"{words[0]} did not answer within 60 s") from None
    except subprocess.CalledProcessError as error:
        reason = " ".join(error.stderr.split()) or f"exit code {error.returncode}"
        raise ValueError(f"{words[0]} refused: {reason}") from None
    return done.stdout


def slurm_refusal() -> str:
    """Return why SLURM cannot be used on this host, in one line; empty if it can."""
    if shutil.which("sbatch") is None:
        return "there is no sbatch on this host: call it where SLURM's commands are"
    try:
        call_slurm("sinfo", "--noheader")
    except ValueError as error:
        return str(error)
    return ""


def largest_array() -> int:
    """Return how many jobs an array may have; SLURM's default where it does not say."""
    for line in call_slurm("scontrol", "show", "config").splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "MaxArraySize":
            return int(value)
    return 1001


def note_jobs(folder: Path, jobs: Mapping[str, str]) -> None:
    """Put down which job makes which run, so that a later command does not ask twice.

    Raises:
        DiskError: if the disk is full or may not be written; it names the jobs, which are made.
    """
    path = folder / _JOBS_FILE
    first, last = min(jobs), max(jobs)
    named = first if first == last else f"{first} to {last}"
    remedy = (
        f"jobs {named} wait all the same; free some space, and `scancel` them before you call this "
        "again, which would ask for them twice"
    )
    with explained_disk_errors(path, remedy), path.open("ab+") as file:
        cut = file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n"
        file.write((b"\n" if cut else b"") + json.dumps(dict(jobs)).encode() + b"\n")


def runs_in_queue(folder: Path) -> set[str]:
    """Return the runs whose newest job waits or runs.

    A job before it that is frozen stays in the queue for as long as its host; its run is asked for
    again all the same. They are all runs that were ever asked for while SLURM does not answer: none
    is asked for twice.
    """
    words = ("--noheader", "--array", "--user", getpass.getuser(), "--format", "%i")
    newest = {run: job for job, run in noted_jobs(folder)}
    try:
        jobs = set(call_slurm("squeue", *words).split())
    except ValueError:
        return set(newest)
    return {run for run, job in newest.items() if job in jobs}


def noted_jobs(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each job and its run as they were put down, in order; what a kill has cut is left out.

    Args:
        folder: of the engine's notes.
    """
    path = folder / _JOBS_FILE
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield from found.items()
