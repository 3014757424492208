"""Silence of leases between commands: one that looks once remembers what an earlier one saw."""

import hashlib
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from fedbytes.process.disk_errors import DiskError, replaced_file
from fedbytes.process.leases.holder import this_process
from fedbytes.process.leases.lease_files import LeaseRecord
from fedbytes.process.user_cache import home

_MOST = 10_000
_LONG_AGO = 30 * 86400.0  # seconds


class RememberedSilence:
    """Counts how long leases have not changed, from the first command on this host that looked.

    It is this host's own monotonic clock, which begins anew when the host does.
    """

    def __init__(self) -> None:
        here = this_process()
        self._boot = here.boot
        place = hashlib.sha256(f"{here.host} {here.boot}".encode()).hexdigest()[:12]
        self._path = home() / f"silence-{place}.json"  # hosts may share the folder
        self._before = self._read()
        self._now: dict[str, list[Any]] = {}

    def of(self, lease: LeaseRecord) -> float:
        """Return for how many seconds a lease is known not to have changed."""
        key, now = str(lease.path.resolve()), time.monotonic()
        seen = hashlib.sha256(lease.signature).hexdigest()
        before = self._now.get(key) or self._before.get(key)
        since = float(before[1]) if before and before[0] == seen else now
        self._now[key] = [seen, since]
        return now - since

    def save(self) -> None:
        """Remember what was seen; where that cannot be written, nothing is lost."""
        found = dict([*(self._before | self._now).items()][-_MOST:])
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replaced_file(self._path, "") as part:
                part.write_text(json.dumps({"boot": self._boot, "seen": found}), encoding="utf-8")
            self._forget_old()
        except (OSError, DiskError):
            return

    def _forget_old(self) -> None:
        """Remove what hosts have seen that have since been started anew."""
        for path in self._path.parent.glob("silence*.json"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < self._path.stat().st_mtime - _LONG_AGO:
                    path.unlink()

    def _read(self) -> dict[str, list[Any]]:
        try:
            found = json.loads(Path(self._path).read_text(encoding="utf-8"))
            same = bool(self._boot) and found["boot"] == self._boot
            return dict(found["seen"]) if same else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}
