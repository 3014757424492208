"""Processes beside this one that keep something built and call functions on it."""
