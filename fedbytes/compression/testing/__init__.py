"""The contract of codecs as plain functions, and what it is checked with."""
