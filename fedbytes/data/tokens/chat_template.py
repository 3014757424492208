"""From a conversation to the text that a model reads, and which parts of it are its answers."""

from collections.abc import Sequence
from typing import Any

from fedbytes.data.text_data import Chat
from fedbytes.registry import nearest

TEMPLATES = {
    "plain": (
        "{{ bos_token or '' }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
        "{{ message['content'] + (eos_token or '') + '\n\n' }}"
        "{% else %}{{ message['content'] + '\n\n' }}{% endif %}{% endfor %}"
    ),
    "alpaca": (
        "{{ bos_token or '' }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
        "{{ '### Response:\n' + message['content'] + (eos_token or '') + '\n\n' }}"
        "{% elif message['role'] == 'user' %}"
        "{{ '### Instruction:\n' + message['content'] + '\n\n' }}"
        "{% else %}{{ message['content'] + '\n\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}"
    ),
}
"""Formats for models that come without one: turns after one another, or under Alpaca's headings."""

Pieces = list[tuple[str, bool]]
"""Consecutive parts of a text, each with whether the model learns to write it."""


def pick_template(given: str | None, tokenizer: Any) -> str:
    """Return the Jinja template that is meant: the tokenizer's own, one of ours, or a user's.

    Raises:
        ValueError: if there is none, or a name is not known.
    """
    if given is None:
        own = getattr(tokenizer, "chat_template", None)
        if isinstance(own, str) and own:
            return own
        raise ValueError(
            f"the tokenizer has no chat template: give task.template, one of "
            f"{', '.join(TEMPLATES)} or a Jinja template"
        )
    if "{" in given:
        return given
    if given not in TEMPLATES:
        raise ValueError(f"unknown template {given!r}{nearest(given, TEMPLATES)}")
    return TEMPLATES[given]


def render_chat(chat: Chat, template: str, tokenizer: Any) -> Pieces:
    """Return a conversation as text in pieces; the answers, each with its end, are learned.

    What comes after the last answer is left out.

    Raises:
        ValueError: if the template does not parse or refuses the conversation, or changes earlier
            turns when later ones are there.
    """
    pieces: Pieces = []
    done = ""
    for place, message in enumerate(chat):
        if message["role"] != "assistant":
            continue
        prompt = _apply(chat[:place], template, tokenizer, True)
        whole = _apply(chat[: place + 1], template, tokenizer, False)
        if not (prompt.startswith(done) and whole.startswith(prompt)):
            raise ValueError(
                "the chat template writes a prompt differently once it is answered, so answers "
                "cannot be told from it: give another task.template"
            )
        answer = _with_end(whole[len(prompt) :], getattr(tokenizer, "eos_token", None))
        pieces += [(prompt[len(done) :], False), (answer, True)]
        done = prompt + answer
    return pieces


def _with_end(answer: str, end: str | None) -> str:
    """Return an answer without what a template writes after its end token."""
    if end and end in answer:
        return answer[: answer.rindex(end) + len(end)]
    return answer.rstrip()


def _apply(chat: Sequence[Any], template: str, tokenizer: Any, prompt: bool) -> str:
    import jinja2

    try:
        text: str = tokenizer.apply_chat_template(
            list(chat), chat_template=template, tokenize=False, add_generation_prompt=prompt
        )
    except (jinja2.TemplateError, ValueError, TypeError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"the chat template fails: {reason}") from error
    return text
