"""Seconds until a Python session has `fedbytes`, and until the command line has shown its help.

Starts each in fifteen new processes; prints the median wall time and the least processor time in
user code, which other programs on the machine hardly change. Fails if that least time is above
0.15 s of `import fedbytes` or 0.4 s of `fedbytes --help`.

    python benchmarks/cold_start.py
"""

import resource
import statistics
import subprocess
import sys
from time import perf_counter

REPEATS = 15
CASES = {
    "import fedbytes": ((sys.executable, "-c", "import fedbytes"), 0.15),
    "fedbytes --help": ((sys.executable, "-m", "fedbytes", "--help"), 0.4),
}


def measure(command: tuple[str, ...]) -> tuple[float, float]:
    """Return the median wall seconds of new processes, and the least user seconds."""
    wall, user = [], []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        start = perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall.append(perf_counter() - start)
        user.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)
    return statistics.median(wall), min(user)


def main() -> None:
    failed = False
    for name, (command, most) in CASES.items():
        wall, user = measure(command)
        failed |= user > most
        print(f"{name}  wall {wall:.3f} s, user {user:.3f} s  (at most {most:g} s)")
    sys.exit(failed)


if __name__ == "__main__":
    main()
