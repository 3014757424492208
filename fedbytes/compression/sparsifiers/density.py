"""The number of coordinates that a density keeps."""


def count_for_density(density: float, numel: int) -> int:
    """Return density * numel rounded half to even, at least 1 unless numel is 0."""
    return min(numel, max(1, round(density * numel)))
