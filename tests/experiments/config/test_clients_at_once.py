"""How many clients train side by side: in the id unless it is one, and a number once planned."""

import pytest

from fedbytes.experiments.config.run_config import make_config

TINY = {"model": {"name": "tiny-llama", "device": "cpu"}, "task": {"name": "reuters-r8"}}
HEAD = {"adapter": "head", "partition": {"name": "iid", "num_clients": 12}}


def config(**fields):
    return make_config(TINY | HEAD | fields)


def test_one_is_left_out_of_the_id_and_another_number_is_in_it():
    assert config(clients_at_once=1).id == config().id
    assert config(clients_at_once=4).id != config().id != config(clients_at_once=5).id


def test_more_than_a_round_has_are_as_many_as_it_has():
    assert config(clients_at_once=99).id == config(clients_at_once=12).id
    assert config(clients_at_once=99, clients_per_round=1).id == config(clients_per_round=1).id
    drawn = config(clients_at_once=99, clients_per_round=3, sampling="poisson")
    assert drawn.clients_at_once == 12  # a round may have more than it has on average


def test_auto_becomes_a_number_of_groups_of_about_one_size():
    few = config(clients_at_once="auto", algorithm={"name": "fedavg", "local_steps": 1})
    assert isinstance(few.clients_at_once, int)
    assert (
        few.id
        == config(
            clients_at_once=few.clients_at_once, algorithm={"name": "fedavg", "local_steps": 1}
        ).id
    )
    texts = {"task": {"name": "reuters-r8", "max_length": 64}}
    large = config(**texts, clients_at_once="auto", algorithm={**few.algorithm, "batch_size": 999})
    assert large.clients_at_once == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"adapter": "full"},
        {"algorithm": {"name": "ditto", "local_steps": 1}},
        {"audit": ["norms", "span"]},  # scored by what each client reads
    ],
    ids=["adapter", "algorithm", "audit"],
)
def test_auto_is_one_where_clients_cannot_and_a_number_is_refused(fields):
    assert config(**fields, clients_at_once="auto").clients_at_once == 1
    with pytest.raises(ValueError, match=r"^clients_at_once=2: a.*: set clients_at_once=1$"):
        config(**fields, clients_at_once=2)


@pytest.mark.parametrize("wrong", [0, -1, True, "many", 1.5, None])
def test_anything_else_is_refused(wrong):
    with pytest.raises(ValueError, match="clients_at_once: must be a whole number of at least 1"):
        config(clients_at_once=wrong)
