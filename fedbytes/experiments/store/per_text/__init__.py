"""What each run answered on each test text."""
