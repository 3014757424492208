from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from fedbytes.data.chat_task import ChatTask
from fedbytes.data.readers.conversations import chat_table_split
from fedbytes.data.readers.hub import folder_files, load_tables
from fedbytes.data.readers.table_file import (
    FilePaths,
    check_paths,
    listed_paths,
    load_table,
    notes_on_clients,
)
from fedbytes.data.readers.table_split import hold_out
from fedbytes.data.readers.text_files import UTF8, check_encoding
from fedbytes.data.task import TASKS
from fedbytes.data.text_data import TextData, make_text_data
from fedbytes.plugin_fields import added_field, bounded


@TASKS.register("instruct")
@dataclass(frozen=True)
class Instruct(ChatTask):
    """Instruction tuning on your own conversations, from files or the hub.

    Rows have `messages`, or instruction, input and output, or prompt and response.

    Attributes:
        path: the training conversations: a JSONL, CSV, TSV or Parquet file, or files by the names
            of the clients that hold them, which the column `client` names then.
        test_path: the test conversations, in the same way; without it `test_fraction` of `path` is
            held out.
        hub_id: instead of `path`, a data set's id on the hub, or a folder in that format.
        config: the data set's configuration, if it has several.
        train_split: name of the split to train on.
        test_split: name of the split to test on; if missing, `test_fraction` is held out.
        test_fraction: fraction held out for testing, between 0 and 1.
        encoding: encoding of CSV, TSV and JSON Lines, such as `cp1252`.
        quotes: whether cells of CSV and TSV may be in double quotes; with false a quote is a
            character as any other.
    """

    reads_tables: ClassVar[bool] = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = ()  # texts of the user's own
    path: FilePaths = ""
    test_path: FilePaths | None = None
    hub_id: str = ""
    config: str | None = None
    train_split: str = "train"
    test_split: str = "test"
    test_fraction: float = bounded(0.1, above=0, below=1)
    encoding: str = added_field(UTF8)
    quotes: bool = added_field(True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.path) == bool(self.hub_id):
            raise ValueError("task 'instruct' requires either path, a file, or hub_id")
        if self.path:
            check_paths(self.path, self.test_path)
        check_encoding("task 'instruct'", self.encoding)

    def read_paths(self) -> tuple[Path, ...]:
        """Return the files of both paths, or of a local folder that `hub_id` names."""
        if self.hub_id:
            return tuple(folder_files(self.hub_id))
        return listed_paths(self.path, self.test_path)

    def read(self) -> TextData:
        """Return the conversations."""
        if self.hub_id:
            name, splits = self.hub_id, (self.train_split, self.test_split)
            tables = load_tables(self.hub_id, self.config, *splits, self.encoding, self.quotes)
            found, other = tables[self.train_split], tables.get(self.test_split)
        else:
            name = ", ".join(map(str, listed_paths(self.path)))
            found = load_table(self.path, self.encoding, self.quotes)
            other = None
            if self.test_path:
                other = load_table(self.test_path, self.encoding, self.quotes)
        train, note = chat_table_split(found)
        notes = [note]
        if other is None:
            train, test = hold_out(train, self.test_fraction)
        else:
            test, note = chat_table_split(other)
            notes.append(note)
        if not self.hub_id:
            notes += notes_on_clients(self.path, train)
        return make_text_data(name, train, test, notes=[note for note in notes if note])
