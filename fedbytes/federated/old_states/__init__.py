"""States that earlier versions saved, which this one reads."""
