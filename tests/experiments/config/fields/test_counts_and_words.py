"""Counts that may be a word, and what is said of a field that is wrong."""

from typing import Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from fedbytes.experiments.config.fields.counts import count_or_all, count_or_auto
from fedbytes.experiments.config.fields.error_words import one_line, plain
from fedbytes.experiments.config.fields.partition_config import PartitionConfig


@pytest.mark.parametrize(("given", "made"), [(1, 1), ("12", 12), (" 3 ", 3), ("auto", "auto")])
def test_a_count_or_auto(given, made):
    assert count_or_auto(given) == made


@pytest.mark.parametrize("given", [0, -1, True, 1.5, "0", "all", "", None])
def test_what_is_no_count_and_not_auto(given):
    with pytest.raises(ValueError, match="must be a whole number of at least 1, or auto"):
        count_or_auto(given)


def test_a_count_or_all():
    assert count_or_all("all", int) == "all"
    assert count_or_all("7", int) == 7
    with pytest.raises(ValueError, match="must be a whole number, or all"):
        count_or_all("auto", int)


def test_clients_are_known_unless_the_data_tell():
    assert PartitionConfig(num_clients="7").known_clients == 7
    assert PartitionConfig(num_clients=7).client_count == 7
    assert PartitionConfig(num_clients="all").known_clients is None
    assert PartitionConfig(num_clients="all").client_count == "all"
    with pytest.raises(ValidationError):
        PartitionConfig(num_clients=0)


class Section(BaseModel):
    count: int = Field(1, ge=1)
    either: bool | Literal["sent"] = False


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"count": 0}, "count: must be at least 1, got 0"),
        ({"count": "x"}, "count: must be a whole number, got 'x'"),
        ({"either": "no one"}, "either: must be true or false, or 'sent', got 'no one'"),
    ],
)
def test_a_mistake_is_one_line_with_field_and_value(fields, said):
    with pytest.raises(ValidationError) as caught:
        Section(**fields)
    assert one_line(caught.value) == said


def test_words_that_nobody_has_translated_stay():
    assert plain("Input should be a valid integer") == "must be a whole number"
    assert plain("Input should be a valid colour") == "must be a valid colour"
