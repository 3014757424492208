"""The Python with which a kept model is loaded, for its card."""

import json

from fedbytes.models.kept.facts import HEAD, KeptFacts

_OWN = """\
from fedbytes.models import load_kept

model = load_kept(".")  # this folder
print(model.{call}(["a text"]))
"""
_OPEN = """\
folder = "."  # this one
tokenizer = AutoTokenizer.from_pretrained(folder)
"""
_PEFT = """\
base = {auto}.from_pretrained({base})
model = PeftModel.from_pretrained(base, folder).eval()
"""
_MERGED = """\
model = {auto}.from_pretrained(folder).eval()
"""
_CLASSIFY = """\
head = load_file(f"{{folder}}/{head}")
labels = {labels}


def classify(texts):
    tokens = tokenizer(texts, truncation=True, padding=True, return_tensors="pt")
    mask = tokens["attention_mask"]
    with torch.inference_mode():
        states = model(input_ids=tokens["input_ids"], attention_mask=mask).last_hidden_state
    {pool}
    unit = torch.nn.functional.normalize(pooled, dim=-1)
    scores = unit * (100 * head["scale"]) @ head["weight"].T + head["bias"]
    return [labels[best] for best in scores.argmax(1)], scores.softmax(1)
"""
_MEAN = "pooled = (states * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)"
_LAST = "pooled = states[torch.arange(len(texts)), mask.sum(1) - 1]  # the last token of each"
_CHAT = """\


def answer(question):
    chat = [{{"role": "user", "content": question}}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    tokens = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    found = model.generate(
        input_ids=tokens, max_new_tokens={most}, do_sample=False, eos_token_id={ends}
    )
    return tokenizer.decode(found[0, tokens.shape[1] :], skip_special_tokens=True).strip()
"""


def loading_code(facts: KeptFacts, base: str) -> str:
    """Return Python that loads the model and, where libraries alone suffice, predicts with it.

    Args:
        facts: of the model.
        base: the hub id or folder of the base of an adapter.
    """
    if not loads_without_fedbytes(facts):
        return _OWN.format(call="probabilities" if facts.labels else "answers")
    auto = "AutoModel" if facts.labels else "AutoModelForCausalLM"
    imports = ["from peft import PeftModel"] if facts.form == "peft" else []
    imports += ["from safetensors.torch import load_file"] if facts.labels else []
    imports = ["import torch", *imports] if facts.labels else imports
    code = "\n".join([*imports, f"from transformers import {auto}, AutoTokenizer", "", _OPEN])
    load = _PEFT if facts.form == "peft" else _MERGED
    code += load.format(auto=auto, base=json.dumps(base, ensure_ascii=False))
    if facts.labels:
        pool = _LAST if facts.last_token else _MEAN
        labels = json.dumps(facts.labels, ensure_ascii=False)
        code += _CLASSIFY.format(head=HEAD, labels=labels, pool=pool)
    elif facts.chat:
        code += _CHAT.format(most=facts.max_new_tokens, ends=facts.ends)
    return code


def loads_without_fedbytes(facts: KeptFacts) -> bool:
    """Return whether peft and transformers load the model and all that its predictions need."""
    return facts.form != "own" and not facts.words


def harness_command(facts: KeptFacts, base: str) -> str:
    """Return how EleutherAI's lm-evaluation-harness runs on the folder; "" where it cannot."""
    if facts.labels or facts.form == "own":
        return ""
    model = "pretrained=." if facts.form == "merged" else f"pretrained={base},peft=."
    return f"lm_eval --model hf --model_args {model},tokenizer=. --tasks hellaswag --limit 100"
