"""The contract of codecs as plain functions, with its sample vectors."""
