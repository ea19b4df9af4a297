"""Spacing of written values, rounding bounds, and arithmetic that carries its error."""
