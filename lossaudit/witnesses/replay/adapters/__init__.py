"""One file for each model whose training step can be run again."""
