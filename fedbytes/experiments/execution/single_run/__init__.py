"""One run in progress, and what it writes into its folder."""
