"""One base model over several processes."""
