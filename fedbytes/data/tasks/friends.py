from dataclasses import dataclass

from fedbytes.data.readers.named_tables import load_friends
from fedbytes.data.task import TASKS, Kind, Task
from fedbytes.data.text_data import TextData


@TASKS.register("friends")
@dataclass(frozen=True)
class Friends(Task):
    """Lines of the series Friends with their speakers, who are natural clients."""

    kind: Kind = "causal-lm"

    def read(self) -> TextData:
        """Return the lines; every tenth episode is held out for testing."""
        return load_friends()
