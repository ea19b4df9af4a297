"""What a shell offers after a tab: the names that each option takes.

Every function gets what was typed of the word and returns the names that begin with it. Nothing is
imported before a shell asks, and nothing that is offered needs a file to be opened.
"""

from __future__ import annotations

from collections.abc import Iterable


def specs(incomplete: str) -> list[str]:
    """Presets; where none begins so, the shell offers files."""
    from lossaudit.spec.load import preset_names

    return _beginning(preset_names(), incomplete)


def readers(incomplete: str) -> list[str]:
    """Log formats that can be read."""
    from lossaudit.witnesses.log import readers as known

    return _beginning(known(), incomplete)


def formats(incomplete: str) -> list[str]:
    """Report formats."""
    return _beginning(_listed("lossaudit.reports"), incomplete)


def own_formats(incomplete: str) -> list[str]:
    """Formats of `verify` and `diff`."""
    return _beginning(("full", "json"), incomplete)


def checks(incomplete: str) -> list[str]:
    """Checks, for --select and --ignore."""
    return _beginning(_listed("lossaudit.checks"), incomplete)


def everything_explained(incomplete: str) -> list[str]:
    """What `explain` knows: checks, presets, readers and report formats."""
    names = {*_listed("lossaudit.checks"), *_listed("lossaudit.reports")}
    return sorted({*_beginning(names, incomplete), *specs(incomplete), *readers(incomplete)})


def adapters(incomplete: str) -> list[str]:
    """Models that can be run as they come with us."""
    from lossaudit.witnesses.replay.adapter import adapters as known

    return _beginning(known(), incomplete)


def dtypes(incomplete: str) -> list[str]:
    """In which a sum may have been formed."""
    from lossaudit.numerics.formats import FORMATS

    return _beginning(FORMATS, incomplete)


def severities(incomplete: str) -> list[str]:
    """For --fail-on, the gravest first."""
    return _beginning(("error", "warning", "note"), incomplete)


def devices(incomplete: str) -> list[str]:
    """For --device."""
    return _beginning(("auto", "cpu", "cuda"), incomplete)


def _listed(package: str) -> list[str]:
    from lossaudit.registry import listed

    return listed(package)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
