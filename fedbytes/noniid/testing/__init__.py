"""The contract of partitioners as plain functions."""
