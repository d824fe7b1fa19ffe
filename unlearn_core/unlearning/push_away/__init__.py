"""Algorithms that go up the loss of the forget set."""
