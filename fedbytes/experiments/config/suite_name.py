"""The name of a suite, which is the name of the folder of its runs."""

from typing import Any

LONGEST = 200
"""Bytes of UTF-8: file systems allow 255, and files beside the folder have longer names."""


def check_suite_name(name: Any) -> str:
    """Return `name` if a folder can have it, and would lie where it is made.

    Raises:
        ValueError: for what is not text, is empty, leaves the folder or hides in it (a slash or
            backslash, `..`, a leading dot), cannot be printed (NUL, a line's end), or is over 200
            bytes.
    """
    if not isinstance(name, str):
        raise ValueError(f"the name must be text, got {name!r}: put it in quotes")
    size = len(name.encode("utf-8", "surrogatepass"))
    if not name.strip():
        fault = "it is empty"
    elif size > LONGEST:
        fault = f"it has {size} bytes, at most {LONGEST} can be a folder"
    elif not name.isprintable():
        fault = "it holds a character that cannot be printed"
    elif name.startswith("."):
        fault = "it starts with a dot"
    else:
        held = next((part for part in ("/", "\\", "..") if part in name), None)
        if held is None:
            return name
        fault = f"it holds {held}"
    shown = repr(name) if len(name) <= 60 else f"{name[:60]!r}…"
    raise ValueError(
        f"the name {shown} cannot be that of a folder: {fault}; use letters, digits, - and _"
    )
