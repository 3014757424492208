import pickle

import pytest

from fedbytes.experiments.config.run_config import RunConfig, make_config
from fedbytes.experiments.execution import preflight
from fedbytes.federated import make_algorithm


def test_defaults_are_filled_in_and_do_not_change_the_id(settings):
    plain = make_config(settings)
    spelled = make_config(settings | {"uplink": {"name": "fp32", "error_feedback": False}})
    assert plain.id == spelled.id
    assert plain.algorithm["server_optimizer"] == "sgd"
    assert plain.partition["num_clients"] == 4


def test_canonical_settings_are_their_own_canonical_form(settings):
    config = make_config(settings | {"codec": {"name": "topk", "density": 0.1}})
    assert make_config(config.model_dump(mode="json")) == config


CHANGED = {
    "task": {"name": "reuters-r8", "max_length": 16},
    "model": "tiny-llama",
    "adapter": "head",
    "partition": {"name": "dirichlet", "alpha": 1.0, "num_clients": 5},
    "algorithm": {"name": "fedavg", "local_steps": 3},
    "uplink": "bf16",
    "downlink": "bf16",
    "aggregation": "sum_then_decode",
    "attack": {"name": "sign_flip", "share": 0.25},
    "defense": "norm_clip",
    "clean": "loss",
    "privacy": {"name": "clip", "norm": 1.0},
    "audit": "norms",
    "rounds": 5,
    "clients_per_round": 3,
    "evaluate_every": 2,
    "evaluate_start": True,
    "initial": "seed",
    "broadcast": "multicast",
    "seed": 1,
    "batch_stream": 1,
    "evaluate_clients": True,
    "sampling": "poisson",
    "set_aside": 0.5,
    "clients_at_once": 2,
}
"""Another value of each field that decides what a run finds."""
WHERE = ("suite", "label", "checkpoint_every", "plugins", "declared", "keep", "workers_per_run")
"""Fields that decide where and how it is found, and are no part of its identity."""


def test_every_field_of_a_run_decides_its_id_or_is_known_not_to():
    assert {*CHANGED, *WHERE} == set(RunConfig.model_fields), "say here which a new field is"


@pytest.mark.parametrize("field", CHANGED)
def test_what_decides_the_result_decides_the_id(settings, field):
    base = settings | {"clients_per_round": 4}
    if field == "aggregation":
        base |= {"uplink": {"name": "fixed", "clip": 4.0, "bits": 16}}
    assert make_config(base).id != make_config(base | {field: CHANGED[field]}).id


def test_what_a_model_runs_on_does_not_hide_what_it_is(settings):
    def named(**fields):
        return make_config(settings | {"model": {"name": "tiny-bert", **fields}}).id

    assert named() == named(device="cpu") != named(precision="bfloat16")


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "x"},
        {"checkpoint_every": 2},
        {"workers_per_run": 2},
        {"declared": {"protocol": {"margin": 0.1}}},
        {"model": {"name": "tiny-bert", "device": "cpu"}},
    ],
    ids=str,
)
def test_where_it_runs_does_not(settings, change):
    assert make_config(settings).id == make_config(settings | change).id


def test_codec_stands_for_both_links(settings):
    both = make_config(settings | {"codec": "bf16"})
    assert both == make_config(settings | {"uplink": "bf16", "downlink": "bf16"})
    with pytest.raises(ValueError, match="either codec or uplink"):
        make_config(settings | {"codec": "bf16", "uplink": "fp32"})
    topk = {"name": "topk", "density": 0.1}
    moved = make_config(settings | {"codec": topk | {"momentum": 0.5}})
    up, down = topk | {"momentum": 0.5}, topk
    assert moved == make_config(settings | {"uplink": up, "downlink": down})


def test_a_split_keeps_its_groups(settings):
    grouped = settings | {"partition": settings["partition"] | {"groups": "text"}}
    assert make_config(grouped).clients.groups == "text"
    assert make_config(grouped).id != make_config(settings).id


STEPS = {"local_steps": 1}
NO_FEATURES = "moon compares the pooled features .* take a classification task"
NO_FACTORS = "algorithm '{}' needs adapter lora with both factors trained"


