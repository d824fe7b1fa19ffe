"""Algorithms that change weights by what they matter, with few or no gradient steps."""
