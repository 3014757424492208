"""Sweeps past one machine: a plan in the store, workers that take runs from it, and a watcher."""
