"""Parts of adapters."""
