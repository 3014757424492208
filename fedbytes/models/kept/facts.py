"""What a kept model's folder says of itself: `fedbytes.json`, with the digests of its files."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedbytes.data.task import Kind
from fedbytes.models.adapter import KeptForm
from fedbytes.process.file_digests import sha256_of

FACTS = "fedbytes.json"
HEAD = "head.safetensors"
OWN = "trained.safetensors"
CARD = "README.md"
_FORMAT = 1


@dataclass(frozen=True)
class KeptFacts:
    """What is needed beside the weights to predict as the run did.

    Attributes:
        form: `peft`, `own` or `merged`.
        kind: classification or causal-lm.
        model: specification of the model that was trained.
        adapter: specification of the adapter.
        base_digest: digest of the base that an adapter is of; "" where it is merged.
        max_length: tokens to which a text is truncated.
        seed: the run's seed, from which what an adapter draws and never trains follows.
        labels: the classes, in the order of the scores; empty for causal-lm.
        last_token: whether a classifier pools by the last token, and not by the mean.
        question: token ids that follow every text, where the classes are words.
        words: one token id per class, where the classes are words.
        chat: whether texts are questions in the tokenizer's chat template.
        max_new_tokens: most tokens of a generated answer.
        ends: tokens that end an answer.
    """

    form: KeptForm
    kind: Kind
    model: dict[str, Any]
    adapter: dict[str, Any]
    base_digest: str
    max_length: int
    seed: int
    labels: list[str] = field(default_factory=list)
    last_token: bool = False
    question: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    chat: bool = False
    max_new_tokens: int = 64
    ends: list[int] = field(default_factory=list)


def write_facts(folder: Path, facts: KeptFacts, about: dict[str, Any]) -> None:
    """Write the facts and the digest of every file in the folder; this comes last.

    Args:
        folder: the kept model's.
        facts: of the model.
        about: further plain values, such as the run's id.
    """
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.is_file()}
    files.pop(FACTS, None)
    content = {"format": _FORMAT, **dataclasses.asdict(facts), "about": about, "files": files}
    (folder / FACTS).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_facts(folder: Path, verify: bool = True) -> tuple[KeptFacts, dict[str, Any]]:
    """Return the facts of a kept model and what was written about it.

    Args:
        folder: the kept model's.
        verify: whether to compare the files with their digests.

    Raises:
        ValueError: if the folder is no kept model, of a later format, or its files were altered.
    """
    try:
        content = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        version, files = content.pop("format"), content.pop("files")
        about = dict(content.pop("about"))
        if version != _FORMAT:
            raise ValueError(f"{folder} was written by a later version of fedbytes")
        facts = KeptFacts(**content)
    except FileNotFoundError:
        raise ValueError(f"{folder} is no kept model: it has no {FACTS}") from None
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{folder / FACTS} is cut or altered ({error})") from error
    for name, digest in files.items() if verify else ():
        path = folder / name
        if name != CARD and (not path.is_file() or sha256_of(path) != digest):
            raise ValueError(
                f"{path} is missing or altered: export the run again, or make it anew with --remake"
            )
    return facts, about
