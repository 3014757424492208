"""Ways to aggregate LoRA: exactness where it is claimed, and the bytes that papers count."""

import pytest
import torch
from lora_models import STEPS, Watched, effective, tiny

from fedbytes.compression.frame import HEADER_BYTES
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.hooks import Hooks, Upload
from fedbytes.federated.lora.named_tensors import unpack_tensors
from fedbytes.streams import stream

DIGEST = 4
INPUTS, LAYERS, RANK = 32, 6, 2  # tiny-bert: query and value of three layers
HEAD = 3 * INPUTS + 3 + 1
A = B = LAYERS * RANK * INPUTS


def near(found, wanted, tolerance=2e-6):
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance)


def fp32(numbers):
    return 4 * numbers + DIGEST


EXACT = [
    ("flora", "tiny-bert"),
    ("flora", "tiny-llama"),
    ("ffa_lora", "tiny-bert"),
    ("rolora", "tiny-bert"),
    ("fedex_lora", "tiny-llama"),
    ("fed_sb", "tiny-bert"),
    ({"name": "fed_sb", "init": "whole_gradient"}, "tiny-bert"),
    ({"name": "fed_sb", "init": "weights"}, "tiny-llama"),
]


@pytest.mark.parametrize(("algorithm", "model"), EXACT, ids=str)
def test_the_server_holds_the_mean_of_the_products(algorithm, model):
    run = Watched(algorithm, model=tiny(model)).go(1)
    for _ in range(2):  # in its first round fed_sb only begins
        run.go()
        near(run.loaded(), run.mean_of_products())


@pytest.mark.parametrize("kept", [1, 2])
@pytest.mark.parametrize("algorithm", ["flora", "fedex_lora"])
def test_a_layout_for_all_clients_takes_fewer_uploads(algorithm, kept):
    """A defence may leave uploads out, and a client whose message is malformed has none."""
    hooks = Hooks(before_aggregate=(lambda uploads, context: uploads[:kept],))
    for model in ("tiny-bert", "tiny-llama"):
        run = Watched(algorithm, model=tiny(model), hooks=hooks)
        for _ in range(2):
            run.go()
            sizes = [len(part) for part in run.parts[:kept]]
            mean = [
                sum(n * e for n, e in zip(sizes, ended, strict=True)) / sum(sizes)
                for ended in zip(*run.ended[:kept], strict=True)
            ]
            near(run.loaded(), mean)


def gap(algorithm):
    run = Watched(algorithm).go(1)
    pairs = zip(run.loaded(), run.mean_of_products(), strict=True)
    return sum(float((a - b).square().sum()) for a, b in pairs) ** 0.5


def test_what_a_residual_makes_up_for():
    fedit, whole = gap("fedit"), gap("fedex_lora")
    assert fedit > gap({"name": "fedex_lora", "residual_rank": 1}) > 100 * whole


ONE = [
    "fedit",
    "flora",
    "fedex_lora",
    "hetlora",
    "flexlora",
    "flasc",
    {"name": "ecolora", "segments": 1, "density": 1.0, "gamma": 0.0},
]


@pytest.mark.parametrize("algorithm", ONE, ids=str)
def test_one_client_ends_where_plain_local_training_does(algorithm):
    alone = Watched("fedavg", clients=1, model=tiny("tiny-llama")).go()
    run = Watched(algorithm, clients=1, model=tiny("tiny-llama"))
    if algorithm == "flora":  # begins with the same factors as fedavg
        run.fed.model.draw_initial = lambda _seed: alone.model.initial_state
    near(run.go().loaded(), alone.loaded())


def test_only_one_factor_moves():
    run = Watched("ffa_lora")
    first = {p.a: run.model.flat.clone() for p in run.model.lora.pairs}
    run.go(2)
    run.loaded()
    slices = run.model.layout.slices()
    for pair in run.model.lora.pairs:
        assert torch.equal(run.model.flat[slices[pair.a]], first[pair.a][slices[pair.a]])
        assert not torch.equal(run.model.flat[slices[pair.b]], first[pair.a][slices[pair.b]])


def test_factors_take_turns():
    run = Watched({"name": "rolora", "weight_decay": 0.1})
    slices = run.model.layout.slices()
    for round_ in (1, 2, 3):
        before = run.state.model
        run.go()
        for pair in run.model.lora.pairs:
            for name, moves in ((pair.b, round_ % 2 == 1), (pair.a, round_ % 2 == 0)):
                same = torch.equal(run.state.model[slices[name]], before[slices[name]])
                assert same != moves


