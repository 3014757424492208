"""The submissions under results/: they hold, and their page is theirs."""

import pytest
import submissions


def test_the_page_is_that_of_the_submissions() -> None:
    page = (submissions.RESULTS / "README.md").read_text(encoding="utf-8")
    assert page == submissions.page(submissions.submissions())


@pytest.mark.slow
@pytest.mark.parametrize("one", submissions.submissions(), ids=lambda one: one.card["name"])
def test_one_run_made_again_is_the_same(one: submissions.Submission) -> None:
    assert submissions.make_again(one).verdict in ("equal", "within tolerance")
