"""The contract of figures as plain functions, and tables to try a figure on."""
