"""What reports share: safe text, numbers in words, and sections that know no output format.

    Result -> Grid (agreement, weights, witness_grids) -> drawn by a report (terminal for rich)

Everything in a `Grid` is raw text: whoever draws it escapes it for the format.
"""
