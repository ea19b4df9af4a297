"""`python -m lossaudit`."""

from lossaudit.cli.main import main

main()
