"""The words that every stage shares: tables of logged numbers, findings, verdicts, results."""
