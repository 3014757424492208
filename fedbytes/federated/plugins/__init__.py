"""Base classes and registries of attacks, defences, cleaners and audits."""
