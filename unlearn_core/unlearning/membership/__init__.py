"""Algorithms that train against an attack on membership."""
