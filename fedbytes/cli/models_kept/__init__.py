"""`fedbytes export` and `predict`: what is done with the model that a run kept."""
