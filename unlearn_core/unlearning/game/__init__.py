"""Algorithms that settle the quarrel between forgetting and keeping as a game."""
