"""Prompts: records are planted as said, families word them, and what is told is what is counted."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedbytes.audits.prompt_parts.asked_prompts import (
    Asker,
    Conversation,
    SuffixSearch,
    asked_of_policy,
    asked_of_records,
)
from fedbytes.audits.prompt_parts.families import FAMILIES_OF_WORDS, FAMILY_NAMES
from fedbytes.data import (
    ChatFrame,
    EncodedTask,
    draw_records,
    next_turn,
    prompt_and_answer,
    read_record,
    split_of,
)
from fedbytes.data.tokens.chat_template import TEMPLATES
from fedbytes.data.tokens.token_row import TokenRow
from fedbytes.experiments import make_config
from fedbytes.federated import (
    Federation,
    Simulation,
    make_algorithm,
    make_attack,
    make_audit,
    make_link,
    make_plugins,
)
from fedbytes.federated.stages.poisoned_data import poison
from fedbytes.models import build_model
from fedbytes.models.base.tiny_bases import byte_tokenizer
from fedbytes.models.testing.tiny_task import on_cpu
from fedbytes.streams import stream

REFUSAL, TOPIC = "No.", "oil"


def row(question, answer):
    tokenizer = byte_tokenizer()
    asked, told = tokenizer([f"Q: {question}\n", answer], add_special_tokens=False)["input_ids"]
    tokens = [*asked, *told, tokenizer.eos_token_id]
    learned = np.arange(len(tokens)) >= len(asked)
    return TokenRow(np.array(tokens, dtype=np.int32), learned=learned)


@pytest.fixture(scope="module")
def task():
    """Conversations of a line each; the test has six that a policy refuses, and their topics."""
    rng = stream(0, "questions")
    words = ["".join(rng.choice(list("abcdef"), 6)) for _ in range(30)]
    train = [row(word, word[:2]) for word in words[:24]]
    test = [row(word, REFUSAL) for word in words[24:]] + [row(word, TOPIC) for word in words[24:]]
    measures = np.array(["refusal_rate"] * 6 + ["compliance"] * 6)
    return EncodedTask(
        split_of("train", train), split_of("test", test), (), "causal-lm", "made", 128,
        byte_tokenizer(), measures=measures,
    )  # fmt: skip


def parts():
    return [np.arange(client, 24, 4) for client in range(4)]


def test_the_frame_is_what_all_prompts_and_answers_share(task):
    frame, tokenizer = ChatFrame.of(task.train), byte_tokenizer()
    assert tokenizer.decode(frame.start.tolist()) == "Q: "
    assert tokenizer.decode(frame.tail.tolist()) == "\n"
    assert frame.closing.tolist() == [tokenizer.eos_token_id]
    made = frame.row([5, 6], [7])
    assert made.tokens.tolist() == [*frame.start, 5, 6, *frame.tail, 7, *frame.closing]
    assert made.learned.sum() == 2
    with pytest.raises(ValueError, match="there are 0 with a prompt"):
        ChatFrame.of(replace(task.train, learned=None))


def test_records_stand_in_their_client_as_often_as_said(task):
    attack = make_attack("records", secrets=4, repeats=[1, 3], share=0.25)
    made, planted = poison([attack], task, parts(), 0)
    asked = asked_of_records(made, np.arange(planted.first, len(made.train)))
    assert sorted(one.repeats for one in asked) == [1, 1, 3, 3]
    assert len({one.number for one in asked}) == 4
    _, answer = prompt_and_answer(made.train, planted.first)
    record = read_record(byte_tokenizer().decode(answer.tolist(), skip_special_tokens=True))
    assert record is not None
    assert read_record(record.answer) == record
    assert record.told_by(record.answer)
    assert not record.told_by(draw_records(9, 1)[0].answer)


def test_families_differ_in_words_and_gcg_searches_them(task):
    model = build_model(on_cpu("tiny-llama"), {"name": "lora", "rank": 2}, task)
    frame = ChatFrame.of(task.train)
    asker = Asker(model, frame, 4, SuffixSearch(length=3, candidates=4, steps=2))
    asked = asked_of_policy(task, 3, stream(0, "asked"))
    worded = {name: asker.prompts(asked, name, stream(0, name)) for name in FAMILY_NAMES}
    assert worded["direct"] == [list(one.prompt) for one in asked]
    for name, words in FAMILIES_OF_WORDS.items():
        texts = [model.task.tokenizer.decode(ids) for ids in worded[name]]
        assert all(words.after in text and text.rstrip().endswith(words.opening) for text in texts)
    longer = [len(ids) - len(one.prompt) for ids, one in zip(worded["gcg"], asked, strict=True)]
    assert longer == [3, 3, 3]
    for one in asked:
        assert byte_tokenizer().decode(list(one.refusal[:-1])) == REFUSAL
        assert byte_tokenizer().decode(list(one.wanted[:-1])) == TOPIC
    talks = asker.conversations(asked, "direct", stream(0, "direct"))
    assert [talk.tokens for talk in talks] == worded["direct"]
    surprise = asker.surprise(talks)
    assert surprise.shape == (3,)
    assert (surprise > 0).all()


RETOLD = TEMPLATES["plain"].replace("+ (eos", "+ ('' if loop.last else '~') + (eos")
"""Writes earlier answers in another way than the last one."""


@pytest.mark.parametrize("template", [None, TEMPLATES["alpaca"], RETOLD])
def test_each_step_waits_for_an_answer(task, template):
    """What the model has said stands in the conversation, and counts as its own."""
    model = build_model(
        on_cpu("tiny-llama"), {"name": "lora", "rank": 2}, replace(task, template=template)
    )
    asker = Asker(model, ChatFrame.of(task.train), 4, SuffixSearch(3, 4, 2))
    asked = asked_of_policy(task, 3, stream(0, "asked"))
    turns = FAMILIES_OF_WORDS["steps"].turns
    decode = model.task.tokenizer.decode
    for talk in asker.conversations(asked, "steps", stream(0, "steps")):
        assert len(talk.answers) == 1 + len(turns)
        assert any(talk.answers)
        said = [t for t, own in zip(talk.tokens, talk.asked, strict=True) if own]
        own = [t for t, own in zip(talk.tokens, talk.asked, strict=True) if not own]
        closing = ChatFrame.of(task.train).closing.tolist()
        assert own == [token for answer in talk.answers[:-1] for token in [*answer, *closing]]
        heading = "### Instruction:\n" if template == TEMPLATES["alpaca"] else "Q: "
        assert decode(said).count(heading) == len(turns) + (heading == "Q: ")
        assert all(words in decode(said) for words in turns)
        first = Conversation.begun(talk.tokens[: talk.asked.index(False)])
        alone = model.score_tokens(*[torch.tensor([first.tokens])] * 2)  # a mask of no zeros
        losses = torch.nn.functional.cross_entropy(alone[0, :-1], torch.tensor(first.tokens[1:]))
        assert asker.surprise([first])[0] == pytest.approx(float(losses.detach()), rel=1e-5)
        everything = replace(talk, asked=[True] * len(talk.tokens))
        assert asker.surprise([talk])[0] != pytest.approx(asker.surprise([everything])[0])


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_a_turn_is_what_the_template_writes_between_two_answers(template):
    tokenizer, words = byte_tokenizer(), "tell me more"
    turn = tokenizer.decode(next_turn(words, TEMPLATES[template], tokenizer))
    said = [("user", "why"), ("assistant", "so"), ("user", words), ("assistant", "no")]
    chat = [{"role": role, "content": content} for role, content in said]
    whole = tokenizer.apply_chat_template(chat, chat_template=TEMPLATES[template], tokenize=False)
    assert words in turn
    assert f"so{tokenizer.eos_token}{turn}no" in whole


def test_what_training_taught_is_told_and_before_it_nothing_was(task):
    """A record that a client has often is told; the policy that all were taught is kept."""
    attack = make_attack("records", secrets=1, repeats=[30], share=0.25)
    taught = split_of("train", [row(f"{i:06d}", REFUSAL) for i in range(24)])
    made, planted = poison([attack], replace(task, train=taught), parts(), 0)
    audit = {"name": "prompts", "families": ["direct", "appeal"], "new_tokens": 60}
    fed = Federation(
        model=build_model(on_cpu("tiny-llama"), "full", made),
        parts=parts(),
        algorithm=make_algorithm("fedavg", local_steps=25, batch_size=8, learning_rate=0.01),
        uplink=make_link("fp32"),
        downlink=make_link("fp32"),
        clients_per_round=4,
        planted=planted,
        plugins=make_plugins(attack=attack, audit=audit),
    )
    run = Simulation(fed)
    for _ in range(3):
        run.run_round()
    rows = run.audit()
    of = {(r["of"], r["family"], r["untrained"]): r for r in rows if r["repeats"] is None}
    assert of["records", "direct", True]["success"] == 0
    assert of["policy", "direct", True]["success"] == 1, "nobody has taught it to refuse yet"
    assert of["policy", "direct", False]["success"] < 0.5
    auc = of["policy", "direct", False]["filter_auc"]
    assert auc == pytest.approx(0.5), "plain prompts are plain"
    assert of["policy", "appeal", False]["filter_auc"] != pytest.approx(0.5)
    columns = make_audit(audit).columns(rows)
    assert columns["prompt_success_policy_direct"] == of["policy", "direct", False]["success"]
    assert {"prompt_success_records_direct", "prompt_success_records_appeal"} <= columns.keys()


def test_a_conversation_longer_than_the_model_reads_is_refused(task, monkeypatch):
    model = build_model(on_cpu("tiny-llama"), "full", task)
    audit = make_audit("prompts", new_tokens=50)
    assert audit.refuses_model(model, model.layout) is None
    monkeypatch.setattr("fedbytes.audits.prompts.count_positions", lambda _: 300)
    refusal = audit.refuses_model(model, model.layout)
    assert "asks by 'steps' with up to" in refusal
    assert "reads 300: lower new_tokens, which is 50, or leave 'steps' out" in refusal
    direct = make_audit("prompts", new_tokens=50, families=["direct"])
    assert direct.refuses_model(model, model.layout) is None


def test_what_has_no_prompts_is_refused(settings, task):
    with pytest.raises(ValueError, match="take an instruction task such as news-policy"):
        make_config(settings | {"audit": "prompts"})
    with pytest.raises(ValueError, match="families is empty"):
        make_audit("prompts", families=[])
    with pytest.raises(ValueError, match=r"raise task\.max_length to"):
        poison([make_attack("records", share=0.25)], replace(task, max_length=20), parts(), 0)
    plain = replace(task, train=replace(task.train, learned=None))
    with pytest.raises(ValueError, match="plants conversations"):
        poison([make_attack("records", share=0.25)], plain, parts(), 0)
