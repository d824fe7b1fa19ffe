"""Algorithms that stand on a small set made from the retain set."""
