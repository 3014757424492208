"""Optimisers of clients and of the server, their state and their schedules."""
