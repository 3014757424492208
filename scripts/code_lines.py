"""Count lines of code in `fedbytes/`: no blank lines, comments or docstrings.

python scripts/code_lines.py [FOLDER] [--rooms]
"""

import ast
import io
import sys
import tokenize
from collections import Counter
from pathlib import Path

_SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def code_lines(source: str) -> int:
    """Return how many lines hold a token that is no comment, and no string that stands alone."""
    strings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            strings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    used: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _SILENT:
            used.update(range(token.start[0], token.end[0] + 1))
    return len(used - strings)


def main() -> None:
    """Print the sum, and with `--rooms` the lines of each folder."""
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    root = Path(words[0] if words else "fedbytes")
    rooms: Counter[str] = Counter()
    for path in sorted(root.rglob("*.py")):
        rooms[str(path.parent)] += code_lines(path.read_text(encoding="utf-8"))
    if "--rooms" in sys.argv:
        for room, count in sorted(rooms.items()):
            print(f"{count:6} {room}")
    print(f"{sum(rooms.values()):6} {root}")


if __name__ == "__main__":
    main()
