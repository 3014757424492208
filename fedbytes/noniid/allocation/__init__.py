"""From shares to owners: whole examples dealt to clients."""
