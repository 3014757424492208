"""Where the package lies; apart from its face, so that no import is a circle."""

from pathlib import Path

PACKAGE_FOLDER = Path(__file__).parents[1]
"""The folder of the package `fedbytes`."""
