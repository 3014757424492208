"""The version of the package; apart from its face, as looking it up takes time."""

from importlib.metadata import PackageNotFoundError, version

LAST_RELEASE = "0.1.0"
"""What a checkout counts as that was never installed."""


def _installed_version() -> str:
    try:
        return version("fedbytes")
    except PackageNotFoundError:
        return LAST_RELEASE


PACKAGE_VERSION = __version__ = _installed_version()
"""As it was installed: of a release `0.1.0`, between two of them `0.1.1.dev3`."""
