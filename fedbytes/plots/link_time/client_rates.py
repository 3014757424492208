"""Links of single clients, from a table."""

import csv
from pathlib import Path

from fedbytes.plots.link_time.link import NetworkLink


def read_rates(path: Path) -> dict[int, NetworkLink]:
    """Return the links in a CSV file with columns client, up, down and optionally rtt, by client.

    Raises:
        ValueError: for a file or a line that is not so, naming it.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--rates {path}: {error}") from error
    rows = csv.DictReader(text.splitlines())
    names = set(rows.fieldnames or ())
    if not {"client", "up", "down"} <= names:
        raise ValueError(
            f"--rates {path} needs columns client, up and down (and rtt), has {', '.join(names)}"
        )
    found: dict[int, NetworkLink] = {}
    for row in rows:
        where = f"--rates {path}, line {rows.line_num}"
        try:
            client = int(row["client"])
            link = NetworkLink(
                f"client {client}", float(row["up"]), float(row["down"]), float(row.get("rtt") or 0)
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: {error}") from None
        if client in found:
            raise ValueError(f"{where}: client {client} stands twice")
        found[client] = link
    return found
