"""What the audit of properties is made of."""
