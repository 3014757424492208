"""Tables of the named data sets: tab-separated, three header rows, no quoting."""

from pathlib import Path
from typing import Any

from fedbytes.data.assets.asset_files import asset_folder, fetch
from fedbytes.data.text_data import Split, TextData, make_split, make_text_data

# Rows of the published splits; another number means a parsing error.
PUBLISHED_ROWS = {
    "20newsgroups": (11_293, 7_528),
    "reuters-r8": (5_485, 2_189),
    "reuters-r52": (6_532, 2_568),
    "friends": (61_563, 0),
}


def read_table(path: Path) -> dict[str, list[str]]:
    """Return the columns of a table by the names in its first row; blank rows are dropped.

    Raises:
        ValueError: if a row does not have as many cells as the first.
    """
    lines = path.read_bytes().decode().split("\n")
    names = lines[0].split("\t")
    columns: dict[str, list[str]] = {name: [] for name in names}
    for number, line in enumerate(lines[3:], 4):
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) != len(names):
            raise ValueError(f"{path}, line {number}: {len(cells)} cells for {len(names)} columns")
        for column, cell in zip(columns.values(), cells, strict=True):
            column.append(cell.strip())
    return columns


def load_categories(name: str) -> TextData:
    """Return 20 Newsgroups or Reuters with the published train and test splits."""
    folder = fetch(name)
    splits = []
    for part, rows in zip(("train", "test"), PUBLISHED_ROWS[name], strict=True):
        table = read_table(folder / f"{name}-{part}.tab")
        _check_rows(name, len(table["Text"]), rows)
        splits.append(make_split(table["Text"], {"label": table["Category"]}))
    return make_text_data(name, *splits)


def load_friends() -> TextData:
    """Return the lines of the series Friends, every tenth episode held out for testing.

    Columns are `speaker` (also `label`), `season`, `episode` and `title`. Whole episodes are held
    out since neighbouring lines belong to one conversation. Lines without words are dropped.
    """
    table = read_table(fetch("friends") / "friends-transcripts.tab")
    _check_rows("friends", len(table["Quote"]), PUBLISHED_ROWS["friends"][0])
    episodes = table["Season & Episode"]
    held_out = set(sorted(set(episodes))[9::10])
    parts: list[Split] = []
    for testing in (False, True):
        rows = [
            row
            for row, episode in enumerate(episodes)
            if (episode in held_out) == testing and table["Quote"][row]
        ]
        columns: dict[str, list[Any]] = {
            "label": [table["Author"][row] for row in rows],
            "speaker": [table["Author"][row] for row in rows],
            "season": [int(table["Season"][row]) for row in rows],
            "episode": [episodes[row] for row in rows],
            "title": [table["Title"][row] for row in rows],
        }
        parts.append(make_split([table["Quote"][row] for row in rows], columns))
    return make_text_data("friends", *parts)


def _check_rows(name: str, found: int, expected: int) -> None:
    if found != expected:
        raise ValueError(f"{name}: {found} rows instead of {expected}; delete {asset_folder(name)}")
