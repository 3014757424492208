"""Make the stores of before: a finished run, and runs cut short. Those that exist are kept.

They stand for what users have on their disks, so they are never written anew: newer code must read
them as they are. A folder for a later version is made beside them, by this script.
"""

import json
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import record
import torch
from configurations import CONFIGURATIONS, CUTS, STORES
from inputs import write_texts
from observe import store_lines

from fedbytes.experiments import make_config, run


class CutError(Exception):
    """Stands for whatever ends a process."""


def make(name: str, store: Path, cut: int | None = None) -> None:
    """Make a run in `store`, up to the round `cut`; the machine's name is left out of it."""
    config = make_config(CONFIGURATIONS[name])

    def on_event(event: Any) -> None:
        if cut is not None and getattr(event, "round", None) == cut:
            raise CutError

    with suppress(CutError):
        run(config, store, on_event=on_event)
    folder = store / config.id
    (folder / ".lock").unlink(missing_ok=True)
    path = folder / "provenance.json"
    kept = json.loads(path.read_text(encoding="utf-8")) | {"processor": "", "cores": 1}
    path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FEDBYTES_HOME"] = folder + "/home"
        write_texts(Path(folder))
        os.chdir(folder)
        for store, cuts in (("finished", {"stored": None}), ("interrupted", CUTS)):
            if (STORES / store).exists():
                print(f"{STORES / store} is kept")
                continue
            for name, cut in cuts.items():
                make(name, STORES / store, cut)
    record.write(record.read() | record.over("store", store_lines(STORES)))


if __name__ == "__main__":
    main()
