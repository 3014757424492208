"""Packages that only some configurations require, imported on use."""

from importlib.util import find_spec
from types import ModuleType

from fedbytes.process.quiet import quiet_logger


def import_bitsandbytes(what: str) -> ModuleType:
    """Return the package `bitsandbytes`.

    Args:
        what: the setting that requires it, for the message.

    Raises:
        ValueError: if it is not installed or does not load.
    """
    try:
        with quiet_logger("bitsandbytes"):  # it warns about kernels that are not used here
            import bitsandbytes
    except (ImportError, OSError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{what} requires bitsandbytes: pip install 'fedbytes[bnb]' ({reason})"
        ) from error
    return bitsandbytes


def refuse_missing(package: str, extra: str, what: str) -> str | None:
    """Return in one line that a package is missing and how to get it, or None if it is there.

    Args:
        package: its import name.
        extra: of fedbytes, that installs it.
        what: the setting that requires it.
    """
    if find_spec(package) is not None:
        return None
    return f"{what} requires {package}: pip install 'fedbytes[{extra}]'"


def import_dp_accounting(what: str) -> ModuleType:
    """Return the package `dp_accounting`, with its accountants.

    Args:
        what: the setting that requires it, for the message.

    Raises:
        ValueError: if it is not installed or does not load.
    """
    try:
        import dp_accounting
        import dp_accounting.pld
        import dp_accounting.rdp
    except (ImportError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{what} requires dp-accounting: pip install 'fedbytes[dp]' ({reason})"
        ) from error
    package: ModuleType = dp_accounting
    return package
