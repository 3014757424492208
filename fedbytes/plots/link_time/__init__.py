"""How long a store's runs would have taken over a link."""
