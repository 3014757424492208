"""YAML read strictly: by YAML 1.2's core schema, with each key once."""

import re
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.resolver import Resolver

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_SCALARS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    "merge": r"<<",  # not of YAML 1.2, but of every reader that has anchors
}
"""The plain scalars of YAML 1.2's core schema (section 10.3.2), in the order of trial."""


def read_yaml(text: str) -> Any:
    """Read one document: mappings, lists, text, numbers, booleans and null.

    Numbers and booleans are those of YAML 1.2 (`1e-3` is a number). What YAML 1.1 read as another
    number or boolean, such as `010`, `1:30` or `yes`, is refused unless it is in quotes.

    Raises:
        ValueError: for text that is not YAML, a key that stands twice or is not text, a value that
            contains itself, or one that the two versions of YAML read differently; one line.
    """
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        _check_node(root, "", [], set())
        return loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{where}not YAML: {_one_line(error.problem or error)}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(_one_line(error)) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _one_line(error: object) -> str:
    return " ".join(str(error).split())


class _Loader(yaml.SafeLoader):
    """PyYAML's reader with the core schema's scalars instead of YAML 1.1's."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  (PyYAML's own way)

    def compose_scalar_node(self, anchor: Any) -> Any:
        """Refuse a plain scalar whose reading depends on YAML's version."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        node = super().compose_scalar_node(anchor)
        if event.tag is None and event.implicit[0]:
            _check_scalar(node)
        return node


for _name, _pattern in _SCALARS.items():
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(rf"(?:{_pattern})\Z"), None)


def _check_scalar(node: ScalarNode) -> None:
    """Refuse what YAML 1.1 reads as a number or boolean, and YAML 1.2 as another value."""
    text, is_int = node.value, node.tag == f"{_TAG}int"
    old = _read_as_yaml_1_1(text)
    new = int(text, 0 if text[1:2] in ("x", "o") else 10) if is_int else text
    if old is None:
        if not re.match(r"[-+]?0[0-9]+\Z", text):  # 08 is text, since it is no octal number
            return
        first, remedy = "text", str(new)
    elif new == old or node.tag in (f"{_TAG}bool", f"{_TAG}float"):
        return
    else:
        first = str(old).lower() if isinstance(old, bool) else str(old)
        remedy = f"{new} or {first}" if is_int else first
    raise ValueError(
        f"line {node.start_mark.line + 1}: {text} is {first} in YAML 1.1 and "
        f"{new if is_int else 'text'} in YAML 1.2: write {remedy}, or '{text}' in quotes for text"
    )


_YAML_1_1 = Resolver()  # PyYAML's own


def _read_as_yaml_1_1(text: str) -> bool | int | float | None:
    """Return the number or boolean that YAML 1.1 reads in a plain scalar, or None."""
    tag = _YAML_1_1.resolve(ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    if tag.removeprefix(_TAG) not in ("bool", "int", "float"):
        return None
    try:
        value = SafeConstructor().construct_object(ScalarNode(tag, text))
    except ValueError:
        return None
    return value if isinstance(value, bool | int | float) else None


def _check_node(node: Node, path: str, above: list[Node], seen: set[int]) -> None:
    """Refuse keys that stand twice or are not text, and values that contain themselves.

    Args:
        node: what to look into.
        path: its dotted key, for errors.
        above: the nodes that contain it.
        seen: ids of what was looked into before, through another alias.
    """
    if any(node is other for other in above):
        raise ValueError(f"line {node.start_mark.line + 1}: {path} contains itself")
    if id(node) in seen or isinstance(node, ScalarNode):
        return
    within = [*above, node]
    if isinstance(node, SequenceNode):
        for i, item in enumerate(node.value):
            _check_node(item, f"{path}[{i}]", within, seen)
    elif isinstance(node, MappingNode):
        _check_keys(node, path)
        for key, value in node.value:
            _check_node(value, _join(path, key.value), within, seen)
    seen.add(id(node))


def _check_keys(node: MappingNode, path: str) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if key.tag not in (f"{_TAG}str", _MERGE):
            given = key.value if isinstance(key, ScalarNode) else f"a {key.id}"
            within = f" of {path}" if path else ""
            raise ValueError(f"line {line}: key {given}{within} is not text: put it in quotes")
        if key.value in lines:
            raise ValueError(
                f"{_join(path, key.value)} stands twice, on line {lines[key.value]} and on line "
                f"{line}: remove one of them"
            )
        lines[key.value] = line


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
