"""Where the round calls its plug-ins, and what they keep."""
