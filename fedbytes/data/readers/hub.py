"""Any data set of the Hugging Face `datasets` library, by id or by local folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedbytes.data.readers.table_file import hold_out, to_split
from fedbytes.data.text_data import TextData, make_text_data

if TYPE_CHECKING:
    import pandas as pd


def load_hub(
    hub_id: str,
    config: str | None = None,
    train_split: str = "train",
    test_split: str = "test",
    text: str = "text",
    label: str | None = "label",
    test_fraction: float = 0.2,
) -> TextData:
    """Return a data set by hub id, or from a folder of `save_to_disk` or of data files.

    Class labels stored as numbers are replaced by their names. Without a split called `test_split`,
    a fraction of the training split is held out.

    Raises:
        ValueError: if it cannot be loaded, or lacks the split or a column.
    """
    frames = load_frames(hub_id, config, train_split)
    train = to_split(frames[train_split], text, label, hub_id)
    if test_split in frames:
        test = to_split(frames[test_split], text, label, hub_id)
    else:
        train, test = hold_out(train, test_fraction)
    return make_text_data(hub_id, train, test)


def load_frames(hub_id: str, config: str | None, train_split: str) -> "dict[str, pd.DataFrame]":
    """Return a data set's splits by name, each as a table.

    Raises:
        ValueError: if it cannot be loaded, or has no split called `train_split`.
    """
    splits = _load(hub_id, config)
    if train_split not in splits:
        raise ValueError(f"{hub_id} has no split {train_split!r} (known: {', '.join(splits)})")
    return {name: _frame(split) for name, split in splits.items()}


def folder_files(hub_id: str) -> list[Path]:
    """Return all files of a local folder, sorted; none if `hub_id` is no folder."""
    folder = Path(hub_id).expanduser()
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def _load(hub_id: str, config: str | None) -> dict[str, Any]:
    import datasets

    folder = Path(hub_id).expanduser()
    saved = (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()
    try:
        found = datasets.load_from_disk(folder) if saved else datasets.load_dataset(hub_id, config)
    except Exception as error:  # datasets raises many unrelated types
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"cannot load data set {hub_id!r}: {reason}") from error
    return dict(found) if isinstance(found, dict) else {"train": found}


def _frame(split: Any) -> Any:
    """Return a split as a pandas frame, with class numbers replaced by class names."""
    import datasets

    frame = split.to_pandas()
    for name, feature in split.features.items():
        if isinstance(feature, datasets.ClassLabel):
            names = feature.names
            frame[name] = [names[i] if 0 <= i < len(names) else None for i in frame[name]]
    return frame
