"""The tables of a store, sorted for comparison and summarised."""
