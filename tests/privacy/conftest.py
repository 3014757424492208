"""Privacy is tried in the federation of the tests of rounds."""

import runpy
from pathlib import Path

make_run = runpy.run_path(str(Path(__file__).parents[1] / "federated" / "conftest.py"))["make_run"]