@pytest.mark.parametrize(
    ("algorithm", "change", "message"),
    [
        ("moon", {"task": {"name": "reuters-r8", "kind": "causal-lm"}}, NO_FEATURES),
        ("moon", {"adapter": "head"}, NO_FEATURES),
        ("moon", {"model": {"name": "tiny-llama", "head": "words"}}, NO_FEATURES),
        ("fedit", {"adapter": "full"}, NO_FACTORS.format("fedit")),
        ("flora", {"adapter": "dora"}, NO_FACTORS.format("flora")),
        ("hetlora", {"adapter": {"name": "lora", "train": "b"}}, NO_FACTORS.format("hetlora")),
        ("fed_sb", {"adapter": {"name": "peft", "method": "LOHA"}}, NO_FACTORS.format("fed_sb")),
    ],
    ids=str,
)
def test_what_an_algorithm_cannot_train_is_refused_before_a_model_is_loaded(
    settings, algorithm, change, message
):
    fields = settings | {"algorithm": {"name": algorithm, **STEPS}}
    assert make_config(fields | {"adapter": "lora"}).id
    with pytest.raises(ValueError, match=message) as caught:
        make_config(fields | change)
    assert "\n" not in str(caught.value)


def test_what_only_a_model_can_tell_is_left_to_it(settings):
    """Whether a method of peft gives both factors is seen once it is attached."""
    options = {"r": 4, "use_dora": True}
    adapter = {"name": "peft", "method": "LORA", "options": options}
    fields = settings | {"algorithm": {"name": "fedit", **STEPS}, "adapter": adapter}
    config = make_config(fields)
    assert config.adapter["options"] == options
    with pytest.raises(ValueError, match=NO_FACTORS.format("fedit")):
        preflight.check([config])
    del options["use_dora"]
    preflight.check([make_config(fields)])


def test_components_are_built_once_beside_the_configuration(settings):
    config, same = make_config(settings), make_config(settings)
    built = config.components
    assert config.components is built
    assert built.specs["uplink"] == config.uplink
    assert built.algorithm == make_algorithm(config.algorithm)
    stored = RunConfig(**config.model_dump(mode="json"))  # nothing is built yet
    assert (stored, stored.id) == (config, config.id) == (same, same.id)
    assert pickle.loads(pickle.dumps(config)) == config
    assert b"FedAvg" not in pickle.dumps(config)
    fedprox = {"name": "fedprox", "local_steps": 1}
    other = config.model_copy(update={"algorithm": fedprox})
    assert other.components.algorithm == make_algorithm(fedprox)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ronds": 3}, "'ronds'; did you mean 'rounds'"),
        ({"rounds": 0}, "rounds: must be at least 1, got 0"),
        ({"rounds": "many"}, "rounds: must be a whole number, got 'many'"),
        ({"rounds": 2.5}, "rounds: must be a whole number, got 2.5"),
        ({"evaluate_start": "maybe"}, "evaluate_start: must be true or false, got 'maybe'"),
        (
            {"evaluate_clients": "maybe"},
            "evaluate_clients: must be true or false, or 'sent', got 'maybe'",
        ),
        ({"uplink": {"name": "topk", "densty": 0.1}}, "uplink: .*did you mean 'density'"),
        ({"uplink": "topq"}, "uplink: unknown codec 'topq'; did you mean 'topk'"),
        ({"partition": {"name": "dirichlet", "alpha": 0}}, "partition: .*alpha"),
        ({"partition": {"name": "dirichlet", "alpha": -1.0}}, "partition: .*alpha"),
        ({"partition": {"name": "dirichlet", "alpha": float("nan")}}, "partition: .*alpha"),
        ({"partition": {"name": "dirichlt"}}, "did you mean 'dirichlet'"),
        ({"partition": {"name": "iid", "num_clients": 0}}, "num_clients: .*got 0"),
        ({"clients_per_round": 9}, "clients_per_round is 9, but there are only 4"),
        ({"algorithm": {"name": "fedavg", "local_step": 4}}, "did you mean 'local_steps'"),
        ({"task": {"name": "reuters-r9"}}, "task: .*did you mean 'reuters-r8'"),
        ({"adapter": {"name": "lora", "rank": 0}}, "adapter: .*rank"),
        ({"plugins": ["no/such/file.py"]}, "plugin file 'no/such/file.py' does not exist"),
        ({"initial": "none"}, "initial: .*'full' or 'seed'"),
    ],
    ids=lambda x: str(x)[:40],
)
def test_bad_settings_are_refused_by_name(settings, change, message):
    with pytest.raises(ValueError, match=message) as caught:
        make_config(settings | change)
    assert "\n" not in str(caught.value)
