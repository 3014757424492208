"""Files of a run whose size would otherwise grow with its clients."""
