"""The faults of tests/planted_faults.yaml, and the table of docs/planted-faults.md."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
FAULTS = ROOT / "tests" / "planted_faults.yaml"
PAGE = ROOT / "docs" / "planted-faults.md"
_BEGIN, _END = "<!-- generated: faults -->", "<!-- end -->"
_HEAD = ("| fault | file | what would follow | caught by |", "|---|---|---|---|")


@dataclass(frozen=True)
class Fault:
    """A change to one file that makes a wrong number or a lost byte.

    Attributes:
        name: short and unique, for the command line.
        file: the file that it is in, from the root of the tree.
        old: the text that it replaces, which occurs once in the file.
        new: the text that it puts there.
        consequence: what a user would see, or would not see.
        tests: the pytest arguments that are to catch it: files or node ids.
    """

    name: str
    file: str
    old: str
    new: str
    consequence: str
    tests: tuple[str, ...]

    def source(self, root: Path = ROOT) -> str:
        """Return the file's text before the fault."""
        return (root / self.file).read_text(encoding="utf-8")

    def planted(self, source: str) -> str:
        """Return the file's text with the fault.

        Raises:
            ValueError: if the old text does not occur exactly once.
        """
        found = source.count(self.old)
        if found != 1:
            raise ValueError(
                f"fault {self.name!r}: its old text occurs {found} times in {self.file}; write it "
                f"anew in {FAULTS.relative_to(ROOT)}, so that it occurs once"
            )
        return source.replace(self.old, self.new)


def read_faults(path: Path = FAULTS) -> list[Fault]:
    """Return the faults in the order of the file, which has a section for each package."""
    sections = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [
        Fault(**entry | {"tests": tuple(entry["tests"])})
        for entries in sections.values()
        for entry in entries
    ]


def rows(page: str) -> dict[str, str]:
    """Return the rows of the page's table by the fault's name."""
    lines = page.split(_BEGIN)[1].split(_END)[0].strip().splitlines()[len(_HEAD) :]
    return {line.split("|")[1].strip(): line for line in lines}


def row(fault: Fault, caught_by: str) -> str:
    """Return a fault's row of the table."""
    cells = (fault.name, f"`{fault.file.removeprefix('fedbytes/')}`", fault.consequence, caught_by)
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def with_rows(page: str, new: Iterable[str]) -> str:
    """Return the page with another table."""
    before, rest = page.split(_BEGIN)
    after = rest.split(_END)[1]
    table = "\n".join((*_HEAD, *new))
    return f"{before}{_BEGIN}\n{table}\n{_END}{after}"
