"""Verbs around published rows: `fedbytes compare`, `submit` and `verify`."""