@pytest.mark.parametrize(
    ("algorithm", "up"),
    [
        ("fedit", A + B + HEAD),
        ("ffa_lora", B + HEAD),
        ("rolora", B + HEAD),
        ({"name": "fed_sb", "init": "weights"}, LAYERS * RANK * RANK + HEAD),
        ("flasc", A + B + HEAD),
        ("hetlora", A + B + HEAD),
        ("flexlora", A + B + HEAD),
    ],
    ids=str,
)
def test_both_ways_cost_what_is_trained(algorithm, up):
    run = Watched(algorithm).go(3)
    assert set(run.payloads("up")) == {fp32(up)}
    assert set(run.payloads("down")) == {fp32(up)}
    assert {e.message_bytes - e.payload_bytes for e in run.ledger.entries} == {HEADER_BYTES}


@pytest.mark.parametrize("clients", [1, 2, 5])
def test_floras_downlink_grows_with_the_clients_of_a_round(clients):
    run = Watched("flora", clients=clients).go(2)
    assert set(run.payloads("up")) == {fp32(A + B + HEAD)}
    assert set(run.payloads("down")) == {fp32(clients * (A + B) + HEAD)}
    assert len(run.payloads("down")) == clients  # in round 2; the first is begun from the seed


def test_flora_brings_clients_up_to_date_the_cheaper_way():
    run = Watched("flora", clients=6, clients_per_round=2).go(8)
    whole = LAYERS * INPUTS * INPUTS + HEAD
    caught_up = run.payloads("down", ("catch-up",))
    stack = 2 * (A + B) + HEAD
    assert caught_up
    assert set(caught_up) <= {fp32(stack), fp32(whole)}
    near(run.loaded(), run.mean_of_products())


@pytest.mark.parametrize("clients", [1, 3, 10])
def test_fedexs_residual_is_sent_in_the_cheaper_form(clients):
    run = Watched("fedex_lora", clients=clients).go(2)
    residual = min((clients - 1) * (A + B), LAYERS * INPUTS * INPUTS)
    assert set(run.payloads("up")) == {fp32(A + B + HEAD)}
    assert set(run.payloads("down")) == {fp32(A + B + HEAD + residual)}
    near(run.loaded(), run.mean_of_products())


def test_the_beginning_of_fed_sb_is_priced_both_ways():
    run = Watched("fed_sb", clients=4, clients_per_round=3).go(5)
    cores = LAYERS * RANK * RANK
    assert set(run.payloads("up", round_=1)) == {fp32(A + B + HEAD)}
    assert set(run.payloads("down", ("update",), 2)) <= {fp32(A + B + cores + HEAD)}
    assert {fp32(cores + HEAD)} == set(run.payloads("up", round_=5))
    first = run.payloads("down", ("update", "catch-up", "state"))
    assert fp32(A + B + cores + HEAD) in first


def trained_head(run, client, rng):
    """Leave the model where a client's steps of the head alone lead; return the head's change."""
    model, places = run.model, run.model.layout.slices()
    heads = [places[name] for name in places if name.startswith("head.")]
    begin = model.initial_state
    head = torch.nn.Parameter(torch.cat([begin[place] for place in heads]))
    optimizer = torch.optim.AdamW([head], STEPS["learning_rate"], weight_decay=0)
    batches = model.batches(run.parts[client], STEPS["batch_size"], rng)
    for step in range(STEPS["local_steps"] + 1):
        now = begin.clone()
        for place, values in zip(heads, head.detach().split([HEAD - 4, 3, 1]), strict=True):
            now[place] = values
        model.set_state(now)
        if step < STEPS["local_steps"]:
            model.flat.grad.zero_()
            model.loss(next(batches)).backward()
            head.grad = torch.cat([model.flat.grad[place] for place in heads])
            optimizer.step()
    return head.detach() - torch.cat([begin[place] for place in heads])


def gradients_of(run, client):
    """Return the gradients of the base below the head that a client has trained."""
    lora, rng = run.model.lora, stream(0, "batches", 1, client)
    lora.set_delta(torch.zeros(lora.layout.numel))
    trained_head(run, client, rng)
    batches = run.model.batches(run.parts[client], STEPS["batch_size"], rng)
    run.model.flat.grad.zero_()
    with lora.watched():
        for _ in range(STEPS["local_steps"]):
            run.model.loss(next(batches)).backward()
        gradients = lora.gradients()
    assert all(gradient.any() for gradient in gradients)  # below a head of zero they all are zero
    return gradients


