"""What a kept model says of the texts in a file, as a table."""

from pathlib import Path
from typing import TYPE_CHECKING

from fedbytes.data.readers.table_file import load_table
from fedbytes.models import load_kept

if TYPE_CHECKING:
    import pandas as pd

_TEXT = "text"


def predict_texts(
    folder: Path,
    texts: str | Path,
    column: str = _TEXT,
    max_new_tokens: int | None = None,
    device: str = "auto",
) -> "pd.DataFrame":
    """Return one row per text, in the file's order.

    The columns of a classifier are `text`, `predicted`, and `p(LABEL)` for each label; those of a
    language model `text` and `answer`. A text that is missing is an empty one.

    Args:
        folder: of the kept model.
        texts: a CSV, TSV, JSON Lines or Parquet file.
        column: which of its columns has the texts.
        max_new_tokens: most tokens of an answer; as in the run by default.
        device: as `model.device`.

    Raises:
        ValueError: if the file has no such column or cannot be read, or the model cannot be loaded.
    """
    import pandas as pd

    table = load_table(str(texts))
    if column not in table.columns:
        known = ", ".join(table.names)
        raise ValueError(f"{texts} has no column {column!r} (known: {known}): name it by --column")
    given = ["" if one is None else str(one) for one in table.plain_values(column, "text")]
    model = load_kept(folder, device)
    if not model.facts.labels:
        return pd.DataFrame({_TEXT: given, "answer": model.answers(given, max_new_tokens)})
    labels, found = model.facts.labels, model.probabilities(given)
    guesses = {_TEXT: given, "predicted": [labels[best] for best in found.argmax(1)]}
    columns = {f"p({label})": found[:, index] for index, label in enumerate(labels)}
    return pd.DataFrame(guesses | columns)
