"""Seconds until a Python session has `fedbytes`, and until the command line has shown its help.

Prints the median of fifteen new processes each, and fails above 0.15 s of `import fedbytes` or
0.4 s of `fedbytes --help`.

    python benchmarks/cold_start.py
"""

import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter

REPEATS = 15
CASES = {
    "import fedbytes": ((sys.executable, "-c", "import fedbytes"), 0.15),
    "fedbytes --help": ((str(Path(sys.executable).parent / "fedbytes"), "--help"), 0.4),
}


def median_seconds(command: tuple[str, ...]) -> float:
    """Return the median seconds of new processes."""
    spent = []
    for _ in range(REPEATS):
        start = perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        spent.append(perf_counter() - start)
    return statistics.median(spent)


def main() -> None:
    failed = False
    for name, (command, most) in CASES.items():
        seconds = median_seconds(command)
        failed |= seconds > most
        print(f"{name}  {seconds:.3f} s  (at most {most:g} s)")
    sys.exit(failed)


if __name__ == "__main__":
    main()
