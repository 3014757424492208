"""Named models and data sets: where they come from, checked and cached."""
