"""The number of coordinates that a density keeps."""


def count_for_density(density: float, numel: int) -> int:
    """Return density * numel rounded half to even, at least 1 unless numel is 0."""
    return min(numel, max(1, round(density * numel)))


def check_density(name: str, density: float) -> None:
    """Raise a ValueError unless density is in (0, 1]."""
    if not 0 < density <= 1:
        raise ValueError(f"{name}: density must be in (0, 1], got {density}")
