"""The numbers of printed tables stand where their heads say."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from fedbytes.cli import codec_tables, partition_tables, progress_table
from fedbytes.experiments import make_config
from fedbytes.noniid import Partition
from fedbytes.plots import format_bytes

MEASURED = {
    "codec": "some",
    "bits_per_coordinate": 1.125,
    "nmse": 0.25,
    "gap_db": 3.5,
    "encode_mb_s": 4000.0,
    "decode_mb_s": 5000.0,
    "encode_memory": 6.0,
    "decode_memory": 7.0,
}


def printed(show) -> str:
    console = Console(file=io.StringIO(), width=300)
    show(console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_codecs_have_their_measures_in_the_order_of_the_heads():
    table = codec_tables._rate_table("gauss", 1000, pd.DataFrame([MEASURED]))
    heads = [str(column.header) for column in table.columns]
    (row,) = zip(*(column.cells for column in table.columns), strict=True)
    assert list(row) == ["some", "1.125", "0.25", "3.50", "4.00", "5.00", "6.0", "7.0", "17,153"]
    speeds = ["enc GB/s", "dec GB/s", "enc B", "dec B", "pays below"]
    assert heads == ["codec", "bit", "NMSE", "dB", *speeds]
    whole = pd.DataFrame([MEASURED | {"bits_per_coordinate": 32.0}])
    (last,) = list(codec_tables._rate_table("gauss", 1000, whole).columns)[-1].cells
    assert last == "never"


def test_means_are_found_by_senders_and_correlation():
    rows = [
        {"codec": "some", "clients": n, "correlation": rho, "mean_nmse": n + rho}
        for n in codec_tables.CLIENTS
        for rho in codec_tables.CORRELATIONS
    ]
    table = codec_tables._mean_table(pd.DataFrame(rows).sample(frac=1, random_state=0))
    (row,) = zip(*(column.cells for column in table.columns), strict=True)
    for column, cell in zip(table.columns[1:], row[1:], strict=True):
        clients, correlation = map(float, str(column.header).split(", "))
        assert cell == f"{clients + correlation:.2g}"


def test_the_spread_over_seeds_is_that_of_a_sample():
    values = [0.1, 0.2, 0.6]
    assert partition_tables._mean(values, True) == f"0.300 ± {np.std(values, ddof=1):.3f}"
    assert partition_tables._mean([0.5], True) == "0.500"
    assert partition_tables._mean([None], True) == "–"


def view(seed, moved=0, **measures):
    owners = np.array([0, 0, 0, 1, 1, 2] * 8)
    partition = Partition.from_owners(owners, 4, moved)
    labels = np.arange(48) % 24
    categories, counts = partition.counts(labels)
    return partition_tables.PartitionView(
        title="dirichlet α=0.1",
        spec={"name": "dirichlet"},
        seed=seed,
        partition=partition,
        counts=pd.DataFrame(counts, columns=[str(c) for c in categories]),
        measures=measures,
        notes=[],
        clients=np.arange(4),
        distances=np.zeros((4, 4)),
    )


def test_a_partition_shows_all_examples_of_a_client_and_says_what_is_not_shown():
    said = printed(lambda console: partition_tables.show([view(0, nmi=0.25)], console))
    rows = [line.split() for line in said.splitlines()]
    assert {row[0]: row[1] for row in rows if row and row[0] in "0123"} == {
        "0": "24", "1": "16", "2": "8", "3": "0",
    }  # fmt: skip
    assert "not shown: 4 more categories" in said
    assert "nmi: 0.25" in said


def test_several_seeds_are_one_line_of_means():
    views = [view(0, moved=2, nmi=0.2, size_gini=0.5), view(1, moved=4, nmi=0.4, size_gini=0.7)]
    said = printed(lambda console: partition_tables.show(views, console))
    heads, row = said.splitlines()
    assert heads.split() == ["partition", "seeds", "NMI", "Gini", "moved"]
    assert row.split() == ["dirichlet", "α=0.1", "2", "0.300", "±", "0.141", "0.600", "3"]


def test_partitions_differ_by_seed_and_not_by_codec(settings):
    made = [make_config(settings | change) for change in ({}, {"codec": "bf16"}, {"seed": 1})]
    assert partition_tables.distinct_partitions(made) == [made[0], made[2]]


@pytest.mark.parametrize("count", [0, 999, 1536, 1_540_000, 44_200_000, 7_100_000_000])
def test_bytes_are_those_of_the_figures(count):
    number, unit = progress_table.bytes_text(count).split()
    shown, same = format_bytes(count).split()
    assert unit == same
    assert float(number) == pytest.approx(float(shown), rel=5e-3)
