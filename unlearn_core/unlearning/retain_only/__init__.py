"""Algorithms that learn from the retain set only and let the rest fade."""
