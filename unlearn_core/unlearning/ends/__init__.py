"""The two ends of the scale: nothing done, and everything done again."""