def test_fed_sb_begins_with_the_step_that_full_training_would_take():
    run = Watched("fed_sb", clients=1)
    lora, before = run.model.lora, effective(run.model)
    gradients = gradients_of(run.go(1), 0)
    for pair, gradient in zip(lora.pairs, gradients, strict=True):  # as the chain rule has it
        a = run.model.flat.detach()[run.model.layout.slices()[pair.a]].view(RANK, INPUTS)
        b = run.model.flat.grad[run.model.layout.slices()[pair.b]].view(INPUTS, RANK)
        torch.testing.assert_close(b, pair.scale * gradient @ a.T, rtol=1e-4, atol=1e-6)
    for base, after, gradient in zip(before, run.loaded(), gradients, strict=True):
        step = -STEPS["learning_rate"] * best(gradient, RANK).sign()
        torch.testing.assert_close(after - base, best(step, RANK), rtol=0, atol=1e-5)


def test_fed_sb_can_begin_with_the_step_by_the_whole_gradients():
    run = Watched({"name": "fed_sb", "init": "whole_gradient"})
    before = effective(run.model)
    loaded = run.go(1).loaded()
    assert set(run.payloads("up")) == {fp32(LAYERS * INPUTS * INPUTS + HEAD)}
    each = [gradients_of(run, client) for client in range(3)]
    for place, (base, after) in enumerate(zip(before, loaded, strict=True)):
        mean = sum(w * gradients[place] for w, gradients in zip(run.shares, each, strict=True))
        step = best(-STEPS["learning_rate"] * mean.sign(), RANK)
        torch.testing.assert_close(after - base, step, rtol=0, atol=1e-5)


def test_the_first_round_of_fed_sb_moves_the_head():
    run = Watched("fed_sb").go(1)
    run.loaded()
    places = run.model.layout.slices()
    moved = run.model.flat.detach() - run.model.initial_state
    found = torch.cat([moved[places[name]] for name in places if name.startswith("head.")])
    each = [trained_head(run, client, stream(0, "batches", 1, client)) for client in range(3)]
    mean = sum(w * head for w, head in zip(run.shares, each, strict=True))
    assert mean.abs().max() > 0.01
    torch.testing.assert_close(found, mean, rtol=1e-3, atol=1e-6)


def test_a_layer_without_a_gradient_begins_along_its_weights_singular_directions():
    run = Watched("fed_sb", clients=1)
    algorithm, context, lora = run.fed.algorithm, run.fed.context(1), run.model.lora
    nothing = Upload(0, torch.zeros(algorithm.up(context).numel), 1)
    update, _ = algorithm.combine(context, run.state.model, [nothing], {})
    sent = unpack_tensors(algorithm.down(context), update)
    for pair, weight in zip(lora.pairs, lora.base_weights(), strict=True):
        assert not sent[pair.a.replace("lora_A", "lora_R")].any()
        torch.testing.assert_close(
            sent[pair.b] @ sent[pair.b].T @ weight, best(weight, RANK), rtol=0, atol=1e-5
        )


def best(matrix, rank):
    u, s, vh = torch.linalg.svd(matrix.double(), full_matrices=False)
    return ((u[:, :rank] * s[:rank]) @ vh[:rank]).float()


def test_flexlora_holds_the_best_factors_of_the_mean_product():
    run = Watched({"name": "flexlora", "ranks": [1, 2]})
    base = effective(run.model)  # B is zero
    for _ in range(2):
        wanted = [m - b for m, b in zip(run.go().mean_of_products(), base, strict=True)]
        found = [m - b for m, b in zip(run.loaded(), base, strict=True)]
        near(found, [best(w, RANK) for w in wanted])


@pytest.mark.parametrize("algorithm", ["flexlora", "hetlora"])
def test_messages_are_as_long_as_the_clients_rank(algorithm):
    run = Watched({"name": algorithm, "ranks": [1, 2, 3]}, 4, tiny(rank=3)).go(2)
    for entry in run.ledger.entries:
        if entry.kind in ("delta", "state"):
            rank = [1, 2, 3][entry.client % 3]
            assert entry.payload_bytes == fp32(2 * LAYERS * rank * INPUTS + HEAD)
    with pytest.raises(ValueError, match=r"go up to 3, but the adapter has rank 2.*rank=3"):
        Watched({"name": algorithm, "ranks": [3]})


