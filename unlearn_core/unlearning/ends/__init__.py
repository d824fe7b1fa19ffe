"""The ends of the scale: nothing done, and everything, or all that is touched, done again."""
