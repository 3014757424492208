"""What audits find in federations of tiny transformers."""

from typing import Any

import pytest
from leaky_federation import listen


@pytest.fixture(scope="session")
def found_by():
    """What an audit's rows of a tiny federation are, made once for each way."""
    known: dict[str, list[dict[str, Any]]] = {}

    def rows(**options: Any) -> list[dict[str, Any]]:
        key = repr(sorted(options.items()))
        if key not in known:
            known[key] = listen(**options)
        return known[key]

    return rows
