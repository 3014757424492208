import os
from pathlib import Path

import pytest
from colour_task import encode_colours

from fedbytes.data import EncodedTask

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


@pytest.fixture(scope="session")
def colours(home: Path) -> EncodedTask:
    """Three classes, 40 train and 17 test examples of 5 to 24 tokens."""
    return encode_colours("classification")


@pytest.fixture(scope="session")
def colour_texts(home: Path) -> EncodedTask:
    """The same texts for language modelling."""
    return encode_colours("causal-lm")
