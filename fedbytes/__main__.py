"""`python -m fedbytes`, and the command `fedbytes`: the command line."""

import sys

from fedbytes.process.optional_imports import explain_missing
from fedbytes.process.told_to_stop import end_if_told_early


def start() -> None:
    """Run the command line, or say in one line which extra it lacks."""
    end_if_told_early()
    try:
        from fedbytes.cli.app import main
    except ModuleNotFoundError as error:
        explained = explain_missing(error, "the command line")
        if explained is error:
            raise
        sys.stderr.write(f"error: {explained}\n")
        sys.exit(2)
    main()


if __name__ == "__main__":
    start()
