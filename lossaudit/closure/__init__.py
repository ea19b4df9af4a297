"""Does the logged total close? Rows, rivals, decisions and certified weights, as a fold."""
