"""Groups of alike images, and one image in the place of each group."""

from __future__ import annotations

import numpy as np
import torch

AT_ONCE = 256  # images or groups at a time


def buckets(features: torch.Tensor, y: torch.Tensor, images: int, draws: torch.Generator) -> np.ndarray:
    """(k,) the bucket of each image by its features (k, D), `images` in each on average; those of each class y (k,)
    have their own.
    """
    from sklearn.cluster import KMeans  # a second, for this algorithm only

    features, y = features.cpu().numpy(), y.cpu().numpy()
    seed = int(torch.randint(2**31, (), generator=draws))
    bucket, count = np.zeros(len(y), np.int64), 0
    for label in np.unique(y):
        its = np.flatnonzero(y == label)
        k = -(-len(its) // images)
        bucket[its] = count + KMeans(k, n_init=1, random_state=seed).fit_predict(features[its])
        count += k
    return bucket


def condensed(model, x, features, member, count: int, steps: int) -> torch.Tensor:
    """(count, C, H, W) one image for each bucket, of the same kind as x (k, C, H, W); member (k,) is the bucket of
    each, and so many steps fit its weights.
    """
    made = [x[:0]]
    for start in range(0, count, AT_ONCE):
        here = min(AT_ONCE, count - start)
        some = (member >= start) & (member < start + here)
        made.append(_fitted(model, x[some], features[some], member[some] - start, here, steps))
    return torch.cat(made)


def _fitted(model, x, features, member, count, steps) -> torch.Tensor:
    pixels = x.float() / 255 if x.dtype == torch.uint8 else x
    size = member.bincount(minlength=count).to(features)
    target = features.new_zeros(count, features.shape[1]).index_add_(0, member, features) / size[:, None]
    weights = (1 / size)[member].requires_grad_()

    def images():
        parts = weights.view(-1, 1, 1, 1) * pixels
        return torch.zeros_like(pixels[:count]).index_add(0, member, parts).clamp(0, 1)

    adam = torch.optim.Adam([weights], lr=1e-3)
    for _ in range(steps):
        adam.zero_grad()
        # The sum over buckets: each has weights of its own, so together they go as each would go alone.
        ((model.embed(images()) - target) ** 2).sum().backward()
        adam.step()
    made = images().detach()
    return (255 * made).round().to(torch.uint8) if x.dtype == torch.uint8 else made
