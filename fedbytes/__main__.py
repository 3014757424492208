"""`python -m fedbytes` is the command line."""

from fedbytes.cli.app import main

main()
