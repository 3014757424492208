"""Packages that only some configurations require, imported on use."""

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
