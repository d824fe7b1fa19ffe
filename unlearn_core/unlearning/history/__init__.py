"""Algorithms that need to know how the original was trained."""
