"""Algorithms that reckon what training without, or with corrected, images would have changed."""
