"""The warning about a configuration that is possible and seldom meant."""

from fedbytes.process.one_line_warning import OneLineWarning


class ConfigWarning(OneLineWarning):
    """A configuration is possible, and seldom what was meant."""
