"""A task of instruction tuning: conversations, of which the answers alone are learned."""

from dataclasses import dataclass

from fedbytes.data.task import Kind, Task
from fedbytes.plugin_fields import bounded


@dataclass(frozen=True)
class ChatTask(Task):
    """Conversations through a chat template; `read` gives splits that have `chats`.

    Attributes:
        kind: `causal-lm`; the loss is that of the answers' tokens and their ends.
        max_length: tokens a conversation is cut to; its longest question gives way.
        template: the chat template: None for the tokenizer's own, `plain`, `alpaca`, or Jinja.
        generate_examples: test conversations whose last answer is generated, greedily, at every
            evaluation, for `exact_match` and `rouge_l`; 0 for none.
        max_new_tokens: tokens of a generated answer, at most.
    """

    kind: Kind = "causal-lm"
    max_length: int = 256
    template: str | None = None
    generate_examples: int = bounded(50, least=0)
    max_new_tokens: int = bounded(64, least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind != "causal-lm":
            raise ValueError(f"task {self.name!r} is causal-lm, got kind {self.kind}")
        if self.pack:
            raise ValueError(f"pack is for plain text; task {self.name!r} learns from answers")
