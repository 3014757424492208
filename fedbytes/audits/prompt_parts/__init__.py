"""What the audit of prompts is made of."""
