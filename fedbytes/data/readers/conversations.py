"""Conversations from a table: messages, or instructions with answers."""

from typing import TYPE_CHECKING, Any

import numpy as np

from fedbytes.data.readers.table import Table, as_table, shown_names
from fedbytes.data.text_data import Chat, Split, make_split

if TYPE_CHECKING:
    import pandas as pd

ROLES = ("system", "user", "assistant")
# What chat formats call a part that is text.
TEXT_PARTS = ("text", "input_text", "output_text")
# Columns of a question, its context and its answer; the first layout that matches is used.
LAYOUTS = (
    ("instruction", "input", "output"),
    ("instruction", "input", "response"),
    ("prompt", "", "response"),
    ("prompt", "", "completion"),
    ("question", "context", "answer"),
)

_LIST = (list, tuple, np.ndarray)


def chat_split(frame: "pd.DataFrame | Table", where: str) -> Split:
    """Return the conversations of a table, with all other columns as factors.

    A column `messages` contains lists of `{role, content}`; otherwise a row is one question and one
    answer, in columns such as instruction, input and output. Rows without an answer are dropped.

    Raises:
        ValueError: if there are no such columns, a message has an unknown role or a content that
            is no text, or a question or answer is a list, mapping or bytes.
    """
    return chat_table_split(as_table(frame, where))[0]


def chat_table_split(table: Table) -> tuple[Split, str]:
    """Return the conversations as `chat_split`, and what was left out, in one line or none."""
    where, names = table.where, table.names
    if "messages" in names:
        values = table.values("messages")
        chats = [_messages(value, f"{where}, row {row}") for row, value in enumerate(values)]
    else:
        layout = next((x for x in LAYOUTS if x[0] in names and x[2] in names), None)
        if layout is None:
            known = ", ".join(shown_names(names))
            raise ValueError(
                f"{where} has no conversations: it requires a column messages, or instruction (and "
                f"input) with output, or prompt with response (columns: {known})"
            )
        cells = [_texts(table, name) for name in layout]
        chats = [_pair(*row) for row in zip(*cells, strict=True)]
    answered = [
        row
        for row, chat in enumerate(chats)
        if any(message["role"] == "assistant" and message["content"] for message in chat)
    ]
    if not answered:
        raise ValueError(f"{where}: none of {len(chats)} conversations has an answer")
    factors = {name: table.factor(name, answered) for name in names}
    columns = {name: column for name, column in factors.items() if column is not None}
    left_out = table.rows - len(answered)
    note = f"{where}: {left_out} of {table.rows} rows left out: no answer" if left_out else ""
    return make_chat_split([chats[row] for row in answered], columns), note


def make_chat_split(chats: list[Chat], columns: dict[str, Any]) -> Split:
    """Return a split of conversations, whose texts are their messages' contents."""
    texts = ["\n\n".join(message["content"] for message in chat) for chat in chats]
    return make_split(texts, columns, chats)


def question_and_answer(question: str, answer: str) -> Chat:
    """Return a conversation of one turn."""
    return ({"role": "user", "content": question}, {"role": "assistant", "content": answer})


def _texts(table: Table, name: str) -> list[str]:
    """Return a column of questions or answers, empty where one is missing or the column is."""
    if name not in table.names:
        return [""] * table.rows
    return ["" if v is None else str(v).strip() for v in table.plain_values(name, "text")]


def _pair(question: str, context: str, answer: str) -> Chat:
    return question_and_answer("\n\n".join(part for part in (question, context) if part), answer)


def _messages(value: Any, where: str) -> Chat:
    if not isinstance(value, _LIST):
        if value is None or value != value or value == "":
            return ()
        raise ValueError(f"{where}: messages must be a list, got {str(value)[:80]!r}")
    found = []
    for message in value:
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ROLES:
            raise ValueError(
                f"{where}: a message requires a role of {', '.join(ROLES)} and "
                f"a content, got {str(message)[:80]!r}"
            )
        found.append({"role": str(role), "content": _content(message.get("content"), where)})
    return tuple(found)


def _content(value: Any, where: str) -> str:
    """Return the text of a message: itself, or its parts joined without anything between them."""
    if value is None:
        return ""
    if isinstance(value, _LIST):
        return "".join(_part(part, where) for part in value).strip()
    if not isinstance(value, str | int | float):
        raise ValueError(
            f"{where}: the content of a message is text or a list of parts "
            f"{{type: text, text: …}}, got {str(value)[:80]!r}"
        )
    return "" if value != value else str(value).strip()


def _part(part: Any, where: str) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    text = part.get("text") if isinstance(part, dict) else None
    if kind not in TEXT_PARTS or not isinstance(text, str):
        raise ValueError(
            f"{where}: a part of a message is {{type: text, text: …}}, and only text is learned; "
            f"got {str(part)[:80]!r}"
        )
    return text
