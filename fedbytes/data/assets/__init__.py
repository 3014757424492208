"""Named models and data sets: sources, checksums and cache."""
