"""Fields of a configuration that have rules of their own, and what is said where one is wrong."""
