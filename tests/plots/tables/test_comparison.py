"""Sorting results into settings, codecs and a baseline."""

import pandas as pd
import pytest
from synthetic import by_hand, without

from fedbytes.plots import sample_tables
from fedbytes.plots.tables.comparison import compare_codecs, metrics_in
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables


def test_settings_codecs_and_baseline(tables):
    chosen = compare_codecs(tables)
    assert [setting.keys["alpha"] for setting in chosen.settings] == [0.1, 1.0]
    assert chosen.settings[0].title == "dirichlet, α = 0.1, NMI 0.43"
    assert chosen.codecs == ("fp32", "nf4", "ecsq 1.1 bit + EF", "topk 1 % 4 bit + EF")
    assert chosen.baseline == "fp32"
    assert chosen.metric.name == "accuracy"


def test_another_baseline(tables):
    chosen = compare_codecs(tables, baseline="nf4")
    assert chosen.baseline == "nf4"
    assert chosen.codecs[0] == "nf4"
    assert compare_codecs(tables, baseline="unheard of").baseline is None


def test_curve_is_the_mean_at_equal_rounds():
    chosen = compare_codecs(
        by_hand({("a", 0): [(10, 0.2), (20, 0.4)], ("a", 1): [(12, 0.4), (24, 0.8)]})
    )
    curve = chosen.curve(chosen.settings[0], "a")
    assert curve["bytes"].tolist() == [11.0, 22.0]
    assert curve["mean"].tolist() == pytest.approx([0.3, 0.6])
    assert curve["n"].tolist() == [2, 2]


def test_a_round_that_one_seed_lacks_is_no_mean():
    chosen = compare_codecs(by_hand({("a", 0): [(10, 0.2), (20, 0.4)], ("a", 1): [(12, 0.4)]}))
    assert chosen.curve(chosen.settings[0], "a")["round"].tolist() == [1]


def test_unfinished_runs_shift_no_mean(tables):
    runs = tables.runs.copy()
    victim = "reuters-r8-0.1-nf4-1"
    runs.loc[runs["run"] == victim, "status"] = "interrupted"
    chosen = compare_codecs(Tables(tables.results, tables.ledger, tables.partitions, runs))
    assert victim not in set(pd.concat([s.rows for s in chosen.settings])["run"])


def test_if_nothing_is_finished_what_there_is_is_shown(tables):
    runs = tables.runs.assign(status="running")
    chosen = compare_codecs(Tables(tables.results, tables.ledger, tables.partitions, runs))
    assert len(chosen.codecs) == 4


def test_classification_and_language_modelling_do_not_mix():
    one, other = (
        sample_tables(),
        sample_tables(task="20newsgroups", language_model=True, alphas=(0.5,)),
    )
    both = Tables(
        *(
            pd.concat([getattr(one, name), getattr(other, name)], ignore_index=True)
            for name in ("results", "ledger", "partitions", "runs")
        )
    )
    assert [metric.name for metric in metrics_in(both)] == ["accuracy", "perplexity"]
    assert len(compare_codecs(both, "accuracy").settings) == 2
    (setting,) = compare_codecs(both, "perplexity").settings
    assert setting.keys["task"] == "20newsgroups"


def test_a_field_that_no_column_shows_makes_settings_of_its_own():
    one = sample_tables(alphas=(0.1,), seeds=(0,))
    parts = []
    for rate in (0.001, 0.01):
        runs = one.runs.copy()
        runs["config"] = [
            {**config, "algorithm": {"name": "fedavg", "learning_rate": rate}}
            for config in runs["config"]
        ]
        frames = [frame.copy() for frame in (one.results, one.ledger, one.partitions, runs)]
        for frame in frames:
            frame["run"] = frame["run"] + f"-{rate}"
        parts.append(frames)
    merged = Tables(*(pd.concat(frames, ignore_index=True) for frames in zip(*parts, strict=True)))
    titles = [setting.title for setting in compare_codecs(merged).settings]
    assert len(titles) == 2
    assert "learning_rate = 0.001" in titles[0]
    assert "learning_rate = 0.01" in titles[1]


