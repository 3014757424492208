import pytest

from fedbytes.plots import sample_tables


@pytest.fixture(scope="session")
def tables():
    return sample_tables()
