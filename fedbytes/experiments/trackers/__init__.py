"""A store's curves in the trackers that people have: exports, which a run never waits for."""
