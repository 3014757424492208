"""Defences, one file each; `cleaners` holds those that drop examples."""