def test_a_client_of_lower_rank_trains_as_a_lora_of_that_rank():
    whole = Watched({"name": "hetlora", "ranks": [1]}, model=tiny(rank=4)).go(1)
    small = tiny(rank=1, alpha=2)  # the scaling of rank 4
    context = whole.fed.context(2).for_client(0)
    begin = whole.fed.algorithm.download(context, whole.state.model)
    rest = [begin, whole.parts[0], {}]
    there = whole.fed.algorithm.train(context, *rest, stream(0, "batches"))
    here = make_algorithm({"name": "fedavg", **STEPS}).client(small, *rest, stream(0, "batches"))
    torch.testing.assert_close(there.delta, here.delta, rtol=0, atol=1e-5)


def test_hetlora_weighs_clients_by_what_they_learned():
    run = Watched({"name": "hetlora", "ranks": [1, 2, 2]}).go(1)
    algorithm, context, held = run.fed.algorithm, run.fed.context(2), run.state.model
    idle = [
        Upload(c, -algorithm.download(context.for_client(c), held), n)
        for c, n in ((0, 1000), (2, 1000))
    ]
    moved = torch.full((algorithm.up(context.for_client(1)).numel,), 0.01)
    after, _ = algorithm.combine(context, held, [idle[0], Upload(1, moved, 1), idle[1]], {})
    wanted = unpack_tensors(
        run.model.layout, held + moved
    )  # of the only one whose product is not zero
    for pair in run.model.lora.pairs:
        for name in (pair.a, pair.b):
            torch.testing.assert_close(unpack_tensors(run.model.layout, after)[name], wanted[name])


def test_flasc_sends_down_only_what_was_learned():
    topk = {"name": "topk", "density": 0.1, "bits": 32}
    run = Watched("flasc", link=topk).go(2)
    assert max(run.payloads("down", round_=1)) < 16  # nothing yet
    dense = fp32(A + B + HEAD)
    assert dense / 20 < min(run.payloads("down", round_=2)) < dense / 5
    assert dense / 20 < min(run.payloads("up")) <= max(run.payloads("up")) < dense / 5


