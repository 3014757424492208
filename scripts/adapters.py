"""Write the tables of docs/adapters.md anew: run this after adding or changing an adapter."""

import re
from pathlib import Path

from adapter_tables import overview, refusals

PAGE = Path(__file__).parents[1] / "docs" / "adapters.md"


def page(text: str) -> str:
    """Return the page with its generated tables replaced."""
    for name, table in (("overview", overview()), ("refusals", refusals())):
        begin, end = f"<!-- generated: {name} -->", "<!-- end -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.S)
        assert pattern.search(text), f"{PAGE} has lost its mark {begin}"
        text = pattern.sub(lambda _, new=f"{begin}\n{table}\n{end}": new, text)
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
