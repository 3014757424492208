"""Heterogeneity of texts without labels: the words or tokens that clients use."""

import re
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedbytes.noniid.arrays import Ints
from fedbytes.noniid.contingency import Contingency
from fedbytes.noniid.measures.heterogeneity import jensen_shannon
from fedbytes.noniid.partition import Partition
from fedbytes.streams import stream

_WORD = re.compile(r"\w+")
_CHUNK = 1 << 22  # tokens counted at once


def hashed_words(texts: Iterable[Any], buckets: int = 1 << 18) -> tuple[Ints, Ints]:
    """Return the words of texts as hashes: the same on every platform and in every process.

    Args:
        texts: one text an example; other values are converted to text.
        buckets: hashes are 0 ... buckets - 1, from CRC-32 of the lower-case word.

    Returns:
        the words, int64 [all words], and offsets, int64 [examples + 1]: example i has the words
        `words[offsets[i]:offsets[i + 1]]`.

    Raises:
        ValueError: if there is no bucket.
    """
    if buckets < 1:
        raise ValueError(f"buckets must be at least 1, got {buckets}")
    words: list[int] = []
    ends = [0]
    known: dict[str, int] = {}
    for text in texts:
        for word in _WORD.findall(str(text).lower()):
            if word not in known:
                known[word] = zlib.crc32(word.encode()) % buckets
            words.append(known[word])
        ends.append(len(words))
    return np.array(words, dtype=np.int64), np.array(ends, dtype=np.int64)


def unigram_table(
    partition: Partition, tokens: NDArray[Any] | Sequence[int], offsets: NDArray[Any]
) -> Contingency:
    """Count how often each client uses each token, for every measure of a `Contingency`.

    Only what occurs is stored, and tokens are counted some millions at a time.

    Args:
        partition: who holds which text.
        tokens: ids at least 0, [all tokens]: from a tokenizer, or `hashed_words`.
        offsets: [examples + 1]; text i is `tokens[offsets[i]:offsets[i + 1]]`.

    Raises:
        ValueError: if there are not as many texts as were split, or the tokens do not fit.
    """
    ids, ends = np.asarray(tokens), np.asarray(offsets, dtype=np.int64)
    if ends.size != partition.num_examples + 1:
        raise ValueError(
            f"there are {ends.size - 1} texts, the partition splits {partition.num_examples}"
        )
    if ends[0] != 0 or int(ends[-1]) != ids.size or np.any(np.diff(ends) < 0):
        raise ValueError(f"offsets must rise from 0 to the {ids.size} tokens")
    if ids.size and int(ids.min()) < 0:
        raise ValueError(f"tokens must be at least 0, got {int(ids.min())}")
    size = int(ids.max()) + 1 if ids.size else 1
    keys, counts = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    for begin in range(0, ids.size, _CHUNK):
        end = min(begin + _CHUNK, ids.size)
        texts = np.searchsorted(ends, np.arange(begin, end), side="right") - 1
        owners = partition.owners[texts]
        held = owners >= 0
        found, times = np.unique(
            owners[held] * size + ids[begin:end][held].astype(np.int64), return_counts=True
        )
        keys, counts = _merged(keys, counts, found, times)
    clients, categories = np.divmod(keys, size)
    return Contingency(clients, categories, counts, partition.num_clients, size)


def unigram_measures(
    partition: Partition,
    tokens: NDArray[Any] | Sequence[int],
    offsets: NDArray[Any],
    seed: int = 0,
) -> dict[str, float]:
    """Return how far clients' words differ, and how far they would if texts were dealt at random.

    A client's words never have the exact mix of all, since most words are rare. So the divergence
    of an IID split of the same sizes is reported too; the excess over it is heterogeneity.
    Arguments are those of `unigram_table`; `seed` deals the texts.

    Returns:
        `unigram_js`, the size-weighted Jensen-Shannon divergence of the clients' unigram
        distributions in bits, and `unigram_js_iid`, the same after the texts are shuffled.
    """
    order = stream(seed, "unigram iid").permutation(partition.num_examples)
    shuffled = Partition.from_owners(partition.owners[order], partition.num_clients)
    return {
        "unigram_js": jensen_shannon(unigram_table(partition, tokens, offsets)),
        "unigram_js_iid": jensen_shannon(unigram_table(shuffled, tokens, offsets)),
    }


def _merged(keys: Ints, counts: Ints, found: Ints, times: Ints) -> tuple[Ints, Ints]:
    if not keys.size:
        return found, times.astype(np.int64)
    joined, index = np.unique(np.concatenate([keys, found]), return_inverse=True)
    total = np.bincount(index, np.concatenate([counts, times]), joined.size)
    return joined, total.astype(np.int64)
