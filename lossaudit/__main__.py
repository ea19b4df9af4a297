"""The console script, and `python -m lossaudit`."""

import sys

from lossaudit.witnesses.parquet_process import start_early


def main() -> None:
    """Entry point: what takes long to load starts first, in a process of its own."""
    start_early(sys.argv[1:])
    from lossaudit.cli.main import main

    main()


if __name__ == "__main__":
    main()
