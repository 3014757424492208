"""What SLURM says of its jobs, and which of them were asked for runs of a store."""

import getpass
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

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
    """Put down which job makes which run, so that a later command does not ask twice."""
    with (folder / _JOBS_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(dict(jobs)) + "\n")


def runs_in_queue(folder: Path) -> set[str]:
    """Return the runs whose jobs wait or run.

    They are all runs that were ever asked for while SLURM does not answer: none is asked for twice.
    """
    words = ("--noheader", "--array", "--user", getpass.getuser(), "--format", "%i")
    try:
        jobs = set(call_slurm("squeue", *words).split())
    except ValueError:
        return {run for _, run in _noted_jobs(folder)}
    return {run for job, run in _noted_jobs(folder) if job in jobs}


def _noted_jobs(folder: Path) -> Iterator[tuple[str, str]]:
    path = folder / _JOBS_FILE
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        yield from json.loads(line).items()
