from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from fedbytes.data.readers.plain_text import Documents, matching_files, read_texts
from fedbytes.data.readers.table_split import hold_out
from fedbytes.data.readers.text_files import UTF8, check_encoding
from fedbytes.data.task import TASKS, Kind, Task
from fedbytes.data.text_data import TextData, make_text_data
from fedbytes.plugin_fields import added_field, bounded


@TASKS.register("text")
@dataclass(frozen=True)
class TextTask(Task):
    """Plain text files of your own; by the columns `file` and `folder`, each can be a client.

    Attributes:
        path: the training texts: a file, or a glob such as `books/**/*.txt`.
        test_path: the test texts; without it `test_fraction` of the documents is held out.
        documents: unit of a document: a whole `file`, a `paragraph` between blank lines, or
            `lines_per_document` `lines`.
        lines_per_document: lines per document, for `documents: lines`.
        test_fraction: fraction of documents held out for testing, between 0 and 1.
        encoding: encoding of the files, such as `cp1252`.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ()  # texts of the user's own
    kind: Kind = "causal-lm"
    path: str = ""
    test_path: str | None = None
    documents: Documents = "file"
    lines_per_document: int = bounded(50, least=1)
    test_fraction: float = bounded(0.1, above=0, below=1)
    encoding: str = added_field(UTF8)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.path:
            raise ValueError("task 'text' requires path: a text file or a glob")
        if self.kind != "causal-lm":
            raise ValueError(
                f"task 'text' has no labels and requires kind: causal-lm (got kind: {self.kind})"
            )
        check_encoding("task 'text'", self.encoding)

    def read_paths(self) -> tuple[Path, ...]:
        """Return the text files that both paths match now."""
        paths = (self.path, self.test_path)
        return tuple(found for path in paths if path for found in matching_files(path))

    def read(self) -> TextData:
        """Return the documents of the files."""
        train, note = read_texts(self.path, self.documents, self.lines_per_document, self.encoding)
        notes = [note]
        if self.test_path is not None:
            test, note = read_texts(
                self.test_path, self.documents, self.lines_per_document, self.encoding
            )
            notes.append(note)
        elif len(train) < 2:
            raise ValueError(
                f"{self.path} has {len(train)} documents, none to hold out for testing: set "
                "test_path, or documents: paragraph"
            )
        else:
            train, test = hold_out(train, self.test_fraction)
        return make_text_data(self.path, train, test, notes=[note for note in notes if note])
