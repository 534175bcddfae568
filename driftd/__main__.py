"""`python -m driftd`."""

from driftd.cli import main

main()
