"""Conversations from a table: messages, or instructions with answers."""

from typing import TYPE_CHECKING, Any

import numpy as np

from fedbytes.data.readers.table_file import as_factor
from fedbytes.data.text_data import Chat, Split, make_split

if TYPE_CHECKING:
    import pandas as pd

ROLES = ("system", "user", "assistant")
# Columns of a question, its context and its answer; the first layout that matches is used.
LAYOUTS = (
    ("instruction", "input", "output"),
    ("instruction", "input", "response"),
    ("prompt", "", "response"),
    ("prompt", "", "completion"),
    ("question", "context", "answer"),
)


def chat_split(frame: "pd.DataFrame", where: str) -> Split:
    """Return the conversations of a table, with all other columns as factors.

    A column `messages` contains lists of `{role, content}`; otherwise a row is one question and one
    answer, in columns such as instruction, input and output. Rows without an answer are dropped.

    Raises:
        ValueError: if there are no such columns, or a message has an unknown role.
    """
    names = [str(name) for name in frame.columns]
    if "messages" in names:
        chats = [_messages(value, row, where) for row, value in enumerate(frame["messages"])]
    else:
        layout = next((x for x in LAYOUTS if x[0] in names and x[2] in names), None)
        if layout is None:
            raise ValueError(
                f"{where} has no conversations: it requires a column messages, or instruction (and "
                f"input) with output, or prompt with response (columns: {', '.join(names)})"
            )
        chats = [_pair(row, *layout) for row in frame.to_dict("records")]
    answered = [any(m["role"] == "assistant" and m["content"] for m in chat) for chat in chats]
    if not any(answered):
        raise ValueError(f"{where}: none of {len(chats)} conversations has an answer")
    columns = {name: c for name in names if (c := as_factor(frame[name][answered])) is not None}
    return make_chat_split(
        [chat for chat, kept in zip(chats, answered, strict=True) if kept], columns
    )


def make_chat_split(chats: list[Chat], columns: dict[str, Any]) -> Split:
    """Return a split of conversations, whose texts are their messages' contents."""
    texts = ["\n\n".join(message["content"] for message in chat) for chat in chats]
    return make_split(texts, columns, chats)


def question_and_answer(question: str, answer: str) -> Chat:
    """Return a conversation of one turn."""
    return ({"role": "user", "content": question}, {"role": "assistant", "content": answer})


def _pair(row: dict[Any, Any], question: str, context: str, answer: str) -> Chat:
    parts = [_text(row.get(question)), _text(row.get(context))]
    return question_and_answer("\n\n".join(part for part in parts if part), _text(row[answer]))


def _messages(value: Any, row: int, where: str) -> Chat:
    found = []
    if not isinstance(value, list | tuple | np.ndarray) and _text(value) != "":
        raise ValueError(f"{where}, row {row}: messages must be a list, got {str(value)[:80]!r}")
    for message in [] if _text(value) == "" else value:
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ROLES:
            raise ValueError(
                f"{where}, row {row}: a message requires a role of {', '.join(ROLES)} and "
                f"a content, got {str(message)[:80]!r}"
            )
        found.append({"role": str(role), "content": _text(message.get("content"))})
    return tuple(found)


def _text(value: Any) -> str:
    """Return a cell as text, empty if it is missing."""
    missing = value is None or (isinstance(value, float) and value != value)
    return "" if missing else str(value).strip()
