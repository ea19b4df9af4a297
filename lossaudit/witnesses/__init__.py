"""Witnesses: each one states facts about a run from a source of its own."""
