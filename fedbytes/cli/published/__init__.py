"""Verbs around published rows: `fedbytes compare`, `merge`, `submit` and `verify`."""
