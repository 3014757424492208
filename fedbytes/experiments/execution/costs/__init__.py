"""The trial of a run that its costs are estimated from."""
