"""Chat templates: from a conversation to text, with its answers marked."""

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
"""Templates for models without one: plain turns, or turns under Alpaca's headings."""

Pieces = list[tuple[str, bool]]
"""Consecutive parts of a text, each with whether it is learned."""


def pick_template(given: str | None, tokenizer: Any) -> str:
    """Return a Jinja template: the tokenizer's own, a named one, or a user's.

    Raises:
        ValueError: if the tokenizer has none, or a name is unknown.
    """
    if given is None:
        own = getattr(tokenizer, "chat_template", None)
        if isinstance(own, str) and own:
            return own
        raise ValueError(
            f"the tokenizer has no chat template: set task.template to one of "
            f"{', '.join(TEMPLATES)} or a Jinja template"
        )
    if "{" in given:
        return given
    if given not in TEMPLATES:
        raise ValueError(f"unknown template {given!r}{nearest(given, TEMPLATES)}")
    return TEMPLATES[given]


def render_chat(chat: Chat, template: str, tokenizer: Any) -> Pieces:
    """Return a conversation as pieces of text, in which answers and their end tokens are learned.

    Messages after the last answer are dropped.

    Raises:
        ValueError: if the template does not parse or rejects the conversation, or renders earlier
            turns differently once later ones follow.
    """
    pieces: Pieces = []
    done = ""
    for index, message in enumerate(chat):
        if message["role"] != "assistant":
            continue
        prompt = _apply(chat[:index], template, tokenizer, True)
        whole = _apply(chat[: index + 1], template, tokenizer, False)
        if not (prompt.startswith(done) and whole.startswith(prompt)):
            raise ValueError(
                "the chat template renders a prompt differently once it is answered, so answers "
                "cannot be located: set another task.template"
            )
        answer = _with_end(whole[len(prompt) :], getattr(tokenizer, "eos_token", None))
        pieces += [(prompt[len(done) :], False), (answer, True)]
        done = prompt + answer
    return pieces


def _with_end(answer: str, end: str | None) -> str:
    """Return an answer without the template's text after its end token."""
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
