"""Seeds of the corpus, the starts of fixtures: python tests/fuzz/make_seeds.py."""

from __future__ import annotations

from pathlib import Path

from readers import HERE, LONGEST

FIXTURES = HERE.parents[1] / "fixtures"
FOLDERS = {
    "tensorboard": "tensorboard_events",
    "json-lines": "json_lines",
    "json": "json_document",
    "csv": "csv_table",
    "parquet": "parquet_table",
    "text": "text_lines",
    "boxed-table": "boxed_table",
}
MAIN = FIXTURES / "musetalk-tiny/runs/main"
RUN = {"json-lines": "log.jsonl", "text": "log.txt", "csv": "log.csv"}


def main() -> None:
    for reader, folder in FOLDERS.items():
        corpus = HERE / "corpus" / reader
        corpus.mkdir(parents=True, exist_ok=True)
        for case in sorted(p for p in (FIXTURES / "logs" / folder).iterdir() if p.is_dir()):
            for log in case.iterdir():
                if log.name != "truth.json":
                    keep(corpus, case.name, log.read_bytes())
    for reader, log in RUN.items():
        keep(HERE / "corpus" / reader, "musetalk-tiny", (MAIN / log).read_bytes())


def keep(corpus: Path, name: str, content: bytes) -> None:
    """The start of a log, cut at a line where there are lines; small Parquet files whole."""
    if corpus.name == "parquet":
        start = content if len(content) <= 4 * LONGEST else b""
    else:
        start = content[: LONGEST // 2]
        start = start[: start.rfind(b"\n") + 1] or start
    if start:
        (corpus / f"seed-{name}").write_bytes(start)


if __name__ == "__main__":
    main()
