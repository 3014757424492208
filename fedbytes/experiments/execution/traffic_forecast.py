"""Forecast of a run's traffic: the real sending rules with estimated message lengths.

Who is sampled and what each client is sent follows from the configuration. A message is as long
as one of what a client has really sent in a trial, or of what the server makes of a round of such.
That is exact for codecs whose messages have one length. Where a length follows from the values, as
with entropy coding or `threshold`, later rounds differ from the trial: by up to four per cent where
deltas are dense, and by more, both ways, where what is encoded is mostly zeros at first (`fedbpt`
with a covariance) or becomes sparser with the loss (`ecolora`), or where the few coordinates of
clients coincide (an entropy-coded downlink behind sparse uplinks). What clients announce (`hetlora`
with `gamma`) is left out.
"""

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple

import torch
from torch import Tensor

from fedbytes.compression.codec import Codec, make_codec
from fedbytes.compression.error_feedback import SenderState
from fedbytes.compression.frame import HEADER_BYTES
from fedbytes.compression.layout import Layout, Shared
from fedbytes.compression.summable import as_summable
from fedbytes.federated.averaging import weighted_mean
from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.hooks import Upload
from fedbytes.federated.protocol.link import NO_MEMORY, Link, make_link
from fedbytes.federated.protocol.messages import METRICS_BYTES, SEED_BYTES, frame_texts
from fedbytes.federated.server.catch_up import cheapest_way, count_kept
from fedbytes.federated.stages.server_privacy import release
from fedbytes.federated.stages.trusted_rows import root_examples
from fedbytes.streams import stream

SLOW = 2.0
"""Seconds of a message's coding above which what it takes the first time is what it takes."""
MOST = 1 << 20
"""Values of a trial that are kept; longer vectors repeat them."""
FILLING = 4
"""Messages of a link with a memory, whose mean length is taken: the first ones fill it."""
_ORDERS, _MOST_TRIED = 16, 1 << 18
"""Orders of other values that a message is coded of, to see whether its length stays: at most so
many, and so many values in all."""
Frames = list[tuple[str, int]]
"""What a client is sent: a name for each frame, the same for the same frame, and its bytes."""


@dataclass(frozen=True)
class Evaluations:
    """The evaluations that clients send (`evaluate_clients=sent`).

    Attributes:
        rounds: after which they do.
        clients: who does.
        message_bytes: of each message.
    """

    rounds: Collection[int] = ()
    clients: Sequence[int] = ()
    message_bytes: int = 0


NO_EVALUATIONS = Evaluations()


