"""A full disk: one line, nothing left behind."""

import errno
from pathlib import Path

import pytest

from fedbytes.process.disk_errors import DiskError, disk_reason, replaced_file


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    for error in (OSError(errno.ENOSPC, "No space left on device"), KeyError("other")):
        expected = DiskError if isinstance(error, OSError) else KeyError
        with pytest.raises(expected), replaced_file(path, "free some") as part:  # noqa: PT012
            part.write_text("half of the n")
            raise error
        assert [p.name for p in tmp_path.iterdir()] == ["f"]
        assert path.read_text() == "old"
    with replaced_file(path, "") as part:
        part.write_text("new")
    assert path.read_text() == "new"


def test_the_line_names_file_reason_and_remedy(tmp_path: Path) -> None:
    missing = tmp_path / "sealed"
    with pytest.raises(DiskError) as caught, replaced_file(missing, "free some space"):
        raise OSError(errno.EDQUOT, "anything")
    assert str(caught.value) == f"cannot write {missing} (Disk quota exceeded): free some space"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EROFS, "x"), "Read-only file system"),
        (OSError("1000 requested and 12 written"), "No space left on device"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "No space left"),
        (OSError(errno.ENOENT, "x"), None),
        (ValueError("5 requested and 3 written"), None),
    ],
)
def test_reasons(error: Exception, reason: str | None) -> None:
    found = disk_reason(error)
    assert found is None if reason is None else reason in (found or "")


def test_errors_that_hide_the_systems_are_understood() -> None:
    hiding = RuntimeError("unexpected pos 704 vs 598")  # as torch raises while it handles another
    hiding.__context__ = OSError(errno.ENOSPC, "full")
    assert disk_reason(hiding) == "No space left on device"
