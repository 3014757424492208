"""A run provides what a partitioner needs: a column, the texts, or their embeddings."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedbytes.data import make_task
from fedbytes.experiments import make_config, run
from fedbytes.experiments.config.plugin_files import load_plugins
from fedbytes.experiments.execution.client_split import measures, split_examples
from fedbytes.models.embeddings import sentence_embeddings
from fedbytes.noniid import PARTITIONERS, Partition, make_partitioner
from fedbytes.process.user_cache import home

BY_TEXT_LENGTH = '''
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fedbytes.noniid import (
    PARTITIONERS,
    Partition,
    Partitioner,
    TextPartitioner,
    make_partitioner,
)


@PARTITIONERS.register("by_text_length")
@dataclass(frozen=True)
class ByTextLength(Partitioner):
    """Sort the texts by length and cut."""

    needs = "texts"

    def _assign(self, factor, num_clients, rng):
        lengths = np.array([len(text) for text in factor.values])
        owners = np.empty(len(factor), dtype=np.int64)
        owners[np.argsort(lengths, kind="stable")] = np.arange(len(factor)) * num_clients // len(
            factor
        )
        return Partition.from_owners(owners, num_clients)


@PARTITIONERS.register("by_direction")
@dataclass(frozen=True)
class ByDirection(TextPartitioner):
    """Split by the coordinate of the embedding that is largest."""

    log: str
    then: Partitioner = field(default_factory=lambda: make_partitioner("classes"))

    needs = "embeddings"
    embedding_model = "tiny-bert"
    identity = ("version 1",)

    def make_column(self, given):
        with Path(self.log).open("a") as file:
            file.write(f"{given.dtype} {given.shape}\\n")
        return np.argmax(given[:, :4], axis=1)
'''


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[str]:
    """The file of a user with two partitioners, forgotten afterwards."""
    path = tmp_path / "mine.py"
    path.write_text(BY_TEXT_LENGTH)
    with PARTITIONERS.isolated():
        load_plugins([str(path)])
        yield str(path)


def split(settings: dict[str, Any], partition: dict[str, Any], columns: Any = None) -> Any:
    config = make_config(settings | {"partition": partition | {"num_clients": 4}})
    labels = np.array(make_task(config.task).load().train.columns["label"])
    return split_examples(config, {"label": labels} if columns is None else columns)


def test_a_users_partitioner_gets_the_texts(settings: dict[str, Any], plugin: str) -> None:
    found = split(settings, {"name": "by_text_length"})
    texts = make_task(settings["task"]).load().train.texts
    lengths = [[len(texts[i]) for i in part] for part in found.partition.indices]
    for shorter, longer in itertools.pairwise(lengths):
        assert max(shorter) <= min(longer)
    assert found.factor.tolist() == texts


def test_a_users_partitioner_gets_embeddings_and_keeps_its_column(
    settings: dict[str, Any], plugin: str, tmp_path: Path
) -> None:
    spec = {"name": "by_direction", "log": str(tmp_path / "log")}
    first, second = split(settings, spec), split(settings, spec)
    data = make_task(settings["task"]).load()
    embeddings = sentence_embeddings(data.train.texts, data.digest, "tiny-bert")
    assert np.array_equal(first.factor, np.argmax(embeddings[:, :4], axis=1))
    assert first.partition == second.partition
    assert np.array_equal(first.factor, second.factor)
    computed = (tmp_path / "log").read_text().splitlines()
    assert computed == [f"float32 {embeddings.shape}"]
    assert len(list((home() / "columns" / "by_direction").glob("[0-9a-f]*.npy"))) == 1


def test_embeddings_of_a_named_column(
    settings: dict[str, Any], plugin: str, tmp_path: Path
) -> None:
    spec = {"name": "by_direction", "log": str(tmp_path / "log"), "factor": "question"}
    questions = np.array(["why is that so", "who", "where to and when"] * 8, dtype=object)
    found = split(settings, spec, {"question": questions})
    assert len(set(found.factor[::3])) == len(set(found.factor[1::3])) == 1
    assert found.partition.num_examples == 24


def test_a_run_is_made_with_it(settings: dict[str, Any], plugin: str, tmp_path: Path) -> None:
    partition = {"name": "by_direction", "log": str(tmp_path / "log"), "num_clients": 4}
    fields = {"partition": partition, "plugins": [plugin], "rounds": 1}
    folder = run(make_config(settings | fields), tmp_path / "store")
    saved = Partition.load(folder.path / "partition.npz")
    assert saved == split(settings, {"name": "by_direction", "log": partition["log"]}).partition


def test_clusters_are_those_of_the_partitioner_alone(settings: dict[str, Any]) -> None:
    spec = {"name": "clusters", "num_clusters": 3}
    found = split(settings, spec)
    texts = make_task(settings["task"]).load().train.texts
    assert np.array_equal(found.factor, make_partitioner(spec).make_column(texts))
    assert found.partition == make_partitioner(spec)(texts, 4, seed=0)


def test_each_seed_has_a_partition_of_its_own(settings: dict[str, Any]) -> None:
    labels = np.array(make_task(settings["task"]).load().train.columns["label"])
    found = [
        split_examples(make_config(settings | {"seed": seed}), {"label": labels}).partition
        for seed in (0, 1, 0)
    ]
    assert found[0] == found[2] != found[1]


def test_clusters_of_another_number_are_other_clusters(settings: dict[str, Any]) -> None:
    two, three = (split(settings, {"name": "clusters", "num_clusters": n}) for n in (2, 3))
    assert (len(set(two.factor)), len(set(three.factor))) == (2, 3)


def test_examples_of_one_group_stay_together(settings: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    columns = {"label": np.array([*"abc"] * 40), "author": rng.integers(20, size=120)}
    spec = {"name": "dirichlet", "alpha": 1.0, "num_clients": 4, "groups": "author"}
    found = split_examples(make_config(settings | {"partition": spec}), columns)
    owners = found.partition.owners
    assert all(len(set(owners[columns["author"] == author])) == 1 for author in range(20))


def test_the_labels_heterogeneity_is_measured_beside_that_of_what_was_split(
    settings: dict[str, Any],
) -> None:
    rng = np.random.default_rng(0)
    columns = {"topic": np.arange(120) % 3, "label": rng.integers(2, size=120)}
    spec = {"name": "classes", "classes_per_client": 1, "factor": "topic", "num_clients": 3}
    found = split_examples(make_config(settings | {"partition": spec}), columns)
    measured = measures(found, columns)
    assert measured["nmi"] == pytest.approx(1)
    assert measured["label_nmi"] == found.partition.metrics(columns["label"])["nmi"] < 0.1
    assert "label_nmi" not in measures(found, {"label": columns["topic"]})
