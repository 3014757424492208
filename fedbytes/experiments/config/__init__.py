"""A run's configuration, its suite, and the id that follows from both."""
