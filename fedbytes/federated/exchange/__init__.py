"""What an aggregation sees of clients and server, and its part with each in a round."""
