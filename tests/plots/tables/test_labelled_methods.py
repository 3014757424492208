"""Methods that differ in adapter or algorithm are compared in one panel, by their labels."""

import pandas as pd
import pytest

from fedbytes.experiments.config.run_config import make_config
from fedbytes.plots.tables.comparison import compare_codecs
from fedbytes.plots.tables.store_tables import Tables, apply_labels


def rows(labels: dict[str, tuple[str, str, str]]) -> pd.DataFrame:
    found = []
    for label, (adapter, algorithm, codec) in labels.items():
        for seed in (0, 1):
            found.append(
                {
                    "run": f"{label} {codec} {seed}",
                    "suite": "s",
                    "task": "t",
                    "model": "m",
                    "adapter": adapter,
                    "algorithm": algorithm,
                    "codec": codec,
                    "uplink": codec,
                    "downlink": codec,
                    "partition": "iid",
                    "alpha": float("nan"),
                    "heterogeneity": 0.1,
                    "seed": seed,
                    "round": 1,
                    "total_bytes": 1000,
                    "accuracy": 0.5,
                    "label": label.split("|")[0] or None,
                }
            )
    return pd.DataFrame(found)


def tables(results: pd.DataFrame, baseline: str | None = None) -> Tables:
    runs = pd.DataFrame({"run": results["run"].unique(), "status": "done"})
    runs["config"] = [{"label": run, "adapter": {"name": run}} for run in runs["run"]]
    return Tables(apply_labels(results), pd.DataFrame(), pd.DataFrame(), runs, baseline)


METHODS = {"LoRA": ("lora", "fedavg", "fp32"), "FLoRA": ("lora", "flora", "fp32")}


def test_labelled_methods_share_a_setting_and_the_suite_names_the_baseline():
    found = compare_codecs(tables(rows(METHODS), "FLoRA"))
    assert len(found.settings) == 1
    assert found.codecs == ("FLoRA", "LoRA")
    assert found.baseline == "FLoRA"


def test_without_labels_adapters_and_algorithms_are_settings():
    found = compare_codecs(tables(rows(METHODS).drop(columns="label")))
    assert len(found.settings) == 2
    assert found.codecs == ("fp32",)


def test_codecs_of_one_label_are_named_after_it():
    both = METHODS | {"LoRA|": ("lora", "fedavg", "ecsq")}
    assert set(compare_codecs(tables(rows(both))).codecs) == {"LoRA · fp32", "LoRA · ecsq", "FLoRA"}


def test_labels_stand_for_their_defences_where_each_has_one():
    results = rows(METHODS)
    own = results.assign(defense=results["label"].map({"LoRA": "none", "FLoRA": "pgd"}))
    found = compare_codecs(tables(own))
    assert len(found.settings) == 1
    two = results.assign(defense=["none", "pgd", "none", "none"])
    assert len(compare_codecs(tables(two)).settings) == 2


def test_a_label_is_no_part_of_a_runs_identity():
    plain, labelled = make_config({"seed": 1}), make_config({"seed": 1, "label": "mine"})
    assert plain.id == labelled.id
    with pytest.raises(ValueError, match="label"):
        make_config({"label": ["a"]})
