"""Statistics of arrays: paired tests, verdicts, censored bytes, components of variance, power."""
