"""Packages that only some configurations require, imported on use."""

import importlib
from importlib.util import find_spec
from types import ModuleType

from fedbytes.process.quiet import quiet_logger

_TRAIN = """accelerate datasets filelock gguf huggingface_hub jinja2 matplotlib numba pandas peft
platformdirs pyarrow pydantic rich safetensors scipy tokenizers transformers typer yaml"""
EXTRA_OF = dict.fromkeys(_TRAIN.split(), "train")
"""The extra of fedbytes that installs a package, by its import name."""


def explain_missing(error: ModuleNotFoundError, what: str) -> ImportError:
    """Return the error that says in one line which extra has a package; others as they are.

    Args:
        error: of an import.
        what: that was to be used.

    Example:
        >>> lacking = ModuleNotFoundError("No module named 'pydantic'", name="pydantic")
        >>> print(explain_missing(lacking, "fedbytes.experiments"))
        fedbytes.experiments requires pydantic: pip install 'fedbytes[train]'
    """
    package = (error.name or "").partition(".")[0]
    if package not in EXTRA_OF:
        return error
    line = f"{what} requires {package}: pip install 'fedbytes[{EXTRA_OF[package]}]'"
    return ImportError(line, name=error.name)


def import_extra(module: str, what: str) -> ModuleType:
    """Return a module of a package that is not among what fedbytes always has.

    Args:
        module: its full name.
        what: the setting that requires it, for the message.

    Raises:
        ValueError: if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(str(explain_missing(error, what))) from error


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
