"""The verbs as functions, for notebooks and scripts: `fedbytes.sweep`, `run`, `plot` and so on."""
