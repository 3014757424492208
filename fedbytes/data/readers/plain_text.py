"""Plain text files as documents: one per file, per paragraph, or per number of lines."""

import glob
import os
import re
from pathlib import Path
from typing import Literal

from fedbytes.data.text_data import Split, make_split

Documents = Literal["file", "paragraph", "lines"]


def read_texts(pattern: str, documents: Documents, lines: int) -> Split:
    """Return the documents of all files that match a path or glob, with the column `file`.

    Empty documents are dropped. Names of files are relative to their common folder.

    Args:
        pattern: a file, or a glob such as `books/**/*.txt`.
        documents: unit of a document: a whole `file`, a `paragraph` between blank lines, or a
            number of `lines`.
        lines: lines per document, for `lines`.

    Raises:
        ValueError: if there is no such file, or one is not UTF-8 text.
    """
    paths = matching_files(pattern)
    if not paths:
        raise ValueError(f"there is no file {pattern}")
    shared = os.path.commonpath([path.parent for path in paths])
    texts: list[str] = []
    files: list[str] = []
    for path in paths:
        parts = _documents(_read(path), documents, lines)
        texts += parts
        files += [path.relative_to(shared).as_posix()] * len(parts)
    return make_split(texts, {"file": files})


def matching_files(pattern: str) -> list[Path]:
    """Return the files that a path or glob matches, sorted."""
    found = glob.glob(str(Path(pattern).expanduser()), recursive=True)  # noqa: PTH207 (absolute)
    return sorted(path for path in map(Path, found) if path.is_file())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not UTF-8 text: {error}") from error


def _documents(text: str, documents: Documents, lines: int) -> list[str]:
    if documents == "file":
        parts = [text]
    elif documents == "paragraph":
        parts = re.split(r"\n[^\S\n]*(?:\n[^\S\n]*)+", text)
    else:
        rows = text.splitlines()
        parts = ["\n".join(rows[at : at + lines]) for at in range(0, len(rows), lines)]
    return [part.strip() for part in parts if part.strip()]
