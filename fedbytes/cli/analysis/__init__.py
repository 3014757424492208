"""Verbs that say what a store shows: `fedbytes verdicts`, `power` and `link`."""
