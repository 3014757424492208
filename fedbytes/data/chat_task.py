"""Instruction tuning: conversations of which only the answers are learned."""

from dataclasses import dataclass
from typing import ClassVar

from fedbytes.data.task import Kind, Task
from fedbytes.plugin_fields import bounded


@dataclass(frozen=True)
class ChatTask(Task):
    """Conversations in a chat template; `read` returns splits with `chats`.

    Attributes:
        kind: `causal-lm`; the loss is that of the answers' tokens and end tokens.
        max_length: tokens to which a conversation is truncated, its longest question first.
        template: the chat template: None for the tokenizer's own, `plain`, `alpaca`, or Jinja.
        generate_examples: number of test conversations whose last answer is generated greedily at
            every evaluation, for `exact_match` and `rouge_l`; 0 for none.
        max_new_tokens: maximum number of tokens of a generated answer.
    """

    measures: ClassVar[str] = ""
    """The column that says which metric a test conversation counts for, if there is one."""
    kind: Kind = "causal-lm"
    max_length: int = 256
    template: str | None = None
    generate_examples: int = bounded(50, least=0)
    max_new_tokens: int = bounded(64, least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind != "causal-lm":
            raise ValueError(f"task {self.name!r} requires kind: causal-lm (got kind: {self.kind})")
        if self.pack:
            raise ValueError(f"pack requires plain text; task {self.name!r} has conversations")
