"""How different the clients of a partition are."""
