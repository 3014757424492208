"""How many updates each client has been sent: one number a client, and which have changed."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from fedbytes.arrays import Int32s


class SentVersions:
    """The version that each client holds as the server knows it; -1 for one never reached.

    Four bytes a client. It knows which have changed since the last checkpoint, so that this
    writes those alone.

    Args:
        versions: of each client.

    Example:
        >>> sent = SentVersions([-1, -1, -1])
        >>> sent[1] = 4
        >>> list(sent), sent.changes()
        ([-1, 4, -1], ([1], [4]))
        >>> sent.settle()
        >>> sent.changes()
        ([], [])
    """

    def __init__(self, versions: Iterable[int]) -> None:
        given = versions if isinstance(versions, np.ndarray) else list(versions)
        self._versions: Int32s = np.array(given, dtype=np.int32)
        self._changed = set(np.flatnonzero(self._versions >= 0).tolist())

    @classmethod
    def of_nobody(cls, clients: int) -> "SentVersions":
        """Return those of so many clients before any was reached."""
        return cls(np.full(clients, -1, dtype=np.int32))

    def __getitem__(self, client: int) -> int:
        return int(self._versions[client])

    def __setitem__(self, client: int, version: int) -> None:
        self._versions[client] = version
        self._changed.add(client)

    def __len__(self) -> int:
        return len(self._versions)

    def __iter__(self) -> Iterator[int]:
        return iter(self._versions.tolist())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SentVersions | list | tuple):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"SentVersions({len(self)} clients, {int((self._versions >= 0).sum())} reached)"

    def changes(self, everything: bool = False) -> tuple[list[int], list[int]]:
        """Return the clients whose version has changed since `settle`, and what it is.

        Args:
            everything: return all clients that were ever reached instead.
        """
        all_reached = np.flatnonzero(self._versions >= 0).tolist() if everything else []
        clients = all_reached or sorted(self._changed)
        return clients, self._versions[clients].tolist() if clients else []

    def settle(self) -> None:
        """Take in that a checkpoint has all changes."""
        self._changed = set()

    def restore(self, clients: Sequence[int], versions: Sequence[int]) -> None:
        """Take in what `changes` returned of a checkpoint."""
        if clients:
            self._versions[np.asarray(clients)] = versions
