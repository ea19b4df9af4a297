"""The console script, and `python -m lossaudit`."""

import sys

INTERRUPTED = 130


def main() -> None:
    """Entry point: what takes long to load starts first, in a process of its own."""
    try:
        from lossaudit.witnesses.parquet_process import start_early

        start_early(sys.argv[1:])
        from lossaudit.cli.main import main

        main()
    except KeyboardInterrupt:  # before a command began, or while one ends
        print("interrupted", file=sys.stderr)  # noqa: T201 - nothing of ours is loaded yet
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
