"""What the audit of canaries is made of."""
