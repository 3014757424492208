"""An environment of their own for the peers that a benchmark compares with."""

import subprocess
import sys
import venv
from pathlib import Path

from fedbytes.process.user_cache import cache_folder


def peer_environment(name: str, requirements: Path, alone: str | None = None) -> Path:
    """Return the interpreter of an environment below the user's cache, made if it is not there.

    Args:
        name: the environment's folder.
        requirements: a file for pip; if it changes the environment is made again.
        alone: a requirement that is installed without what it depends on, if there is one.
    """
    home = cache_folder("benchmarks") / name
    python, ready = home / "bin" / "python", home / "ready"
    wanted = requirements.read_text()
    if ready.exists() and ready.read_text() == wanted:
        return python
    print(f"installing the peers into {home} ...", file=sys.stderr)
    venv.create(home, with_pip=True, clear=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*pip, "-r", requirements], check=True)
    if alone is not None:
        subprocess.run([*pip, "--no-deps", alone], check=True)
    ready.write_text(wanted)
    return python
