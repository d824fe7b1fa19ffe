"""Experiments on a model itself: what is left inside that its outputs do not show.

    relearn.py       how soon it learns the forget images again
    linear_probe.py  what a new last layer reads from its features
    gradients.py     how long the gradients at single images are
    perturbed.py     forget images slightly changed, made with the original alone
    inversion.py     what the difference of the weights before and after gives away

Every probe copies the model first and leaves it untouched: weights, running statistics, mode and gradients. What comes
out are arrays for `evaluation` and `attacks`; a retrained model in the place of the unlearned one gives the target.
"""
