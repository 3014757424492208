import os
from pathlib import Path

import numpy as np
import pytest

from fedbytes.data import EncodedTask, encode, make_split, make_text_data
from fedbytes.models.tiny import byte_tokenizer

USERS_HOME = os.environ.get("FEDBYTES_HOME")


@pytest.fixture
def users_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own cache folder, so that real assets are fetched once for all sessions."""
    if USERS_HOME is None:
        monkeypatch.delenv("FEDBYTES_HOME")
    else:
        monkeypatch.setenv("FEDBYTES_HOME", USERS_HOME)


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory):
    """A cache folder of these tests' own, unless a test asks for the user's."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDBYTES_HOME", str(folder))
        yield folder


def _split(count: int, seed: int):
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=count)
    starts = np.array(["red", "green", "blue"])[labels]
    texts = [f"{word} {'x' * rng.integers(1, 30)}" for word in starts]
    return make_split(texts, {"label": starts})


def _encode(kind: str) -> EncodedTask:
    data = make_text_data("colours", _split(40, 0), _split(17, 1))
    return encode(data, byte_tokenizer(), "bytes", kind, 24)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def colours(home: Path) -> EncodedTask:
    """Three classes, 40 train and 17 test examples of 5 to 24 tokens."""
    return _encode("classification")


@pytest.fixture(scope="session")
def colour_texts(home: Path) -> EncodedTask:
    """The same texts for language modelling."""
    return _encode("causal-lm")
