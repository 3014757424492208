"""What a byte buys: federated language models, convergence measured against bytes communicated."""

__version__ = "0.1.0"
