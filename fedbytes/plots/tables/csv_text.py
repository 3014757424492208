"""Tables as CSV that every reader splits into the rows that were written."""

from typing import Any

import pandas as pd


def csv_text(frame: pd.DataFrame, float_format: str | None = None) -> str:
    r"""Return a table as CSV; a carriage return in a text is written as a line's end, `\n`.

    Quotes are put around `\n`, and not around a carriage return, which readers take for a row's
    end all the same.
    """
    texts = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name].dtype)]
    plain = frame.assign(**{str(name): frame[name].map(_plain_breaks) for name in texts})
    return str(plain.to_csv(index=False, lineterminator="\n", float_format=float_format))


def _plain_breaks(value: Any) -> Any:
    if isinstance(value, str) and "\r" in value:
        return value.replace("\r\n", "\n").replace("\r", "\n")
    return value
