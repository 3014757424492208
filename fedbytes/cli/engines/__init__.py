"""Verbs of sweeps past one machine: plan, work, and the status of a store that others write to."""
