"""Soft prompts: what is trained, what the model reads, and that the text alone is answered for."""

import numpy as np
import pytest
import torch
from transformers import DynamicCache, GenerationConfig

from fedbytes.models import build_model, load_base, make_adapter
from fedbytes.models.batching import make_batch

CPU = torch.device("cpu")
WORDS = (7, 30, 12, 99)
NAMES = ("prompt_tuning", "p_tuning", "prefix_tuning")


def prompted(name, base, task, **fields):
    return build_model(base, {"name": name, "length": 4, **fields}, task, seed=3)


def batch_of(task, count=6):
    return make_batch(task.train, np.arange(count), CPU)


@pytest.fixture(params=["tiny-bert", "tiny-llama"])
def base(request):
    return request.param


@pytest.mark.parametrize("name", NAMES)
def test_the_prompt_and_the_head_alone_are_trained(name, base, colours):
    model = prompted(name, base, colours)
    found = {n: s for n, s in model.layout.shapes.items() if not n.startswith("head.")}
    keys = 32 if base == "tiny-bert" else 16  # of two heads in four
    wanted = {
        "prompt_tuning": {"soft_prompt": (4, 32)},
        "p_tuning": {"prompt_encoder.embedding.weight": (4, 32)},
        "prefix_tuning": {
            f"prefix_{part}.{place}": (4, keys) for place in range(3) for part in ("keys", "values")
        },
    }[name]
    encoder = {n: s for n, s in found.items() if ".mlp_head." in n}
    assert {n: s for n, s in found.items() if n not in encoder} == wanted
    assert len(encoder) == (6 if name == "p_tuning" else 0)
    assert not model.keeps_states, "the first layer reads the prompt: no layer is constant"


def test_an_lstm_reads_the_prompt_first(base, colours):
    """What stands before the text is what torch's own layers make of the trained values."""
    fields = {"encoder": "lstm", "encoder_hidden": 8, "encoder_layers": 3}
    model = prompted("p_tuning", base, colours, **fields)
    held = model.network.backbone.prompt_encoder.state_dict()
    lstm, head = torch.nn.LSTM(32, 8, 3, bidirectional=True), torch.nn.Linear(16, 16)
    last = torch.nn.Linear(16, 32)
    for name, layer in (("lstm_head.", lstm), ("mlp_head.0.", head), ("mlp_head.2.", last)):
        part = {n.removeprefix(name): p for n, p in held.items() if n.startswith(name)}
        layer.load_state_dict(part)
    assert 0.3 < max(p.abs().max() for p in lstm.parameters()) <= 8**-0.5
    prompt = last(torch.relu(head(lstm(held["embedding.weight"])[0])))
    batch, frozen = batch_of(colours), load_base(base).model
    rows = prompt.expand(len(batch), -1, -1)
    text = torch.cat([rows, frozen.get_input_embeddings()(batch.tokens)], 1)
    mask = torch.nn.functional.pad(batch.mask, (4, 0), value=1)
    with torch.no_grad():
        wanted = frozen(inputs_embeds=text, attention_mask=mask)[0][:, 4:]
        found = model.network.backbone(input_ids=batch.tokens, attention_mask=batch.mask)[0]
    torch.testing.assert_close(found[batch.mask == 1], wanted[batch.mask == 1])


def test_an_lstm_goes_with_products_in_bfloat16(base, colours):
    spec = {"name": base, "precision": "bfloat16"}
    model = prompted("p_tuning", spec, colours, encoder="lstm", encoder_hidden=8)
    model.set_state(model.initial_state + 0.1 * torch.arange(model.layout.numel).cos())
    model.loss(batch_of(colours)).backward()
    assert model.flat.grad.isfinite().all()
    assert model.flat.grad[: 4 * 32].abs().max() > 0


def test_layers_of_an_lstm_that_is_not_there_are_refused():
    with pytest.raises(ValueError, match="encoder_layers=3 requires encoder=lstm"):
        make_adapter("p_tuning", encoder_layers=3)


