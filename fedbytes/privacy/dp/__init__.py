"""Differential privacy: what noise costs and promises. Accounting is by `dp-accounting`."""
