"""What attacks, defences, cleaners and audits are: base classes and their registries."""
