"""Image classifiers. Each normalises its own input and offers `embed()`, the features before its last layer.

Input: (N, C, H, W), uint8, or float in [0, 1]. Output: (N, K) float32 logits.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from unlearn_core.batch_norm import fits, normed
from unlearn_core.params import BadValue


class Classifier(nn.Module):
    """normalise -> trunk -> flatten -> head. `mean` and `std` are per channel, of pixels in [0, 1]."""

    def __init__(self, trunk: nn.Module, head: nn.Module, mean, std):
        super().__init__()
        self.trunk, self.head = trunk, head
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1))

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """(N, D) features that the head reads."""
        if x.dtype == torch.uint8:
            x = x.float() / 255
        return self.trunk((x - self.mean) / self.std).flatten(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(x))


class SideBySide(nn.Module):
    """The features of several trunks, one after the other."""

    def __init__(self, trunks: Iterable[nn.Module]):
        super().__init__()
        self.members = nn.ModuleList(trunks)

    def forward(self, x):
        return torch.cat([trunk(x).flatten(1) for trunk in self.members], 1)


class Vote(nn.Module):
    """Several heads, each on its own part of the features: the logarithm of the mean of their softmax."""

    def __init__(self, heads: Iterable[nn.Linear]):
        super().__init__()
        self.members = nn.ModuleList(heads)
        self.out_features = self.members[0].out_features

    def forward(self, features):
        parts = features.split([head.in_features for head in self.members], 1)
        said = [head(part).log_softmax(1) for head, part in zip(self.members, parts, strict=True)]
        return torch.stack(said).logsumexp(0) - math.log(len(said))


class Ensemble(Classifier):
    """Classifiers of one kind that vote: the mean of their probabilities, given as log-probabilities. Their embeddings
    stand side by side.
    """

    def __init__(self, members: Sequence[Classifier]):
        mean, std = (value.flatten().tolist() for value in (members[0].mean, members[0].std))
        super().__init__(SideBySide(m.trunk for m in members), Vote(m.head for m in members), mean, std)
        self.to(members[0].mean.device)


def voters(state: Iterable[str]) -> int:
    """How many classifiers an ensemble has, by the names of its weights; 0 for a model that is none."""
    return len({name.split(".")[2] for name in state if name.startswith("head.members.")})


@dataclass(frozen=True)
class Architecture:
    """A row of MODELS. `make(classes, shape, width)` returns (trunk, head); `shape` is (C, H, W); `smallest` is the
    least side of an image in pixels.
    """

    title: str
    make: Callable[[int, tuple[int, int, int], int], tuple[nn.Module, nn.Module]]
    width: int
    smallest: int


def mlp(classes: int, shape: tuple[int, int, int], width: int):
    inputs = shape[0] * shape[1] * shape[2]
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), nn.ReLU()), nn.Linear(width, classes)


def small_cnn(classes: int, shape: tuple[int, int, int], width: int):
    trunk = nn.Sequential(
        nn.Conv2d(shape[0], width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(2 * width * (shape[1] // 4) * (shape[2] // 4), 4 * width), nn.ReLU(),
    )  # fmt: skip
    return trunk, nn.Linear(4 * width, classes)


class Layers(nn.Sequential):
    """One layer after the other; in a step that `batch_norm` is made for, what follows a batch norm is done with it."""

    def forward(self, x, plus=None):
        """With `plus`, the ReLU of plus + what the layers make of x."""
        layers = deque(self)
        while layers:
            layer = layers.popleft()
            relu = bool(layers) and isinstance(layers[0], nn.ReLU)
            if fits(x, layer):
                if plus is not None and not layers:
                    return normed(x, layer, True, plus)
                x = normed(x, layer, relu)
            elif plus is not None and not layers and isinstance(layer, Layers):
                return layer(x, plus)
            elif relu and isinstance(layer, Residual) and x.dtype == torch.bfloat16:
                x = layer.inner(x, layer.shortcut(x))
            else:
                x, relu = layer(x), False
            if relu:
                layers.popleft()
        return x if plus is None else (plus + x).relu_()


class Residual(nn.Module):
    """shortcut(x) + f(x)."""

    def __init__(self, *inner: nn.Module, shortcut: nn.Module | None = None):
        super().__init__()
        self.inner = Layers(*inner)
        self.shortcut = shortcut or nn.Identity()

    def forward(self, x):
        return self.shortcut(x) + self.inner(x)


class GlobalMax(nn.Module):
    """The largest value of each channel."""

    def forward(self, x):
        return x.amax((2, 3))


class GlobalMean(nn.Module):
    """The mean of each channel."""

    def forward(self, x):
        return x.mean((2, 3))


def resnet9(classes: int, shape: tuple[int, int, int], width: int):
    """The nine-layer residual net of the fast CIFAR-10 trainers: `width` channels first, eight times that last."""

    def conv(a, b):
        return Layers(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True))

    w = width
    trunk = Layers(
        conv(shape[0], w),
        conv(w, 2 * w), nn.MaxPool2d(2), Residual(conv(2 * w, 2 * w), conv(2 * w, 2 * w)),
        conv(2 * w, 4 * w), nn.MaxPool2d(2),
        conv(4 * w, 8 * w), nn.MaxPool2d(2), Residual(conv(8 * w, 8 * w), conv(8 * w, 8 * w)),
        GlobalMax(),
    )  # fmt: skip
    return trunk, nn.Linear(8 * w, classes)


def resnet20(classes: int, shape: tuple[int, int, int], width: int):
    """The CIFAR residual net of twenty layers: three stages of three blocks, `width` channels first, four times that
    last. Where a stage begins, the shortcut is a 1x1 convolution.

    Source: He, Zhang, Ren, Sun (2016), "Deep Residual Learning for Image Recognition", arXiv:1512.03385, section 4.2.
    """

    def conv(a, b, side, stride=1):
        return [nn.Conv2d(a, b, side, stride, padding=side // 2, bias=False), nn.BatchNorm2d(b)]

    def block(a, b, stride):
        inner = Layers(*conv(a, b, 3, stride), nn.ReLU(inplace=True), *conv(b, b, 3))
        shortcut = nn.Identity() if a == b else Layers(*conv(a, b, 1, stride))
        return Layers(Residual(inner, shortcut=shortcut), nn.ReLU(inplace=True))

    w = width
    stages = [(w, w, 1), (w, 2 * w, 2), (2 * w, 4 * w, 2)]
    blocks = [block(a if i == 0 else b, b, stride if i == 0 else 1) for a, b, stride in stages for i in range(3)]
    trunk = Layers(*conv(shape[0], w, 3), nn.ReLU(inplace=True), *blocks, GlobalMean())
    return trunk, nn.Linear(4 * w, classes)


def _torchvision_resnet(name: str):
    def make(classes: int, shape: tuple[int, int, int], width: int):
        import torchvision  # seconds, for these nets only

        net = getattr(torchvision.models, name)(num_classes=classes, width_per_group=64)
        # The stem for 32x32 images: a 3x3 convolution of stride 1 and no pooling (rather than 7x7, stride 2, pooling).
        net.conv1 = nn.Conv2d(shape[0], 64, 3, padding=1, bias=False)
        net.maxpool = nn.Identity()
        head, net.fc = net.fc, nn.Identity()
        return net, head

    return make


def vgg16(classes: int, shape: tuple[int, int, int], width: int):
    """VGG-16 with BatchNorm for 32x32 images: the convolutions, an average over what is left, one linear layer."""
    import torchvision  # seconds, for this net only

    net = torchvision.models.vgg16_bn(num_classes=classes)
    if shape[0] != 3:
        net.features[0] = nn.Conv2d(shape[0], 64, 3, padding=1)
    return nn.Sequential(net.features, nn.AdaptiveAvgPool2d(1)), nn.Linear(512, classes)


MODELS: dict[str, Architecture] = {
    "mlp": Architecture("One hidden layer", mlp, 256, 1),
    "cnn": Architecture("Small CNN, for 8x8 to 28x28 images", small_cnn, 16, 8),
    "resnet9": Architecture("ResNet-9", resnet9, 64, 16),
    "resnet20": Architecture("ResNet-20", resnet20, 16, 8),
    "resnet18": Architecture("ResNet-18 (32x32 stem)", _torchvision_resnet("resnet18"), 64, 16),
    "resnet50": Architecture("ResNet-50 (32x32 stem)", _torchvision_resnet("resnet50"), 64, 16),
    "vgg16": Architecture("VGG-16-BN (32x32)", vgg16, 64, 32),
}
FIXED_WIDTH = ("resnet18", "resnet50", "vgg16")


def new_model(name: str, dataset, seed: int, width: int = 0) -> Classifier:
    """A freshly initialised model for a dataset. The same seed gives the same weights; torch's own seed is left alone.

    `width` 0 means the architecture's own. Raises BadValue where the images are too small for the architecture.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk, head = _parts(name, dataset, width)
    # A channel that never varies would divide by zero.
    return Classifier(trunk, head, dataset.mean, [max(s, 1e-3) for s in dataset.std])


def weights_of(name: str, dataset, width: int = 0) -> dict[str, torch.Tensor]:
    """The weights that such a model has for a dataset by name, with shapes and kinds of numbers but without values.
    Raises BadValue as `new_model` does.
    """
    channels = dataset.train.x.shape[1]
    with torch.random.fork_rng(devices=[]), torch.device("meta"):  # neither memory nor time for values
        return Classifier(*_parts(name, dataset, width), [0.0] * channels, [1.0] * channels).state_dict()


def _parts(name: str, dataset, width: int) -> tuple[nn.Module, nn.Module]:
    row, shape = MODELS[name], tuple(dataset.train.x.shape[1:])
    if min(shape[1:]) < row.smallest:
        raise BadValue(
            f"{row.title} needs images of at least {row.smallest}x{row.smallest}; these are {shape[1]}x{shape[2]}."
        )
    if width and name in FIXED_WIDTH and width != row.width:
        raise BadValue(f"The width of {row.title} is fixed at {row.width}.")
    return row.make(len(dataset.classes), shape, width or row.width)