def test_a_prompt_of_words_is_those_words_before_the_text(base, colours):
    """The model's states are those after reading the words; the pooled ones the text's alone."""
    model = prompted("prompt_tuning", base, colours, ids=WORDS)
    batch = batch_of(colours)
    words = torch.tensor(WORDS).expand(len(batch), -1)
    tokens = torch.cat([words, batch.tokens], 1)
    mask = torch.cat([torch.ones_like(words), batch.mask], 1)
    with torch.no_grad():
        wanted = load_base(base).model(input_ids=tokens, attention_mask=mask)[0][:, len(WORDS) :]
        found = model.network.backbone(input_ids=batch.tokens, attention_mask=batch.mask)[0]
        pooled = model.network.features(batch.tokens, batch.mask)
    torch.testing.assert_close(found[batch.mask == 1], wanted[batch.mask == 1])
    for row, length in enumerate(batch.mask.sum(1)):
        text = wanted[row, :length]
        expected = text.mean(0) if base == "tiny-bert" else text[-1]
        torch.testing.assert_close(pooled[row], expected)


def test_virtual_tokens_are_no_targets_of_a_language_model(colour_texts):
    spec = {"name": "tiny-llama", "precision": "float32"}
    model = prompted("prompt_tuning", spec, colour_texts, ids=WORDS)
    batch = batch_of(colour_texts)
    words = torch.tensor(WORDS).expand(len(batch), -1)
    tokens = torch.cat([words, batch.tokens], 1)
    mask = torch.cat([torch.ones_like(words), batch.mask], 1)
    labels = tokens.masked_fill(mask == 0, -100)
    labels[:, : len(WORDS) + 1] = -100  # the text's first token is not predicted either
    theirs = load_base("tiny-llama", "causal-lm").model(
        input_ids=tokens, attention_mask=mask, labels=labels
    )
    assert model.loss(batch).item() == pytest.approx(theirs.loss.item(), rel=1e-5)
    scores = model.network(batch.tokens, batch.mask)
    assert scores.shape == (*batch.tokens.shape, 260)


