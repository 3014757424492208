"""Where the package lies, and its version; apart from its face, so that no import is a circle."""

from pathlib import Path

PACKAGE_VERSION = "0.1.0"
PACKAGE_FOLDER = Path(__file__).parents[1]
"""The folder of the package `fedbytes`."""
