"""``python -m tosser``: the command line."""

from tosser.cli import main

main()
