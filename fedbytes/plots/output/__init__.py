"""Figures, report and terminal tables, written."""
