"""Term functions, one file each: how a loss term is computed from its tensors."""
