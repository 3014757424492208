"""The verb that chooses settings for the methods of a suite."""
