"""The first seed of each kind of model, so that no number is reported of one on which something was chosen.

Those that a study reports have the seeds 0, 1, ...; all others begin far above. The keys of stored results hold these
numbers: another number here is another model.
"""

TUNING = 100_000  # models on which learning rates, settings and plans are chosen
AGAIN = 200_000  # second retrained models, which say how far two retrained ones differ: their initial weights do too
SHADOWS = 300_000  # shadow models of an audit
LANDSCAPE = 300_000  # models of a landscape: the same seeds, for shadow models leave rows of their own out
LANDSCAPE_AGAIN = 350_000  # their second retrained models
UNTRAINED = 400_000  # models that never learn anything

# Models that belong to a training, with what was run on them, whatever they were kept from: those of TUNING, and from
# SHADOWS to the second retrained models of a landscape.
OF_THE_TRAINING = range(TUNING, AGAIN), range(SHADOWS, UNTRAINED)
