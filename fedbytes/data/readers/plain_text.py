"""Plain text files as documents: one per file, per paragraph, or per number of lines."""

import glob
import os
import re
from pathlib import Path
from typing import Literal

from fedbytes.data.readers.text_files import UTF8, read_text
from fedbytes.data.text_data import Split, make_split
from fedbytes.process.near_paths import hint_at_near_path

Documents = Literal["file", "paragraph", "lines"]


def read_texts(
    pattern: str, documents: Documents, lines: int, encoding: str = UTF8
) -> tuple[Split, str]:
    """Return the documents of all files that match a path or glob, and a note on empty files.

    The columns `file` and `folder` have the names of files and of the folders that hold them,
    relative to the files' common folder, which is `.` itself. Empty documents are dropped.

    Args:
        pattern: a file, or a glob such as `books/**/*.txt`.
        documents: unit of a document: a whole `file`, a `paragraph` between blank lines, or a
            number of `lines`.
        lines: lines per document, for `lines`.
        encoding: encoding of the files.

    Raises:
        ValueError: if there is no such file, or one is not text in this encoding.
    """
    paths = matching_files(pattern)
    if not paths:
        raise ValueError(f"there is no file {pattern}{hint_at_near_path(pattern)}")
    shared = os.path.commonpath([path.parent for path in paths])
    texts: list[str] = []
    names: list[Path] = []
    for path in paths:
        parts = _documents(read_text(path, encoding), documents, lines)
        texts += parts
        names += [path.relative_to(shared)] * len(parts)
    empty = len(paths) - len(set(names))
    note = f"{pattern}: {empty} of {len(paths)} files left out: no text" if empty else ""
    columns = {
        "file": [name.as_posix() for name in names],
        "folder": [name.parent.as_posix() for name in names],
    }
    return make_split(texts, columns), note


def matching_files(pattern: str) -> list[Path]:
    """Return the files that a path or glob matches, sorted."""
    found = glob.glob(str(Path(pattern).expanduser()), recursive=True)  # noqa: PTH207 (absolute)
    return sorted(path for path in map(Path, found) if path.is_file())


def _documents(text: str, documents: Documents, lines: int) -> list[str]:
    if documents == "file":
        parts = [text]
    elif documents == "paragraph":
        parts = re.split(r"\n[^\S\n]*(?:\n[^\S\n]*)+", text)
    else:
        rows = text.splitlines()
        parts = ["\n".join(rows[at : at + lines]) for at in range(0, len(rows), lines)]
    return [part.strip() for part in parts if part.strip()]