def test_a_prefix_is_what_a_cache_of_keys_and_values_is(base, colours):
    """Against transformers' own cache, for texts of one length; positions stay the text's."""
    model = prompted("prefix_tuning", base, colours)
    tokens = torch.arange(4, 34).reshape(3, 10)
    cache = DynamicCache()
    for place in range(3):
        pair = (
            part[place].detach().view(4, -1, 8).transpose(0, 1).expand(3, -1, -1, -1)
            for part in (model.network.backbone.prefix_keys, model.network.backbone.prefix_values)
        )
        cache.update(*pair, place)
    options = {"past_key_values": cache, "position_ids": torch.arange(10).expand(3, -1)}
    with torch.no_grad():
        found = model.network.backbone(input_ids=tokens, attention_mask=torch.ones_like(tokens))[0]
        wanted = load_base(base).model(
            input_ids=tokens, attention_mask=torch.ones(3, 14, dtype=torch.int64), **options
        )[0]
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("name", NAMES)
def test_padding_does_not_change_scores(name, base, colours):
    model = prompted(name, base, colours)
    noise = np.random.default_rng(0).normal(scale=0.2, size=model.layout.numel)
    model.set_state(model.initial_state + torch.from_numpy(noise.astype(np.float32)))
    together = make_batch(colours.train, np.argsort(colours.train.lengths)[[0, -1]], CPU)
    alone = make_batch(colours.train, together.rows[:1], CPU)
    with torch.no_grad():
        both, one = (model.network(b.tokens, b.mask) for b in (together, alone))
    torch.testing.assert_close(both[:1], one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_language_model_learns_behind_a_prompt(name, colour_texts):
    model = prompted(name, "tiny-llama", colour_texts)
    batch = batch_of(colour_texts)
    before = model.loss(batch).item()
    optimiser = torch.optim.AdamW([model.flat], lr=3e-2, weight_decay=0.0)
    for _ in range(8):
        optimiser.zero_grad(set_to_none=False)
        model.loss(batch).backward()
        optimiser.step()
    assert model.loss(batch).item() < before - 0.05


@pytest.mark.parametrize("name", NAMES)
def test_generation_reads_the_prompt_once_and_goes_on_from_it(name, colour_texts):
    """With the cache as without, and for prompts that are padded on the left as for whole ones."""
    model = prompted(name, "tiny-llama", colour_texts)
    model.set_state(model.initial_state * 2)
    backbone = model.network.backbone
    tokens = torch.tensor([[0, 0, 40, 41, 42], [50, 51, 52, 53, 54]])
    mask = (tokens > 0).long()

    def written(tokens, mask, cached):
        settings = GenerationConfig(
            max_new_tokens=5, do_sample=False, use_cache=cached, pad_token_id=0, eos_token_id=None
        )
        found = backbone.generate(input_ids=tokens, attention_mask=mask, generation_config=settings)
        return found[:, tokens.shape[1] :].tolist()

    fast = written(tokens, mask, True)
    assert fast == written(tokens, mask, False)
    alone = [written(tokens[row, mask[row] == 1][None], mask[row, mask[row] == 1][None], True)[0]
             for row in range(2)]  # fmt: skip
    assert fast == alone


@pytest.mark.parametrize("name", NAMES)
def test_where_a_prompt_starts(name, base, colours):
    def start(**fields):
        model = prompted(name, base, colours, **fields)
        return model.initial_state, model.draw_initial(9)

    text, again = start(text="read this", length=None)
    assert name == "p_tuning" or torch.equal(text, again), "words given are not drawn"
    drawn, other = start()
    assert drawn.shape == other.shape
    assert not torch.equal(drawn, other)
    noise, other = start(init="random")
    assert not torch.equal(noise, other)
    assert not torch.equal(noise, drawn)


def test_noise_is_as_large_as_words(base, colours):
    sizes = []
    for init in ("vocab", "random"):
        model = prompted("prompt_tuning", base, colours, init=init, length=200)
        sizes.append(model.network.backbone.soft_prompt.square().mean().sqrt().item())
    assert sizes[0] == pytest.approx(sizes[1], rel=0.1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"length": 0}, "length must be at least 1, got 0"),
        ({"init": "text"}, "init=text requires text"),
        ({"init": "random", "text": "a"}, "init=random cannot be combined with text='a'"),
        ({"init": "words"}, "init must be one of vocab, text, random, got 'words'"),
        ({"num_virtual_tokens": 3}, "has no field 'num_virtual_tokens'"),
        ({"ids": [1, 260]}, "ids must be from 0 to 259"),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", NAMES)
def test_bad_fields_are_one_line_errors(name, fields, message, colours):
    with pytest.raises(ValueError, match=message) as error:
        build_model("tiny-bert", {"name": name, **fields}, colours)
    assert "\n" not in str(error.value)


def test_a_prompt_that_leaves_no_room_says_how_long_texts_may_be(colours):
    with pytest.raises(ValueError, match=r"512 positions: set task\.max_length=12"):
        prompted("prompt_tuning", "tiny-bert", colours, length=500)


def test_a_model_whose_attention_is_not_reached_is_refused(tmp_path, colours):
    import transformers

    config = transformers.DebertaV2Config(
        vocab_size=260, hidden_size=32, intermediate_size=64, num_hidden_layers=3,
        num_attention_heads=4, relative_attention=True,
    )  # fmt: skip
    with torch.random.fork_rng():
        transformers.AutoModel.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="attention of a deberta-v2 model: use prompt_tuning"):
        make_adapter("prefix_tuning").attach(load_base(str(tmp_path)).shared_copy())
    model = make_adapter("prompt_tuning")
    backbone = load_base(str(tmp_path)).shared_copy()
    model.attach(backbone)
    tokens = torch.arange(4, 34).reshape(3, 10)
    assert backbone(input_ids=tokens, attention_mask=torch.ones_like(tokens))[0].shape[1] == 10
