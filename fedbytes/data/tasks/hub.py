from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from fedbytes.data.readers.hub import folder_files, load_hub
from fedbytes.data.readers.text_files import UTF8, check_encoding
from fedbytes.data.task import TASKS, Task
from fedbytes.data.text_data import TextData
from fedbytes.plugin_fields import added_field, bounded


@TASKS.register("hub")
@dataclass(frozen=True)
class HubTask(Task):
    """A data set of the Hugging Face hub by id, or a local folder in that format.

    Attributes:
        hub_id: such as `ag_news`, or a folder.
        config: the data set's configuration, if it has several.
        train_split: name of the split to train on.
        test_split: name of the split to test on; if missing, `test_fraction` is held out.
        text: name of the column with the texts.
        label: name of the column with the labels (not read for causal-lm).
        test_fraction: fraction held out for testing, between 0 and 1.
        encoding: of a folder's CSV and JSON files, where it is not UTF-8.
        quotes: whether cells of its CSV files may be in double quotes.
    """

    reads_tables: ClassVar[bool] = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = ()  # texts of the user's own
    hub_id: str = ""
    config: str | None = None
    train_split: str = "train"
    test_split: str = "test"
    text: str = "text"
    label: str = "label"
    test_fraction: float = bounded(0.2, above=0, below=1)
    encoding: str = added_field(UTF8)
    quotes: bool = added_field(True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.hub_id:
            raise ValueError("task 'hub' requires hub_id: a data set's id or a folder")
        check_encoding("task 'hub'", self.encoding)

    def read_paths(self) -> tuple[Path, ...]:
        """Return the files of a local folder; those of a data set on the hub are not on disk."""
        return tuple(folder_files(self.hub_id))

    def read(self) -> TextData:
        """Return the examples of the data set."""
        label = self.label if self.kind == "classification" else None
        return load_hub(
            self.hub_id,
            self.config,
            self.train_split,
            self.test_split,
            self.text,
            label,
            self.test_fraction,
            self.encoding,
            self.quotes,
        )