def test_twins_are_refused(tables):
    twins = tables.results.assign(run=tables.results["run"] + "-copy")
    results = pd.concat([tables.results, twins], ignore_index=True)
    runs = pd.concat([tables.runs, tables.runs.assign(run=tables.runs["run"] + "-copy")])
    with pytest.raises(ValueError, match="same setting, codec"):
        compare_codecs(Tables(results, tables.ledger, tables.partitions, runs))


def test_nothing_to_draw(tables):
    with pytest.raises(NothingToDrawError, match="run a sweep first"):
        compare_codecs(without(tables, set(tables.results["run"])))
    with pytest.raises(NothingToDrawError, match="'bleu'"):
        compare_codecs(tables, "bleu")


def test_schemes_with_fields_of_their_own_are_told_apart():
    from fedbytes.plots.tables.store_tables import Tables

    made = sample_tables(alphas=(0.1, 1.0, 2.0), seeds=(0, 1), rounds=1)
    results, runs = made.results.copy(), made.runs.copy()
    specs = {0.1: ("classes", {"classes": 1}), 1.0: ("classes", {"classes": 2}), 2.0: ("iid", {})}
    for alpha, (name, fields) in specs.items():
        rows = results["alpha"] == alpha
        results.loc[rows, "partition"] = name
        for i in runs.index[runs["run"].isin(results.loc[rows, "run"])]:
            runs.at[i, "config"] = {**runs.at[i, "config"], "partition": {"name": name, **fields}}
    results["alpha"] = float("nan")
    titles = [
        s.title
        for s in compare_codecs(Tables(results, made.ledger, made.partitions, runs)).settings
    ]
    assert [title.split(", NMI")[0] for title in titles] == [
        "classes, classes = 1",
        "classes, classes = 2",
        "iid",
    ]


def test_settings_stand_in_the_order_of_their_numbers():
    made = [sample_tables((0.3,), rounds=2) for _ in range(3)]
    for steps, part in zip((10, 2, 1.5), made, strict=True):
        for frame in (part.results, part.runs):
            frame["run"] = frame["run"] + f"-{steps}"
        part.runs["config"] = [{**config, "steps": steps} for config in part.runs["config"]]
    chosen = compare_codecs(
        Tables(
            pd.concat([part.results for part in made]),
            pd.DataFrame(),
            pd.DataFrame(),
            pd.concat([part.runs for part in made]),
        )
    )
    steps = [setting.keys["config.steps"] for setting in chosen.settings]
    assert steps == ["1.5", "2", "10"]


def test_seeds_that_solved_for_alpha_are_one_setting():
    from fedbytes.plots.tables.store_tables import Tables

    made = sample_tables(alphas=(0.1,), seeds=(0, 1, 2), rounds=1)
    results = made.results.copy()
    results["alpha"] += 0.01 * results["seed"]  # what each seed's solution was
    runs = made.runs.assign(
        config=[
            {**c, "partition": {"name": "dirichlet", "alpha": None, "target": {"nmi": 0.5}}}
            for c in made.runs["config"]
        ]
    )
    (setting,) = compare_codecs(Tables(results, made.ledger, made.partitions, runs)).settings
    assert setting.rows["seed"].nunique() == 3


def test_what_acts_in_the_rounds_tells_settings_apart(tables):
    attacked = tables.results.assign(attack="sign_flip", run=tables.results["run"] + "-attacked")
    results = pd.concat([tables.results.assign(attack="none"), attacked])
    chosen = compare_codecs(Tables(results, tables.ledger, tables.partitions, pd.DataFrame()))
    assert [setting.title for setting in chosen.settings] == [
        "dirichlet, α = 0.1, no attack, NMI 0.43",
        "dirichlet, α = 0.1, sign_flip, NMI 0.43",
        "dirichlet, α = 1, no attack, NMI 0.18",
        "dirichlet, α = 1, sign_flip, NMI 0.18",
    ]
