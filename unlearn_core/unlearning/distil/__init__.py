"""Algorithms in which the model learns from what other models say."""
