"""Recomputed steps against the logged totals: rows, verdict, and what explains a mismatch."""
