"""`python -m fedbytes.cli` is the command line."""

from fedbytes.cli.app import main

main()