@dataclass(frozen=True)
class Sample:
    """Values as they were once sent, from which vectors of any length are made."""

    values: Tensor

    @classmethod
    def of(cls, vector: Tensor) -> "Sample":
        """Keep a vector, or pieces from all over it where it is long."""
        if len(vector) <= MOST:
            return cls(vector.clone())
        pieces = vector[: len(vector) // 256 * 256].view(256, -1)[:, : MOST // 256]
        return cls(pieces.reshape(-1).clone())

    def vector(self, numel: int, shift: int = 0) -> Tensor:
        """Return `numel` of the values in their order, from the place `shift` on."""
        turned = torch.roll(self.values, -shift)
        return turned.repeat(-(-numel // len(turned)))[:numel] if len(turned) else turned


class Forecast(NamedTuple):
    """What crosses in a run, in bytes, and the seconds that coding it takes."""

    up_bytes: int
    down_bytes: int
    codec_seconds: float
    exact: bool = True
    """Whether the bytes are those of the run: no message's length follows from its values."""


class _Message(NamedTuple):
    """The length of a message, the seconds that coding it takes once warm, and if others differ."""

    size: int
    seconds: float
    varies: bool


@dataclass
class Lengths:
    """How long the messages of a federation are, and how long coding them takes.

    Args:
        fed: the federation.
        sent: of a client's delta.
    """

    fed: Federation
    sent: Sample
    codec_seconds: float = 0.0
    """Of all messages so far, of which a broadcast is coded once."""
    vary: bool = False
    """Whether messages of one kind so far have several lengths."""
    _known: dict[tuple[str, int], _Message] = field(default_factory=dict)
    _coded: set[tuple[str, int, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        fed, context = self.fed, _drawn(self.fed, 2)
        held = fed.algorithm.initial(fed.model, fed.seed)
        update = _update_of(fed, context, held, self.sent, fed.uplink.codec)
        self._update = Sample.of(update)
        self._states = [held]
        if fed.algorithm.downloads == "state":
            self._states.append(fed.algorithm.apply(context, held, update))

    def up(self, context: RoundContext) -> int:
        """Return the bytes of a client's delta."""
        layout = self.fed.algorithm.up(context)
        return self._length(
            "up", self.fed.uplink, layout, lambda: self.sent.vector(layout.numel), None
        )

    def down(self, context: RoundContext) -> int:
        """Return the bytes of the update that a round ends with."""
        layout = self.fed.algorithm.down(context)
        link = self.fed.downlink.for_model
        return self._length(
            "down", link, layout, lambda: self._update.vector(layout.numel), context.round
        )

    def state(self, context: RoundContext) -> int:
        """Return the bytes of what a client is sent that keeps nothing."""
        held = self._states[context.round > 1]
        algorithm = self.fed.algorithm
        kind = "state" if context.round > 1 else "first state"
        return self._length(
            kind,
            self.fed.downlink,
            algorithm.down(context),
            lambda: algorithm.download(context, held),
            context.round,
        )

    def exactly(self, layout: Layout) -> int:
        """Return the bytes of a vector in fp32."""
        return self._length(
            "exact", make_link("fp32"), layout, lambda: torch.zeros(layout.numel), None
        )

    def _length(
        self, kind: str, link: Link, layout: Layout, x: Callable[[], Tensor], broadcast: int | None
    ) -> int:
        """Return the bytes of a message, and count the seconds of coding it.

        Args:
            kind: with the layout, tells messages of different lengths apart.
            link: what codes it.
            layout: of its vector.
            x: returns the vector.
            broadcast: the round in which all receive the same message; None for one of its own.
        """
        key = (kind, layout.digest)
        if key not in self._known:
            self._known[key] = _code(link, layout, x())
            self.vary |= self._known[key].varies
        coded = (*key, broadcast or 0)
        if broadcast is None or coded not in self._coded:
            self._coded.add(coded)
            self.codec_seconds += self._known[key].seconds
        return self._known[key].size


def _code(link: Link, layout: Layout, x: Tensor) -> _Message:
    """Code a vector as often as the link's memory takes to fill; the last time is timed.

    Without a memory a second time, since compiling was part of the first. What other values come to
    tells whether the length follows from them; of slow messages it is not asked.
    """
    held: SenderState = {}
    counts, spent = [], 0.0
    times = 2 if link.memory == NO_MEMORY else FILLING
    for round_ in range(1, 1 + times):
        if link.memory == NO_MEMORY and spent > SLOW:
            break
        start, shared = perf_counter(), Shared(layout, round=round_)
        message = link.encode(x, held, shared)
        link.codec.decode(message.data, shared)
        spent = perf_counter() - start
        if link.memory != NO_MEMORY:
            held = message.state
        counts.append(len(message.data))
    kept = counts[:1] if link.memory == NO_MEMORY else counts
    size = round(sum(kept) / len(kept)) + HEADER_BYTES
    if spent > SLOW or len(set(counts)) > 1:
        return _Message(size, spent, True)
    shared = Shared(layout, round=1 + times)
    others = (len(link.encode(other, held, shared).data) for other in _others_like(x))
    return _Message(size, spent, any(length != counts[-1] for length in others))


def _others_like(x: Tensor) -> Iterator[Tensor]:
    """Yield values of the same range of which most are tiny, each time in another order.

    Several orders, since what a sparse message says of places may be equally long by chance.
    """
    size = x.abs()
    if not bool(size.any()):
        return
    tiny, rng = x * (size / size.max()) ** 7, stream(len(x), "forecast: values in other orders")
    yield torch.roll(tiny, len(x) // 3)
    for _ in range(min(_ORDERS, max(3, _MOST_TRIED // len(x)))):
        yield tiny[torch.from_numpy(rng.permutation(len(x))).to(x.device)]


def after_a_round(fed: Federation, sent: Sample) -> Tensor:
    """Return what is held after a first round of clients that send such values, losslessly."""
    context, held = _drawn(fed, 1), fed.algorithm.initial(fed.model, fed.seed)
    update = _update_of(fed, context, held, sent, make_codec("fp32"))
    return fed.algorithm.apply(context, held, update)


def _drawn(fed: Federation, round_: int) -> RoundContext:
    """Return the context of a round, or of the next one that clients were drawn for."""
    return next(found for r in itertools.count(round_) if (found := fed.context(r)).clients)


def _update_of(
    fed: Federation, context: RoundContext, held: Tensor, sent: Sample, codec: Codec
) -> Tensor:
    """Return the update of a round whose clients send the same values, each at other places."""
    uploads: list[Upload] = []
    for client in context.clients:
        shared = fed.shared_up(context.for_client(client), None)
        shift = int(stream(fed.seed, "estimate", client).integers(len(sent.values)))
        data = codec.encode(sent.vector(shared.layout.numel, shift if uploads else 0), shared)
        uploads.append(Upload(client, codec.decode(data, shared), len(fed.parts[client])))
    if fed.algorithm.takes_image:
        summable = as_summable(fed.uplink.codec)
        image = summable.project(weighted_mean(uploads).numpy(), shared)
        uploads = [Upload(-1, torch.from_numpy(image), 1)]
    if fed.plugins.releases_sum:
        uploads = release(fed, context, uploads, {})
    return fed.algorithm.combine(context, held, uploads, {})[0]


def foretell(
    fed: Federation, rounds: int, sent: Sample, evaluations: Evaluations = NO_EVALUATIONS
) -> Forecast:
    """Return the message bytes of a run, up and down, and the seconds of coding them.

    Args:
        fed: the federation; its model is left with another vector.
        rounds: how many it makes.
        sent: values as a client of it sends them.
        evaluations: what clients send of their own tests.
    """
    if fed.algorithm.travels != "vectors":
        return Forecast(_bytes_of_texts(fed), 0, 0.0)
    lengths, updates, synced = Lengths(fed, sent), [0], dict[int, int]()
    up = down = 0
    root = root_examples(fed)
    trusted = [] if root is None else [("root", len(root.payload) + HEADER_BYTES)]
    metrics = 0 if fed.plugins.hides_examples else METRICS_BYTES + HEADER_BYTES
    for round_ in range(1, rounds + 1):
        context, heard = fed.context(round_), set[str]()
        sums = fed.integer_sums(context)
        for client in context.clients:
            mine = context.for_client(client)
            whole = fed.aggregation.own_bytes(sums, fed.shared_up(mine, None))
            more_up, more_down = whole or fed.aggregation.extra_bytes
            up += more_up if whole else lengths.up(mine) + metrics + more_up
            sent_down = _sent_down(fed, lengths, mine, updates, synced.get(client, -1))
            first = trusted if client not in synced else []
            exchange = f"exchange {client}" if whole else "exchange"
            for name, count in [*first, *sent_down, (exchange, more_down)]:
                down += 0 if fed.broadcast == "multicast" and name in heard else count
                heard.add(name)
            synced[client] = round_ if fed.aggregation.clients_open else round_ - 1
        if fed.algorithm.downloads == "updates":
            updates.append(lengths.down(context))
        heard, after = set[str](), fed.context(round_ + 1)
        for client in evaluations.clients if round_ in evaluations.rounds else ():
            up += evaluations.message_bytes
            mine = after.for_client(client)
            first = trusted if client not in synced else []
            brought = _sent_down(fed, lengths, mine, updates, synced.get(client, -1))
            for name, count in [*first, *brought]:
                down += 0 if fed.broadcast == "multicast" and name in heard else count
                heard.add(name)
            synced[client] = round_
    exact = not lengths.vary and _follows_from_lengths(fed)
    return Forecast(up, down, lengths.codec_seconds, exact)


def _follows_from_lengths(fed: Federation) -> bool:
    """Return whether the lengths of messages are all that a run's bytes follow from.

    Ciphertexts are compressed, a multicast of survivors is taken to be of one client each, and who
    announces, vanishes or sends bytes of its own is not foreseen.
    """
    aggregation, algorithm = fed.aggregation, fed.algorithm
    survivors = aggregation.exchanges > 1 and fed.broadcast == "multicast"
    unseen = getattr(algorithm, "gamma", None) or getattr(aggregation, "dropout", 0)
    tampering = any("tamper" in attack.stages for attack in fed.plugins.attack)
    return not (aggregation.clients_open or survivors or unseen or tampering)


def _bytes_of_texts(fed: Federation) -> int:
    """Return the message bytes of all clients' texts, 0 where they stay."""
    if fed.algorithm.travels == "nothing" or fed.texts is None:
        return 0
    holders = fed.population.holders.tolist()
    frames = [frame_texts(fed.texts(client), fed.shared(1, client, None)) for client in holders]
    return sum(len(frame.payload) + HEADER_BYTES for frame in frames)


def _sent_down(
    fed: Federation, lengths: Lengths, context: RoundContext, updates: list[int], synced: int
) -> Frames:
    """Return what a client is sent in a round, by the rules of `server.catch_up`.

    Args:
        fed: the federation.
        lengths: of its messages.
        context: of the client.
        updates: the bytes of each round's update, from round 1 on.
        synced: how many updates the client has, -1 if it was never reached.
    """
    if fed.algorithm.downloads == "state":
        layout = fed.algorithm.down(context)
        return [(f"state {layout.digest}", lengths.state(context))]
    missed = [(f"update {r}", updates[r]) for r in range(max(synced, 0) + 1, context.round)]
    dropped = bool(missed) and len(missed) > count_kept(updates[1:], fed.layout.numel)
    return cheapest_way(
        synced,
        None if dropped else missed,
        seed=("seed", SEED_BYTES + HEADER_BYTES) if fed.initial == "seed" else None,
        whole=lambda: _whole(fed, lengths, context),
        cost=lambda frame: frame[1],
    )


def _whole(fed: Federation, lengths: Lengths, context: RoundContext) -> Frames:
    """Return the whole state, and the reference where a codec of either link needs it."""
    whole = [("whole", lengths.exactly(fed.layout))]
    codecs = fed.uplink.codec, fed.downlink.codec
    if context.round > 1 and any(codec.uses_reference for codec in codecs):
        last = fed.algorithm.down(fed.context(context.round - 1))
        whole.append(("reference", lengths.exactly(last)))
    return whole
