"""What a suite declares before its runs: its protocol, and settings that were tuned."""
