"""The warning about a configuration that is possible and seldom meant."""


class ConfigWarning(UserWarning):
    """A configuration is possible, and seldom what was meant."""
