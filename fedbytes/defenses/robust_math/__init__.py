"""What robust rules share: blocks of columns, distances, sorted columns, equal votes."""
