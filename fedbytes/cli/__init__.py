"""The command line: verbs on top of everything else."""

from fedbytes.cli.app import app, main

__all__ = ["app", "main"]
