"""Fuzz one log reader: python tests/fuzz/readers.py READER [--seconds N] [--save]. See README.md.

Not part of the tests: atheris is installed by hand. What it finds is kept in `corpus/READER` and
replayed by `test_corpus.py`.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
LONGEST, MOST = 4096, 60
"""Bytes of a corpus file, and files of a reader."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--save", action="store_true", help="minimise, and keep what is new")
    arguments = parser.parse_args()
    corpus = HERE / "corpus" / arguments.reader
    with tempfile.TemporaryDirectory() as found:
        flags = [f"-max_total_time={arguments.seconds}", f"-max_len={LONGEST}", "-timeout=20"]
        flags += ["-rss_limit_mb=4096", "-print_final_stats=1"]
        if (HERE / "dictionaries" / arguments.reader).exists():
            flags.append(f"-dict={HERE / 'dictionaries' / arguments.reader}")
        code = run(arguments.reader, found, str(corpus), *flags, f"-artifact_prefix={Path.cwd()}/")
        if arguments.save and code == 0:
            save(arguments.reader, corpus, Path(found))
    sys.exit(code)


def save(reader: str, corpus: Path, found: Path) -> None:
    """Keep the fewest files that reach all that was reached, the smallest first."""
    with tempfile.TemporaryDirectory() as merged:
        run(reader, "-merge=1", f"-max_len={LONGEST}", merged, str(corpus), str(found))
        files = sorted(Path(merged).iterdir(), key=lambda file: (file.stat().st_size, file.name))
        kept = {file.read_bytes() for file in files[:: max(1, -(-len(files) // MOST))]}
    for old in corpus.glob("found-*"):
        old.unlink()
    present = {file.read_bytes() for file in corpus.iterdir()}
    for content in sorted(kept - present)[: MOST - len(present)]:
        (corpus / f"found-{hashlib.sha256(content).hexdigest()[:12]}").write_bytes(content)


def run(reader: str, *flags: str) -> int:
    """The fuzzer in a process of its own, for it never returns."""
    return subprocess.call([sys.executable, __file__, "--child", reader, *flags])


def child(reader: str, *flags: str) -> None:
    import atheris

    with atheris.instrument_imports(include=["lossaudit"]):
        import oracle

        from lossaudit.witnesses.log import readers

        readers()  # so that every reader is instrumented

    def holds(content: bytes) -> None:
        size = oracle.SIZES[len(content) % len(oracle.SIZES)]  # one for each, so that more are run
        oracle.examine(reader, content, [size])

    atheris.Setup([sys.argv[0], *flags], holds)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    main()
