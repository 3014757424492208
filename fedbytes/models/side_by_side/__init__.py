"""Several clients' trained tensors in one pass of a model, each with its share of the rows."""
