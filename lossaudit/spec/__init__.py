"""Specs: strict YAML to `Spec`; formula text to a tree, and the tree to values with bounds."""
