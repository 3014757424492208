"""A mapping from clients to what is kept of them, of which memory holds what was used last."""

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Generic, TypeVar

from fedbytes.federated.client_memory.memory_room import MemoryRoom
from fedbytes.federated.client_memory.records import bytes_in_memory, pack_record, unpack_record
from fedbytes.federated.client_memory.segments import Place

V = TypeVar("V")


def as_it_is(value: Any) -> Any:
    """Return the value: what is plain already."""
    return value


class KeptByClient(MutableMapping[int, V], Generic[V]):
    """What is kept of each client, by its number; ordered as it was first put in.

    What `[]` returns may be changed in place until that of another client is asked for: from then
    on it may be on disk. `peek` returns it to be looked at. Both give the same bits wherever it
    was.

    Args:
        kind: what the values are called in files, such as `clients`.
        held: the first values.
        as_plain: makes tensors and plain values of one.
        from_plain: makes one of these.
    """

    def __init__(
        self,
        kind: str,
        held: Mapping[int, V] | None = None,
        as_plain: Callable[[V], Any] = as_it_is,
        from_plain: Callable[[Any], V] = as_it_is,
    ) -> None:
        self.kind, self._as_plain, self._from_plain = kind, as_plain, from_plain
        self.bytes_held = 0
        self.room: MemoryRoom | None = None
        self._known: dict[int, None] = {}
        self._held: OrderedDict[int, V] = OrderedDict()
        self._sizes: dict[int, int] = {}
        self._places: dict[int, Place] = {}
        self._unsaved: dict[int, None] = {}
        self._newest: int | None = None
        for client, value in (held or {}).items():
            self[client] = value

    def __getitem__(self, client: int) -> V:
        if client != self._newest:
            self._held[client] = self._fetched(client)
            self._use(client)
        self._will_change(client)
        return self._held[client]

    def __setitem__(self, client: int, value: V) -> None:
        self._known[client] = None
        self._held[client] = value
        self._will_change(client)
        self._use(client)

    def __delitem__(self, client: int) -> None:
        del self._known[client]
        self.bytes_held -= self._sizes.pop(client, 0)
        self._leave_place(client)
        self._held.pop(client, None)
        self._unsaved.pop(client, None)
        self._newest = None if client == self._newest else self._newest

    def __iter__(self) -> Iterator[int]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, client: object) -> bool:
        return client in self._known

    def peek(self, client: int) -> V | None:
        """Return what is kept of a client, not to be changed; None if nothing is."""
        return self._fetched(client) if client in self._known else None

    def __deepcopy__(self, memo: dict[int, Any]) -> "KeptByClient[V]":
        """Return a copy that is all in memory."""
        held = {client: copy.deepcopy(self._fetched(client), memo) for client in self}
        return KeptByClient(self.kind, held, self._as_plain, self._from_plain)

    def plain(self) -> dict[int, Any]:
        """Return all values as tensors and plain values."""
        return {client: self._as_plain(self._fetched(client)) for client in self}

    def live_bytes(self) -> int:
        """Return how many bytes of files are in use."""
        return sum(place.length for place in self._places.values())

    def records(self, everything: bool) -> Iterator[tuple[str, int, bytes]]:
        """Yield kind, client and bytes of what has changed since the last checkpoint.

        Args:
            everything: yield all that is kept instead.
        """
        for client in list(self._known if everything else self._unsaved):
            yield self.kind, client, self._bytes_of(client)

    def saved(self, places: Mapping[int, Place]) -> None:
        """Take in that what `records` yielded lies there now."""
        for client, place in places.items():
            self._leave_place(client)
            self._places[client] = place
        self._unsaved.clear()
        self._newest = None  # what was handed out before is no longer the newest

    def restore(self, places: Mapping[int, Place]) -> None:
        """Take in what a checkpoint has, to be read when it is asked for."""
        self._known |= dict.fromkeys(places)
        self._places |= places

    def put_away(self, place: Callable[[str, bytes], Place]) -> bool:
        """Put what was used least recently on disk, never what was used last."""
        client = next(iter(self._held), None)
        if client is None or client == self._newest:
            return False
        if client not in self._places:
            self._places[client] = place(f"{self.kind}-{client}", self._bytes_of(client))
        del self._held[client]
        self.bytes_held -= self._sizes.pop(client)
        return True

    def _bytes_of(self, client: int) -> bytes:
        if client in self._held:
            return pack_record(self._as_plain(self._held[client]))
        return self._places[client].read()

    def _fetched(self, client: int) -> V:
        if client in self._held:
            return self._held[client]
        if client not in self._known:
            raise KeyError(client)
        return self._from_plain(unpack_record(self._places[client].read()))

    def _use(self, client: int) -> None:
        """Measure what was used before, which may have grown, and make room for this one."""
        before, self._newest = self._newest, client
        self._held.move_to_end(client)
        for one in {client if before is None else before, client} & self._held.keys():
            size = bytes_in_memory(self._as_plain(self._held[one]))
            self.bytes_held += size - self._sizes.get(one, 0)
            self._sizes[one] = size
        if self.room is not None:
            self.room.make_room()

    def _will_change(self, client: int) -> None:
        """Take in that no file has what is kept of a client any longer."""
        self._leave_place(client)
        self._unsaved[client] = None

    def _leave_place(self, client: int) -> None:
        place = self._places.pop(client, None)
        if place is not None and self.room is not None:
            self.room.release(place)
