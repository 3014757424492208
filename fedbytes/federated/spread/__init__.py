"""A round's clients spread over processes: each trains in one of several workers."""
