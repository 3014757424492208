"""Runs inside one library's environment: splits labels with it, and looks for known faults.

`run.py` starts it with a job as JSON on standard input and reads JSON from its standard
output. Nothing of fedbytes is imported unless it is the library in question.
"""

import contextlib
import hashlib
import io
import json
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Parts = list[Any]


def fedbytes_split(scheme: str, labels: Any, clients: int, seed: int, **fields: Any) -> Parts:
    from fedbytes.noniid import make_partitioner

    if fields.get("min_size"):
        fields["on_small"] = "repair"
    else:
        fields.pop("min_size", None)
    name = {"per class": "dirichlet", "per client": "dirichlet_client", "iid": "iid"}[scheme]
    return list(make_partitioner(name, **fields)(labels, clients, seed).indices)


def flwr_split(scheme: str, labels: Any, clients: int, seed: int, **fields: Any) -> Parts:
    from datasets import Dataset
    from flwr_datasets.partitioner import (
        DirichletPartitioner,
        IidPartitioner,
        InnerDirichletPartitioner,
    )

    data = Dataset.from_dict({"label": labels, "place": np.arange(len(labels))})
    alpha = float(fields.get("alpha", 1.0))
    if scheme == "iid":
        chosen: Any = IidPartitioner(clients)
        chosen.dataset = data
        return [np.array(chosen.load_partition(i)["place"]) for i in range(clients)]
    if scheme == "per client":
        sizes = [len(labels) // clients] * clients
        chosen = InnerDirichletPartitioner(sizes, "label", alpha, seed=seed)
    else:
        least = fields.get("min_size", 0)
        chosen = DirichletPartitioner(clients, "label", alpha, min_partition_size=least, seed=seed)
    chosen.dataset = data
    assert chosen.num_partitions == clients  # asking makes the partition
    return [np.asarray(chosen._partition_id_to_indices[i]) for i in range(clients)]


def fedlab_split(scheme: str, labels: Any, clients: int, seed: int, **fields: Any) -> Parts:
    from fedlab.utils.dataset import functional

    np.random.seed(seed)  # noqa: NPY002 - it knows the global generator alone
    classes = len(np.unique(labels))
    if scheme == "iid":
        sizes = functional.balance_split(clients, len(labels))
        found = functional.homo_partition(sizes, len(labels))
    elif scheme == "per client":
        sizes = functional.balance_split(clients, len(labels)).astype(int)
        found = functional.client_inner_dirichlet_partition(
            labels, clients, classes, fields.get("alpha", 1.0), sizes, verbose=False
        )
    else:
        found = functional.hetero_dir_partition(
            labels, clients, classes, fields.get("alpha", 1.0), fields.get("min_size") or 1
        )  # it cannot do without a least size
    return [np.asarray(found[i]) for i in range(clients)]


LIBRARIES: dict[str, Callable[..., Parts]] = {
    "fedbytes": fedbytes_split,
    "flwr-datasets": flwr_split,
    "fedlab": fedlab_split,
}


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in a block that takes more processor time."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"not done after {seconds} s")

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def make_labels(samples: int, classes: int) -> Any:
    return np.arange(samples, dtype=np.int64) % classes


def many_seeds(split: Callable[..., Parts], job: dict[str, Any]) -> dict[str, Any]:
    """Split under each seed; count what is whole, time it, and keep the first error."""
    labels = make_labels(job["samples"], job["classes"])
    split("per class", make_labels(1000, 2), 2, 0, alpha=10.0)  # imports and first calls
    before, seconds, errors = peak_bytes(), [], []
    for seed in range(job["seeds"]):
        start = time.process_time()
        try:
            with at_most(job["limit"]):
                parts = split(
                    "per class", labels, job["clients"], seed, alpha=job["alpha"],
                    min_size=job["min_size"],
                )  # fmt: skip
            fault = incomplete(parts, len(labels), job["min_size"])
        except Exception as error:
            fault = f"{type(error).__name__}: {str(error).splitlines()[0][:80]}"
        if fault:
            errors.append(fault)
        else:
            seconds.append(time.process_time() - start)
    return {
        "done": len(seconds),
        "seeds": job["seeds"],
        "seconds": float(np.median(seconds)) if seconds else None,
        "extra_bytes": peak_bytes() - before,
        "error": errors[0] if errors else "",
    }


def incomplete(parts: Parts, samples: int, least: int = 0) -> str:
    flat = np.sort(np.concatenate(parts))
    if not np.array_equal(flat, np.arange(samples)):
        return f"holds {flat.size} ({np.unique(flat).size} distinct) of {samples} samples"
    smallest = min(len(part) for part in parts)
    return "" if smallest >= least else f"smallest client has {smallest} of {least}"


def rounding_bias(split: Callable[..., Parts]) -> str:
    """Samples a class that the first and last client get beyond their drawn share."""
    labels, clients = make_labels(9970, 10), 10  # 997 a class, 99.7 a client
    extra = np.zeros(clients)
    for seed in range(200):
        parts = split("per class", labels, clients, seed, alpha=1e6)
        for client, part in enumerate(parts):
            extra[client] += np.mean(np.bincount(labels[part], minlength=10)) - 99.7
    extra /= 200
    return f"{extra[0]:+.2f} / {extra[-1]:+.2f}"


def place_in_class(split: Callable[..., Parts]) -> str:
    """Where client 0's samples of a class come from: 0 its head, 1 its tail, 0.5 anywhere."""
    labels, found = make_labels(5000, 10), []
    for seed in range(20):
        part = split("per class", labels, 10, seed, alpha=1.0)[0]
        found.append(np.mean(part // 10) / 500)
    return f"{np.mean(found):.2f}"


def iid_nmi(split: Callable[..., Parts]) -> str:
    labels = np.sort(make_labels(5000, 10))
    table = np.array([np.bincount(labels[p], minlength=10) for p in split("iid", labels, 10, 0)])
    joint = table / table.sum()
    outer = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    held = joint > 0
    information = np.sum(joint[held] * np.log(joint[held] / outer[held]))
    return f"{information / np.log(10):.2f}"


def other_labels(labels: Any, scheme: str) -> Callable[[Callable[..., Parts]], str]:
    def probe(split: Callable[..., Parts]) -> str:
        return incomplete(split(scheme, labels, 10, 0, alpha=1.0), len(labels)) or "yes"

    return probe


def global_state(split: Callable[..., Parts]) -> str:
    """Whether numpy's global generator is left as it was."""

    def state() -> str:
        return hashlib.sha256(np.random.get_state()[1].tobytes()).hexdigest()  # noqa: NPY002

    split("per class", make_labels(1000, 10), 10, 0, alpha=1.0)
    before = state()
    split("per class", make_labels(1000, 10), 10, 1, alpha=1.0)
    return "yes" if state() == before else "no"


ONE_TO_TEN = make_labels(5000, 10) + 1
STRINGS = np.array([f"class {i}" for i in range(10)])[make_labels(5000, 10)]
FAULTS: dict[str, Callable[[Callable[..., Parts]], str]] = {
    "rounding bias, first / last client (samples a class)": rounding_bias,
    "where client 0's samples lie in their class (0.5: anywhere)": place_in_class,
    "NMI of an IID split of sorted labels (0: shuffled)": iid_nmi,
    "per class over clients, labels 1 … 10": other_labels(ONE_TO_TEN, "per class"),
    "per class over clients, text labels": other_labels(STRINGS, "per class"),
    "per class over clients, alpha 1e-5": lambda split: (
        incomplete(split("per class", make_labels(5000, 10), 10, 0, alpha=1e-5), 5000) or "yes"
    ),
    "per client over classes, labels 0 … 9": other_labels(make_labels(5000, 10), "per client"),
    "per client over classes, labels 1 … 10": other_labels(ONE_TO_TEN, "per client"),
    "per client over classes, text labels": other_labels(STRINGS, "per client"),
    "leaves numpy's global generator alone": global_state,
}


def find_faults(split: Callable[..., Parts], job: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, probe in FAULTS.items():
        try:
            with at_most(job["limit"]):
                found[name] = probe(split)
        except Exception as error:
            words = (str(error).splitlines() or [""])[0][:60]
            found[name] = f"{type(error).__name__}: {words}"
    return found


def main() -> None:
    job = json.load(sys.stdin)
    split = LIBRARIES[job["library"]]
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(io.StringIO()):  # libraries print as they go
        result = {"seeds": many_seeds, "faults": find_faults}[job["kind"]](split, job)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
