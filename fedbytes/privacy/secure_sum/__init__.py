"""Parts of secure aggregation: keys, masks, secret sharing, who masks with whom."""
