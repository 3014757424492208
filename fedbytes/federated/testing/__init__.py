"""The contract of algorithms, clients that know only their messages, and tiny models."""
