"""What `fedbytes plot` costs: processor seconds for a made-up store of 135 runs.

    python benchmarks/plot_seconds.py

15 settings, three methods, three seeds, eight rounds: the size of the suite `noniid`. Kept rows are
read, every figure is drawn and written as SVG, PDF and PNG; imports count, once.
"""

import json
import sys
import tempfile
from pathlib import Path
from time import process_time

ALPHAS = (0.03, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 10.0)


def measure() -> dict[str, float]:
    """Return runs, files and processor seconds of one `fedbytes plot`, from its imports on."""
    start = process_time()
    from fedbytes.cli.app import app
    from fedbytes.plots import sample_tables, write_data
    from fedbytes.plots.testing.sample_tables import SAMPLE_CODECS

    with tempfile.TemporaryDirectory() as folder:
        before = process_time()
        tables = sample_tables(ALPHAS, seeds=range(3), rounds=8, codecs=list(SAMPLE_CODECS)[:3])
        write_data(tables, folder)
        made = process_time() - before
        app(["plot", folder], standalone_mode=False)
        files = sum(path.suffix in {".svg", ".pdf", ".png"} for path in Path(folder).iterdir())
    seconds = process_time() - start - made
    return {"runs": len(tables.runs), "files": files, "processor seconds": round(seconds, 1)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure()) + "\n")
