from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from fedbytes.data.readers.table_file import load_file
from fedbytes.data.task import TASKS, Task
from fedbytes.data.text_data import TextData
from fedbytes.plugin_fields import bounded


@TASKS.register("file")
@dataclass(frozen=True)
class FileTask(Task):
    """A CSV, TSV, JSON Lines or Parquet file of your own.

    Attributes:
        path: the training examples.
        test_path: the test examples; without it `test_fraction` of `path` is held out.
        text: name of the column with the texts.
        label: name of the column with the labels (not read for causal-lm).
        test_fraction: fraction held out for testing, between 0 and 1.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ()  # texts of the user's own
    path: str = ""
    test_path: str | None = None
    text: str = "text"
    label: str = "label"
    test_fraction: float = bounded(0.2, above=0, below=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.path:
            raise ValueError("task 'file' requires path: a CSV, JSONL or Parquet file")

    def read_paths(self) -> tuple[Path, ...]:
        """Return the file of training examples, and that of test examples if there is one."""
        return tuple(Path(path) for path in (self.path, self.test_path) if path)

    def read(self) -> TextData:
        """Return the examples of the file."""
        label = self.label if self.kind == "classification" else None
        return load_file(self.path, self.test_path, self.text, label, self.test_fraction)
