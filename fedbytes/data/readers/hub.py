"""Any data set of the Hugging Face `datasets` library, by id or by local folder."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fedbytes.data.readers.arrow_table import arrow_table
from fedbytes.data.readers.delimited import read_delimited
from fedbytes.data.readers.json_lines import read_json_array, read_json_rows
from fedbytes.data.readers.table import Table, stack_tables
from fedbytes.data.readers.table_split import text_data
from fedbytes.data.readers.text_files import UTF8
from fedbytes.data.text_data import TextData


def load_hub(
    hub_id: str,
    config: str | None = None,
    train_split: str = "train",
    test_split: str = "test",
    text: str = "text",
    label: str | None = "label",
    test_fraction: float = 0.2,
    encoding: str = UTF8,
    quotes: bool = True,
) -> TextData:
    """Return a data set by hub id, or from a folder of `save_to_disk` or of data files.

    Class labels stored as numbers are replaced by their names. Without a split called `test_split`,
    a fraction of the training split is held out. `encoding` and `quotes` are of CSV and JSON files
    (`read_delimited`).

    Raises:
        ValueError: if it cannot be loaded, or lacks the split or a column.
    """
    tables = load_tables(hub_id, config, train_split, test_split, encoding, quotes)
    test = tables.get(test_split)
    return text_data(tables[train_split], test, text, label, test_fraction, hub_id)


def load_tables(
    hub_id: str,
    config: str | None,
    train_split: str,
    test_split: str,
    encoding: str = UTF8,
    quotes: bool = True,
) -> dict[str, Table]:
    """Return those of a data set's two splits that it has, by name.

    Raises:
        ValueError: if it cannot be loaded, or has no split called `train_split`.
    """
    splits = _load(hub_id, config, encoding, quotes)
    if train_split not in splits:
        raise ValueError(f"{hub_id} has no split {train_split!r} (known: {', '.join(splits)})")
    wanted = [name for name in (train_split, test_split) if name in splits]
    return {name: splits[name]() for name in dict.fromkeys(wanted)}


def folder_files(hub_id: str) -> list[Path]:
    """Return all files of a local folder, sorted; none if `hub_id` is no folder."""
    folder = Path(hub_id).expanduser()
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def _load(
    hub_id: str, config: str | None, encoding: str, quotes: bool
) -> dict[str, Callable[[], Table]]:
    """Return what reads each split, by the splits' names."""
    import datasets

    folder = Path(hub_id).expanduser()
    saved = (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()
    try:
        if saved:
            found = datasets.load_from_disk(folder)
        else:
            builder = datasets.load_dataset_builder(hub_id, config)
            files = _untyped_files(builder, encoding, quotes)
            if files is not None:
                return files
            options = {"keep_default_na": False, "na_values": [""]} if _is(builder, "Csv") else {}
            found = datasets.load_dataset(hub_id, config, **options)
    except Exception as error:  # datasets raises many unrelated types
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"cannot load data set {hub_id!r}: {reason}") from error
    splits = dict(found) if isinstance(found, dict) else {"train": found}
    return {name: partial(_table, hub_id, split) for name, split in splits.items()}


def _untyped_files(builder: Any, given: str, quotes: bool) -> dict[str, Callable[[], Table]] | None:
    """Return what reads each split of CSV or JSON files without declared types, else None.

    The library guesses types and missing values of such files, so they are read by our own
    readers: text is text.
    """
    import datasets

    if not (_is(builder, "Csv") or _is(builder, "Json")):
        return None
    config = builder.config
    own = type(config)(data_files=config.data_files)
    kept = {key: getattr(config, key, None) for key in ("sep", "delimiter", "encoding")}
    apart = {"name", "version", "data_dir", "description", *kept}
    differ = {key for key, value in vars(own).items() if value != getattr(config, key)}
    if builder.info.features is not None or differ - apart:
        return None
    options = datasets.DownloadConfig(token=builder.token, storage_options=builder.storage_options)
    manager = datasets.DownloadManager(builder.dataset_name, download_config=options)
    separator = kept["delimiter"] or kept["sep"]
    encoding = given if given != UTF8 else kept["encoding"] or UTF8

    def read(paths: Any) -> Table:
        files = [Path(path) for path in manager.iter_files(manager.download_and_extract(paths))]
        tables = [_read(path, separator, encoding, quotes) for path in files]
        return stack_tables(tables)

    return {str(name): partial(read, list(paths)) for name, paths in config.data_files.items()}


def _read(path: Path, separator: str | None, encoding: str, quotes: bool) -> Table:
    if separator is not None:
        return read_delimited(path, separator, encoding, quotes)
    return read_json_array(path, encoding) or read_json_rows(path, encoding)


def _is(builder: Any, kind: str) -> bool:
    """Return whether a builder of the library reads files of a kind."""
    return any(base.__name__ == kind for base in type(builder).__mro__)


def _table(hub_id: str, split: Any) -> Table:
    """Return a split as a table, with class numbers replaced by class names."""
    import datasets

    found = arrow_table(hub_id, split.with_format("arrow")[:])
    columns = dict(found.columns)
    for name, feature in split.features.items():
        if isinstance(feature, datasets.ClassLabel):
            names = feature.names
            columns[name] = [
                names[i] if i is not None and 0 <= i < len(names) else None
                for i in found.values(name)
            ]
    return Table(hub_id, columns, found.rows)
