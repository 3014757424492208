"""Verbs that say what a store shows: `fedbytes verdicts` and `power`."""
