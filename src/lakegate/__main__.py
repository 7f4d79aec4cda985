"""``python -m lakegate``."""

from lakegate.cli.main import main

main()