def test_ecoloras_segments_take_turns():
    run = Watched({"name": "ecolora", "segments": 4, "density": 1.0, "gamma": 0.0}, 2)
    numel = run.model.layout.numel
    for round_ in range(1, 5):
        before = run.state.model
        run.go()
        moved = (run.state.model != before).nonzero().flatten()
        quarters = {(c + round_) % 4 for c in (0, 1)}
        assert set((moved * 4 // numel).tolist()) <= quarters
    assert set(run.payloads("up")) <= {fp32(numel // 4), fp32(numel // 4 + 1)}


def test_ecolora_remembers_what_it_leaves_out():
    floors = {"min_density": 0.02, "min_density_b": 0.01}
    run = Watched({"name": "ecolora", "segments": 2, "density": 0.1, **floors}, 1)
    algorithm, context = run.fed.algorithm, run.fed.context(1).for_client(0)
    rest = [run.state.model, run.parts[0]]
    plain = algorithm.local(run.model, *rest, {}, stream(0, "batches"))
    trained = algorithm.train(context, *rest, {}, stream(0, "batches"))
    numel = run.model.layout.numel
    second = slice(numel // 2, numel)  # client 0, round 1
    left = trained.memory["unsent"]
    assert (trained.delta != 0).sum() == pytest.approx(0.1 * len(trained.delta), abs=2)
    torch.testing.assert_close(trained.delta + left[second], plain.delta[second])
    assert not left[: numel // 2].any()
    again = algorithm.train(
        run.fed.context(3).for_client(0), *rest, trained.memory, stream(0, "batches")
    )
    total = again.delta + again.memory["unsent"][second]
    torch.testing.assert_close(total, plain.delta[second] + left[second])
    assert [round(algorithm.share(r, 0.02), 3) for r in (1.2, 1.0, 0.5)] == [0.1, 0.1, 0.038]


@pytest.mark.parametrize("segments", [1, 3])
def test_ecolora_chooses_among_each_kind_of_entries_apart(segments):
    spec = {"name": "ecolora", "segments": segments, "density": 0.5, "gamma": 1e6}
    run = Watched(spec | {"min_density": 0.2, "min_density_b": 0.1})
    layout, algorithm = run.model.layout, run.fed.algorithm
    wanted = torch.randn(layout.numel, generator=torch.Generator().manual_seed(0))
    pairs, sent = run.model.lora.pairs, []
    for name in (pair.b for pair in pairs):  # an entry of B is larger than all others
        wanted[layout.slices()[name]] *= 100
    for number in range(segments):
        place = slice(*(layout.numel * edge // segments for edge in (number, number + 1)))
        sent.append(algorithm.largest(run.model, place, wanted[place], 0.5))
        assert torch.equal(sent[-1][sent[-1] != 0], wanted[place][sent[-1] != 0])
    kept = unpack_tensors(layout, torch.cat(sent))
    factors = {p.a for p in pairs}, {p.b for p in pairs}
    kinds = *factors, set(layout.names) - factors[0] - factors[1]
    for names, share in zip(kinds, (0.2, 0.1, 0.2), strict=True):
        entries = torch.cat([kept[name].flatten() for name in layout.names if name in names])
        assert (entries != 0).sum() == pytest.approx(share * len(entries), abs=segments)
    if segments == 1:
        whole = torch.cat([unpack_tensors(layout, wanted)[p.b].flatten() for p in pairs]).abs()
        chosen = torch.cat([kept[p.b].flatten() for p in pairs]).abs()
        assert chosen[chosen != 0].min() > whole[chosen == 0].max()


def test_ecoloras_shares_of_a_and_b_must_not_grow():
    with pytest.raises(ValueError, match=r"min_density_b=0\.6 is above density=0\.5"):
        make_algorithm("ecolora", **STEPS, min_density_b=0.6)


def test_ecoloras_messages_shrink_with_the_loss():
    sparse = {"name": "topk", "density": 1.0, "bits": 16}
    spec = {"name": "ecolora", "segments": 1, "density": 0.3, "min_density": 0.01, "gamma": 20.0}
    spec["min_density_b"] = 0.01
    spec["learning_rate"] = 0.003
    run = Watched(spec, 1, link=sparse).go(6)
    sizes = run.payloads("up")
    assert sizes[-1] < sizes[0] / 2 < fp32(A + B + HEAD) / 4


@pytest.mark.parametrize("fields", [{"quantise": "nf4"}, {"device_map": "cpu"}], ids=str)
def test_a_base_that_cannot_be_written_gets_a_product_beside_it(fields):
    if "quantise" in fields:
        pytest.importorskip("bitsandbytes")
    model = tiny("tiny-llama", base=fields)
    before = effective(model)
    delta = torch.randn(model.lora.layout.numel, generator=torch.Generator().manual_seed(0))
    model.lora.set_delta(delta)
    slices = model.lora.layout.slices()
    for pair, old, new in zip(model.lora.pairs, before, effective(model), strict=True):
        part = delta[slices[pair.base]].view(pair.outputs, pair.inputs)
        torch.testing.assert_close(new - old, part, rtol=0, atol=1e-4)
    for stored, old in zip(model.lora.base_weights(), before, strict=True):
        torch.testing.assert_close(stored, old, rtol=0, atol=1e-4)


@pytest.mark.parametrize("algorithm", ["flora", "fedex_lora", "fed_sb"])
def test_the_shared_base_is_never_written(algorithm):
    first, second = tiny(), tiny()
    before = effective(second)
    Watched(algorithm, model=first).go(2).loaded()
    assert all(torch.equal(a, b) for a, b in zip(effective(second), before, strict=True))


NAMES = (
    "ecolora fed_sb fedex_lora fedit ffa_lora flasc flexlora flora hetlora rolora"  # all of these
)


@pytest.mark.parametrize("name", NAMES.split())
def test_a_model_without_factors_is_refused(name, make_run):
    with pytest.raises(ValueError, match=f"algorithm '{name}' needs adapter lora"):
        make_run(3, algorithm=make_algorithm(name, **STEPS))


def test_memories_that_cannot_help_are_refused():
    topk = {"name": "topk", "density": 0.5, "error_feedback": True}
    with pytest.raises(ValueError, match=r"new LoRA each round.*uplink\.error_feedback=false"):
        Watched("flora", link=topk)
    with pytest.raises(ValueError, match="no server optimiser: leave server_momentum at 0"):
        Watched({"name": "rolora", "server_momentum": 0.5})
