"""The survey of codecs as figures and tables."""
