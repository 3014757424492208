from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture
def suite_file(settings: dict[str, Any], tmp_path: Path) -> Path:
    """A suite of four tiny runs: two codecs, two seeds."""
    codecs = [{"name": "fp32"}, {"name": "topk", "density": 0.1, "error_feedback": True}]
    content = {
        "name": "tiny",
        "base": settings,
        "grid": {"codec": codecs, "seed": [0, 1]},
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
