"""What a run is: its configuration, its suite, and the id that follows from both."""
