"""Verbs about plug-ins: `fedbytes list` and `fedbytes new`."""
