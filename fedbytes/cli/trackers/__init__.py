"""The verb that writes a store for trackers."""
