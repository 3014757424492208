from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from fedbytes.data.chat_task import ChatTask
from fedbytes.data.readers.conversations import chat_split
from fedbytes.data.readers.hub import folder_files, load_frames
from fedbytes.data.readers.table_file import hold_out, read_frame
from fedbytes.data.task import TASKS
from fedbytes.data.text_data import TextData, make_text_data
from fedbytes.plugin_fields import bounded


@TASKS.register("instruct")
@dataclass(frozen=True)
class Instruct(ChatTask):
    """Instruction tuning on your own conversations, from a file or the hub.

    Rows have `messages`, or instruction, input and output, or prompt and response.

    Attributes:
        path: the training conversations: JSONL, CSV, TSV or Parquet.
        test_path: the test conversations; without it `test_fraction` of `path` is held out.
        hub_id: instead of `path`, a data set's id on the hub, or a folder in that format.
        config: the data set's configuration, if it has several.
        train_split: name of the split to train on.
        test_split: name of the split to test on; if missing, `test_fraction` is held out.
        test_fraction: fraction held out for testing, between 0 and 1.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ()  # texts of the user's own
    path: str = ""
    test_path: str | None = None
    hub_id: str = ""
    config: str | None = None
    train_split: str = "train"
    test_split: str = "test"
    test_fraction: float = bounded(0.1, above=0, below=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.path) == bool(self.hub_id):
            raise ValueError("task 'instruct' requires either path, a file, or hub_id")

    def read_paths(self) -> tuple[Path, ...]:
        """Return the files of both paths, or of a local folder that `hub_id` names."""
        if self.hub_id:
            return tuple(folder_files(self.hub_id))
        return tuple(Path(path) for path in (self.path, self.test_path) if path)

    def read(self) -> TextData:
        """Return the conversations."""
        where = self.path or self.hub_id
        if self.hub_id:
            splits = load_frames(self.hub_id, self.config, self.train_split)
            found, other = splits[self.train_split], splits.get(self.test_split)
        else:
            found = read_frame(self.path, as_written=True)
            other = read_frame(self.test_path, as_written=True) if self.test_path else None
        train = chat_split(found, where)
        if other is None:
            train, test = hold_out(train, self.test_fraction)
        else:
            test = chat_split(other, self.test_path or where)
        return make_text_data(where, train, test)
