"""What a process needs whatever it computes: its cache folder, silence, optional packages."""
