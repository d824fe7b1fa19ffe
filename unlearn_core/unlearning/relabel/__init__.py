"""Algorithms that teach other labels for the forget set."""
