"""Texts as points without a model: hashed TF-IDF, then truncated SVD."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedbytes.arrays import Doubles
from fedbytes.noniid.features.unigrams import hashed_words
from fedbytes.process.optional_imports import import_extra
from fedbytes.streams import stream

_OVERSAMPLING, _POWER_STEPS = 10, 4


def tfidf_svd(texts: Sequence[Any] | NDArray[Any], dim: int = 64) -> Doubles:
    """Return each text as a point of length one, float64 [texts, dim].

    Words are hashed, weighted by 1 + log(count) and smoothed inverse document frequency, and
    projected on the leading singular vectors (latent semantic analysis) by a randomised range
    finder from a fixed stream (Halko et al. 2011, arXiv:0909.4061). Words of a single text say
    nothing about its neighbours and are left out; a text without any other word is the origin.

    The result is the same each time on one machine. Others may round differently in the last
    digits, since the order of sums in matrix products is the linear algebra library's.

    Raises:
        ValueError: if there is no text, or `dim` is below 1.
    """
    if dim < 1:
        raise ValueError(f"dim must be at least 1, got {dim}")
    if len(texts) == 0:
        raise ValueError("there is no text to embed")
    weighted = _tfidf(texts)
    points = weighted @ _leading(weighted, dim) if weighted.shape[1] else np.zeros((len(texts), 1))
    padded = np.zeros((len(texts), dim))
    padded[:, : points.shape[1]] = points[:, :dim]
    return _unit(padded)


def _tfidf(texts: Sequence[Any] | NDArray[Any]) -> Any:
    """Return a sparse matrix [texts, words], rows of length one."""
    csr_matrix = import_extra("scipy.sparse", "TF-IDF of partition 'clusters'").csr_matrix
    words, offsets = hashed_words(texts)
    rows = np.repeat(np.arange(len(texts)), np.diff(offsets))
    known, codes = np.unique(words, return_inverse=True)
    shape = (len(texts), known.size)
    counts = csr_matrix((np.ones(words.size), (rows, codes)), shape=shape)
    counts.sum_duplicates()
    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    weighted = counts[:, frequency > 1].tocsr()
    inverse = np.log((1 + len(texts)) / (1 + frequency[frequency > 1])) + 1.0
    weighted.data = (1.0 + np.log(weighted.data)) * inverse[weighted.indices]
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    weighted.data /= np.repeat(lengths, np.diff(weighted.indptr))
    return weighted


def _leading(matrix: Any, dim: int) -> Doubles:
    """Return the leading right singular vectors of a sparse matrix, [columns, at most dim]."""
    width = min(dim + _OVERSAMPLING, *matrix.shape)
    start = stream(0, "truncated svd").standard_normal((matrix.shape[1], width))
    basis, _ = np.linalg.qr(matrix @ start)
    for _ in range(_POWER_STEPS):
        back, _ = np.linalg.qr(matrix.T @ basis)
        basis, _ = np.linalg.qr(matrix @ back)
    _, _, right = np.linalg.svd((matrix.T @ basis).T, full_matrices=False)
    leading: Doubles = right[:dim].T
    return leading


def _unit(points: Doubles) -> Doubles:
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    unit: Doubles = points / np.where(lengths > 1e-9, lengths, np.inf)
    return unit
