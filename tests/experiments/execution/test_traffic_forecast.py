"""What a dry run says of bytes, against the messages of the rounds themselves."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from algorithm_tables import configured

from fedbytes.compression.layout import Layout
from fedbytes.experiments.execution.traffic_forecast import Lengths, Sample, _code, foretell
from fedbytes.federated.aggregation import make_aggregation
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.federation import Federation
from fedbytes.federated.fit.link_fit import compatibility
from fedbytes.federated.plugins.round_plugins import make_plugins
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.testing.bench_federation import find_model
from fedbytes.federated.testing.strict_client import Rehearsal
from fedbytes.federated.testing.tiny_models import TinyRegression, examples_of, text_model

ROUNDS, CLIENTS, SAMPLED = 6, 5, 2
NOISE = Sample(torch.from_numpy(np.random.default_rng(0).normal(size=4096).astype("float32")))
EVEN = {"name": "int", "bits": 8}
"""A codec whose messages have one length."""


def federation(algorithm, model, uplink, downlink, clients=SAMPLED, **fields):
    bounds = np.linspace(0, examples_of(model), CLIENTS + 1).astype(int)
    parts = [np.arange(a, b, dtype=np.int64) for a, b in pairwise(bounds)]
    return Federation(
        model=model,
        parts=parts,
        algorithm=algorithm,
        uplink=make_link(uplink),
        downlink=make_link(downlink),
        clients_per_round=clients,
        seed=3,
        texts=lambda client: [(f"text {row}", "label") for row in parts[client]],
        **fields,
    )


def made(fed):
    """Return the bytes of the rounds, up and down."""
    ledger = Rehearsal(fed).go(ROUNDS).ledger
    return ledger.up_bytes, ledger.down_bytes


FIELDS = ({"initial": "full"}, {"initial": "seed", "broadcast": "multicast"})
CASES = [(*case, FIELDS[place % 2]) for place, case in enumerate(configured())]


@pytest.mark.parametrize(("label", "algorithm", "fields"), CASES, ids=lambda x: str(x)[:40])
def test_codecs_of_one_length_are_forecast_to_the_byte(label, algorithm, fields):
    if "gamma" in label:
        pytest.skip("what clients announce is not forecast")
    aggregation = make_aggregation(algorithm.example_aggregation)
    links = [
        (up, down)
        for up in (EVEN, "fp32", algorithm.example_uplink)
        for down in (EVEN, "fp32")
        if algorithm.refuses(compatibility(make_link(up), make_link(down), True, aggregation))
        is None
    ]
    model = find_model(algorithm)()
    fed = federation(algorithm, model, *links[0], aggregation=aggregation, **fields)
    up, down, _, exact = foretell(fed, ROUNDS, NOISE)
    real_up, real_down = made(fed)
    assert down == real_down
    assert up == real_up or links[0][0] == algorithm.example_uplink != "fp32"
    assert up == pytest.approx(real_up, rel=0.1)
    assert (up, down) == (real_up, real_down) or not exact


@pytest.mark.parametrize("broadcast", ["unicast", "multicast"])
def test_what_an_aggregation_tells_all_is_forecast_once_for_a_multicast(broadcast):
    steps = make_algorithm("fedavg", local_steps=2, batch_size=8, learning_rate=0.01)
    fixed = {"name": "fixed", "clip": 4.0, "bits": 16}
    fields = {"broadcast": broadcast, "aggregation": make_aggregation("sum_then_decode")}
    fed = federation(steps, find_model(steps)(), fixed, "fp32", **fields)
    assert foretell(fed, ROUNDS, NOISE)[:2] == made(fed)


@pytest.mark.parametrize("broadcast", ["unicast", "multicast"])
def test_masked_sums_are_forecast_to_the_byte(broadcast):
    """But for a multicast of survivors, which all are told alike, and is forecast for each."""
    steps = make_algorithm("fedavg", local_steps=2, batch_size=8, learning_rate=0.01)
    fixed = {"name": "fixed", "clip": 4.0, "bits": 16}
    fields = {"broadcast": broadcast, "plugins": make_plugins(privacy="secagg")}
    fed = federation(steps, find_model(steps)(), fixed, "fp32", clients=4, **fields)
    forecast, real = foretell(fed, ROUNDS, NOISE)[:2], made(fed)
    assert forecast == pytest.approx(real, rel=0 if broadcast == "unicast" else 0.03)


def test_encrypted_sums_are_forecast_nearly():
    """In the place of updates the sum goes down, to who has taken part in every round."""
    steps = make_algorithm("fedavg", local_steps=2, batch_size=8, learning_rate=0.01)
    fixed = {"name": "fixed", "clip": 4.0, "bits": 16}
    plugins = make_plugins(privacy="he")
    model = find_model(steps)()
    fed = federation(steps, model, fixed, "fp32", plugins=plugins, clients=CLIENTS)
    assert foretell(fed, ROUNDS, NOISE)[:2] == pytest.approx(made(fed), rel=0.01)


@pytest.mark.parametrize("broadcast", ["unicast", "multicast"])
def test_trusted_examples_are_forecast_once_for_each_client(broadcast):
    plugins = make_plugins(clean={"name": "influence", "root_examples": 7, "from_round": 99})
    model = text_model("tiny-bert", {"name": "lora", "rank": 2})
    algorithm = make_algorithm("fedavg", local_steps=1)
    fed = federation(algorithm, model, "fp32", "fp32", plugins=plugins, broadcast=broadcast)
    assert foretell(fed, ROUNDS, NOISE)[:2] == made(fed)


def test_a_reference_is_forecast_with_the_state_that_it_goes_with():
    model = text_model("tiny-bert", {"name": "lora", "rank": 2})
    steps = make_algorithm("fedavg", local_steps=2, batch_size=8, learning_rate=0.01)
    fed = federation(steps, model, "lora_klt", "fp32")
    assert foretell(fed, ROUNDS, NOISE)[1] == made(fed)[1]


@pytest.mark.parametrize("fields", FIELDS, ids=str)
@pytest.mark.parametrize("downlink", ["bf16", EVEN], ids=str)
def test_updates_that_the_server_no_longer_keeps_are_not_forecast(downlink, fields):
    """A whole state with its reference costs twice, and what is kept costs one state at most."""
    steps = make_algorithm("fedavg", local_steps=2, batch_size=8, learning_rate=0.01)
    power = {"name": "powersgd", "rank": 1, "factors": "fp32"}
    fed = federation(steps, TinyRegression(), power, downlink, **fields)
    ledger = Rehearsal(fed).go(3 * ROUNDS).ledger
    assert foretell(fed, 3 * ROUNDS, NOISE)[:2] == (ledger.up_bytes, ledger.down_bytes)


@pytest.mark.parametrize(
    ("uplink", "exact"),
    [
        ("fp32", True),
        (EVEN, True),
        ({"name": "ecsq", "bits": 1.5}, False),
        ({"name": "ecsq", "bits": 1.5, "error_feedback": True}, False),
        ({"name": "threshold", "threshold": 1.0}, False),
    ],
    ids=str,
)
def test_it_is_told_where_lengths_follow_from_the_values(uplink, exact):
    steps = make_algorithm("fedavg", local_steps=2, batch_size=8, learning_rate=0.01)
    model = text_model("tiny-bert", {"name": "lora", "rank": 2})
    assert foretell(federation(steps, model, uplink, "fp32"), ROUNDS, NOISE).exact is exact


def test_ciphertexts_are_not_said_to_be_exact():
    steps = make_algorithm("fedavg", local_steps=2, batch_size=8, learning_rate=0.01)
    fields = {"plugins": make_plugins(privacy="he"), "clients": CLIENTS}
    fixed = {"name": "fixed", "clip": 4.0, "bits": 16}
    fed = federation(steps, find_model(steps)(), fixed, "fp32", **fields)
    assert not foretell(fed, ROUNDS, NOISE).exact


def test_what_a_client_really_sent_tells_how_long_its_messages_are():
    """With pairs of place and value a message follows from how many values are not zero."""
    algorithm = make_algorithm(
        "fedkseed", seeds=512, local_steps=3, batch_size=8, learning_rate=0.01, draws="own"
    )
    pairs = {"name": "threshold", "threshold": 1e-6, "bits": 32}
    fed = federation(algorithm, find_model(algorithm)(), pairs, "fp32", initial="seed")
    context, held = fed.context(1), algorithm.initial(fed.model, 3)
    trained = algorithm.train(
        context.for_client(context.clients[0]), held, fed.parts[0], {}, np.random.default_rng(0)
    )
    assert foretell(fed, ROUNDS, Sample.of(trained.delta))[0] == pytest.approx(
        made(fed)[0], rel=0.05
    )


def test_pieces_from_all_over_stand_for_a_long_vector():
    vector = torch.cat([torch.zeros(3 << 20), torch.ones(1 << 20)])
    sample = Sample.of(vector)
    assert len(sample.values) == 1 << 20
    assert float(sample.vector(len(vector)).mean()) == pytest.approx(0.25)
    assert torch.equal(Sample.of(vector[-5:]).vector(5), vector[-5:])


def test_every_upload_is_coded_and_a_broadcast_once():
    steps = make_algorithm("fedavg", local_steps=2, batch_size=8, learning_rate=0.01)
    fed = federation(steps, TinyRegression(), EVEN, {"name": "topk", "density": 0.1})
    lengths, context = Lengths(fed, NOISE), fed.context(1)
    lengths.up(context)
    upload = lengths.codec_seconds
    assert upload > 0
    lengths.up(context)
    assert lengths.codec_seconds == 2 * upload
    lengths.down(context)
    broadcast = lengths.codec_seconds - 2 * upload
    assert broadcast > 0
    for client in range(3):  # who hears the same message
        lengths.down(context.for_client(client))
    assert lengths.codec_seconds == pytest.approx(2 * upload + broadcast)
    lengths.down(fed.context(2))
    assert lengths.codec_seconds == pytest.approx(2 * (upload + broadcast))


@pytest.mark.parametrize(
    ("codec", "varies"),
    [
        ("fp32", False),
        (EVEN, False),
        ({"name": "topk", "density": 0.05}, True),  # places are coded by their gaps
        ({"name": "stc", "density": 0.05}, True),
        ({"name": "ecsq", "bits": 1.5}, True),
    ],
)
def test_lengths_that_follow_from_values_or_places_are_no_exact_ones(codec, varies):
    layout = Layout.of({"x": torch.zeros(20_000)})
    x = Sample(NOISE.values).vector(20_000)
    assert _code(make_link(codec), layout, x).varies == varies
