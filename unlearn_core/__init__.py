"""Machine unlearning of image classifiers: why it is hard, what to do about it, and whether it worked.

The modules stand in the order of the data's way; each imports only from those before it. ARCHITECTURE.md draws it.
"""

__version__ = "0.1.0"
