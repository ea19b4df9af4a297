"""What all tests share: `--update-golden` and the `golden` fixture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("lossaudit", deadline=None)  # a busy machine is no failure
settings.load_profile("lossaudit")

FIXTURES = Path(__file__).parent.parent / "fixtures"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite expected output; then read the diff"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str | Path, str], None]:
    """`golden(path, text)`: text equals the file's bytes; a relative path is under fixtures/."""
    update = request.config.getoption("--update-golden")

    def compare(path: str | Path, text: str) -> None:
        file = FIXTURES / path
        if update:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode())
        assert file.exists(), f"{file} is missing: run pytest --update-golden and read the diff"
        assert text == file.read_bytes().decode()

    return compare
