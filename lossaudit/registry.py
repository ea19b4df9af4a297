"""Plugins are files: a folder listing is the list of features.

A plugin folder holds one module per feature, and each module ends in exactly one plugin: a frozen
dataclass of plain functions. Nothing is registered, decorated or configured.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import Any


def listed(package: str) -> list[str]:
    """Names of a folder's plugins by their files, sorted, without importing any."""
    folder = importlib.import_module(package)
    return sorted(info.name.replace("_", "-") for info in pkgutil.iter_modules(folder.__path__))


def find(package: str, name: str, kind: type[Any]) -> Any:
    """The plugin of a folder whose files are called as their plugins; the others stay unread."""
    return only_plugin(importlib.import_module(f"{package}.{name.replace('-', '_')}"), kind)


@cache
def load(package: str, kind: type[Any]) -> dict[str, Any]:
    """Import every module of a plugin folder and collect its plugin.

    Args:
        package: dotted name of the folder, for example "lossaudit.witnesses.logs".
        kind: the plugin's dataclass; it must have a `name`.

    Returns:
        {name: plugin}, sorted by name.

    Raises:
        TypeError: if a module holds no plugin of that kind, or more than one, or if two modules
            give the same name. These are our bugs, not the user's.
    """
    folder = importlib.import_module(package)
    plugins: dict[str, Any] = {}
    for info in sorted(pkgutil.iter_modules(folder.__path__), key=lambda i: i.name):
        plugin = only_plugin(importlib.import_module(f"{package}.{info.name}"), kind)
        if plugin.name in plugins:
            raise TypeError(f"{package}: two plugins are called {plugin.name!r}")
        plugins[plugin.name] = plugin
    return dict(sorted(plugins.items()))


def only_plugin(module: ModuleType, kind: type[Any]) -> Any:
    """The one plugin that a module defines; `TypeError` if there is none or more than one."""
    found = [v for v in vars(module).values() if isinstance(v, kind)]
    if len(found) != 1:
        raise TypeError(f"{module.__name__}: {len(found)} plugins of type {kind.__name__}, not 1")
    return found[0]
