"""The pages of the documentation, on the command line."""
