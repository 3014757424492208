from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from fedbytes.data.readers.table_file import FilePaths, check_paths, listed_paths, load_file
from fedbytes.data.readers.text_files import UTF8, check_encoding
from fedbytes.data.task import TASKS, Task
from fedbytes.data.text_data import TextData
from fedbytes.plugin_fields import added_field, bounded


@TASKS.register("file")
@dataclass(frozen=True)
class FileTask(Task):
    """CSV, TSV, JSON Lines or Parquet files of your own.

    Attributes:
        path: the training examples: a file, or files by the names of the clients that hold them,
            which the column `client` names then.
        test_path: the test examples, in the same way; without it `test_fraction` of `path` is
            held out.
        text: name of the column with the texts.
        label: name of the column with the labels (not read for causal-lm).
        test_fraction: fraction held out for testing, between 0 and 1.
        encoding: encoding of CSV, TSV and JSON Lines, such as `cp1252`.
        quotes: whether cells of CSV and TSV may be in double quotes; with false a quote is a
            character as any other.
    """

    reads_tables: ClassVar[bool] = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = ()  # texts of the user's own
    path: FilePaths = ""
    test_path: FilePaths | None = None
    text: str = "text"
    label: str = "label"
    test_fraction: float = bounded(0.2, above=0, below=1)
    encoding: str = added_field(UTF8)
    quotes: bool = added_field(True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.path:
            raise ValueError("task 'file' requires path: a CSV, JSONL or Parquet file")
        check_paths(self.path, self.test_path)
        check_encoding("task 'file'", self.encoding)

    def read_paths(self) -> tuple[Path, ...]:
        """Return the files of training examples, and those of test examples if there are any."""
        return listed_paths(self.path, self.test_path)

    def read(self) -> TextData:
        """Return the examples of the files."""
        label = self.label if self.kind == "classification" else None
        return load_file(
            self.path,
            self.test_path,
            self.text,
            label,
            self.test_fraction,
            self.encoding,
            self.quotes,
        )
