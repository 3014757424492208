"""Attacks on texts at test time, one file each."""
