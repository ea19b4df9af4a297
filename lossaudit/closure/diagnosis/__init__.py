"""Why a log does not follow its formula: hypotheses, each put to all rows."""
