"""`python -m fedbytes.cli` is the command line."""

from fedbytes.__main__ import start

start()
