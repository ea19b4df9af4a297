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
    parser.add_argument(
        "--save", action="store_true", help="keep some of what was found in the corpus"
    )
    arguments = parser.parse_args()
    corpus = HERE / "corpus" / arguments.reader
    with tempfile.TemporaryDirectory() as found:
        flags = [f"-max_total_time={arguments.seconds}", f"-max_len={LONGEST}", "-timeout=20"]
        flags += ["-rss_limit_mb=4096", "-print_final_stats=1"]
        if (HERE / "dictionaries" / arguments.reader).exists():
            flags.append(f"-dict={HERE / 'dictionaries' / arguments.reader}")
        code = run(arguments.reader, found, str(corpus), *flags, f"-artifact_prefix={Path.cwd()}/")
        if arguments.save and code == 0:
            save(corpus, Path(found))
    sys.exit(code)


def save(corpus: Path, found: Path) -> None:
    """Keep some of what was found, the small and the large; the fuzzer has reduced each."""
    for old in corpus.glob("found-*"):
        old.unlink()
    room = MOST - len(list(corpus.iterdir()))
    files = sorted(found.iterdir(), key=lambda file: (file.stat().st_size, file.name))
    for file in files[:: max(1, -(-len(files) // room))]:
        content = file.read_bytes()
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
