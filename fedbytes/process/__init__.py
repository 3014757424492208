"""Process utilities: the cache folder, quiet libraries, optional packages, lazy imports."""
