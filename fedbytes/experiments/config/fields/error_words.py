"""What pydantic says of a wrong field, as one line in the words of the project."""

import re

from pydantic import ValidationError


def plain(message: str) -> str:
    """Return one of pydantic's messages in the words of our own."""
    told = message.replace("Input should be", "must be").replace(
        "greater than or equal to", "at least"
    )
    return _VALID.sub(lambda found: _PLAIN.get(found[1], found[0]), told)


_VALID = re.compile(r"a valid (\w+)(?:, .*)?$")
_PLAIN = {
    "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "string": "text", "dictionary": "a mapping", "list": "a list", "tuple": "a list",
}  # fmt: skip


def one_line(error: ValidationError) -> str:
    """Return pydantic's first complaint as one line: field, message, value.

    Of a field that may be one of several types it names them all.
    """
    found = error.errors(include_url=False)
    first, place = found[0], found[0]["loc"]
    alike = [one for one in found if len(place) > 1 and one["loc"][:-1] == place[:-1]]
    either = len(alike) > 1 and all(one["input"] is first["input"] for one in alike)
    where = ".".join(map(str, place[:-1] if either else place))
    asked = [one["msg"].removeprefix("Value error, ") for one in (alike if either else [first])]
    told, *others = map(plain, asked)
    message = ", or ".join([told, *(other.removeprefix("must be ") for other in others)])
    return f"{where}: {message}, got {first['input']!r}" if where else message
