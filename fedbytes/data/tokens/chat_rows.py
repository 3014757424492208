"""Token ids of conversations, and the mask of learned tokens."""

from collections.abc import Sequence
from typing import Any

from fedbytes.data.text_data import Chat
from fedbytes.data.tokens.chat_template import Pieces, render_chat

_ChatRow = tuple[list[int], list[bool]]
_TEXTS_PER_CHUNK = 1024
_ATTEMPTS = 4


def chat_rows(
    chats: Sequence[Chat], tokenizer: Any, template: str, max_length: int
) -> tuple[list[list[int]], list[list[bool]]]:
    """Return the ids of each conversation, and whether each id belongs to an answer.

    If a conversation is too long, the end of its longest question is removed so that the answer is
    kept; one that is still too long is truncated.

    Raises:
        ValueError: if the template does not fit (see `render`).
    """
    rows: list[_ChatRow] = []
    for start in range(0, len(chats), _TEXTS_PER_CHUNK):
        chunk = chats[start : start + _TEXTS_PER_CHUNK]
        found = _tokenize([render_chat(chat, template, tokenizer) for chat in chunk], tokenizer)
        for chat, row in zip(chunk, found, strict=True):
            rows.append(_fit(chat, row, tokenizer, template, max_length))
    return [ids for ids, _ in rows], [learned for _, learned in rows]


def next_turn(words: str, template: str, tokenizer: Any) -> list[int]:
    """Return the tokens from where one answer ends to where the next one begins.

    Args:
        words: what the user says in between.
        template: of the conversation, as `pick_template` returns it.
        tokenizer: a Hugging Face tokenizer.

    Raises:
        ValueError: if the template writes an answer in another way once more follows it.
    """
    said = ("user", "a"), ("assistant", "b"), ("user", words), ("assistant", "c")
    chat = tuple({"role": role, "content": content} for role, content in said)
    between, _ = render_chat(chat, template, tokenizer)[2]
    ids: list[int] = tokenizer([between], add_special_tokens=False)["input_ids"][0]
    return ids


def _tokenize(rendered: list[Pieces], tokenizer: Any) -> list[_ChatRow]:
    texts = [text for pieces in rendered for text, _ in pieces]
    ids = iter(tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else [])
    rows: list[_ChatRow] = []
    for pieces in rendered:
        row: _ChatRow = ([], [])
        for _, learned in pieces:
            piece = next(ids)
            row[0].extend(piece)
            row[1].extend([learned] * len(piece))
        rows.append(row)
    return rows


def _fit(chat: Chat, row: _ChatRow, tokenizer: Any, template: str, max_length: int) -> _ChatRow:
    for _ in range(_ATTEMPTS):
        excess = len(row[0]) - max_length
        if excess <= 0:
            break
        shorter = _shorten(chat, excess, tokenizer)
        if shorter == chat:
            break
        chat = shorter
        row = _tokenize([render_chat(chat, template, tokenizer)], tokenizer)[0]
    return row[0][:max_length], row[1][:max_length]


def _shorten(chat: Chat, excess: int, tokenizer: Any) -> Chat:
    """Remove `excess` tokens from a conversation's longest question."""
    questions = [i for i, message in enumerate(chat) if message["role"] == "user"]
    if not questions:
        return chat
    longest = max(questions, key=lambda i: len(chat[i]["content"]))
    ids = tokenizer([chat[longest]["content"]], add_special_tokens=False)["input_ids"][0]
    kept = tokenizer.decode(ids[: max(len(ids) - excess, 0)]).rstrip("\ufffd")
    changed = [dict(message) for message in chat]
    changed[longest]["content"] = kept
    return tuple(changed)
