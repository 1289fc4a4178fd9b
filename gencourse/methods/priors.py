"""Chapter 4: laws that codes are matched to. Drawing from them is all that an adversarial autoencoder needs."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.errors import need_generator, need_kind, need_labels, need_number, need_size

__all__ = ["CategoricalPrior", "GaussianPrior", "MixturePrior", "Prior", "SwissRollPrior"]


class Prior(ABC):
    """A law of codes that can be drawn from.

    Attributes:
        size: numbers in a code.
        classes: parts that the law is made of, one for each label; 0 if it has none.
    """

    size: int
    classes: int = 0

    def draw(
        self,
        n: int,
        y: Tensor | None = None,
        generator: torch.Generator | None = None,
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """Draw n codes.

        Args:
            n: how many.
            y: part to draw each code from, int64 (n,); −1 means any part. Without it, every code may come from
                any part.
            generator: torch's own when not given.
            device: where the codes should be.

        Returns:
            Codes, shape (n, size).

        Raises:
            ValueError: y is given but the law has no parts, y has another length, or a label is out of range.
        """
        need_size("n", n)
        need_generator("generator", generator)
        need_kind("device", device, (str, torch.device), "the name of a device")
        where = torch.device(device) if generator is None else generator.device
        part = None
        if self.classes:
            part = torch.randint(self.classes, (n,), generator=generator, device=where)
        if y is not None:
            self._check(n, y)
            y = y.to(where)
            part = torch.where(y < 0, part, y) if part is not None else None
        return self._draw(n, part, generator, where).to(device)

    @abstractmethod
    def _draw(
        self, n: int, part: Tensor | None, generator: torch.Generator | None, device: torch.device
    ) -> Tensor:
        """Codes (n, size), each from its part (n,)."""

    def _check(self, n: int, y: Tensor) -> None:
        if not self.classes:
            raise ValueError(
                f"y is given, but {type(self).__name__} is the same for all labels: leave y out, or take "
                "MixturePrior or SwissRollPrior."
            )
        need_labels("y", y, n, self.classes, least=-1)


@dataclass(frozen=True)
class GaussianPrior(Prior):
    """N(0, std²I): the same in all directions, so its axes mean nothing, eq. (4.14).

    Args:
        size: numbers in a code.
        std: standard deviation of each.

    Raises:
        ValueError: an argument is not positive.
    """

    size: int = 8
    std: float = 1.0

    def __post_init__(self) -> None:
        need_size("size", self.size)
        need_number("std", self.std, above=0)

    def _draw(
        self, n: int, part: Tensor | None, generator: torch.Generator | None, device: torch.device
    ) -> Tensor:
        return self.std * torch.randn(n, self.size, generator=generator, device=device)


@dataclass(frozen=True)
class MixturePrior(Prior):
    """Gaussians in the plane, arranged like petals: each is long away from the centre and narrow across.

    Args:
        classes: how many petals.
        distance: of a petal's middle from the centre.
        long: standard deviation along the petal.
        narrow: standard deviation across it.

    Raises:
        ValueError: an argument is not positive.
    """

    classes: int = 10
    distance: float = 2.0
    long: float = 0.5
    narrow: float = 0.15
    size = 2

    def __post_init__(self) -> None:
        need_size("classes", self.classes)
        for name in ("distance", "long", "narrow"):
            need_number(name, getattr(self, name), above=0)

    def _draw(
        self, n: int, part: Tensor | None, generator: torch.Generator | None, device: torch.device
    ) -> Tensor:
        assert part is not None
        noise = torch.randn(n, 2, generator=generator, device=device)
        along, across = self.distance + self.long * noise[:, 0], self.narrow * noise[:, 1]
        angle = 2 * math.pi * part / self.classes
        return torch.stack(
            [along * angle.cos() - across * angle.sin(), along * angle.sin() + across * angle.cos()], dim=1
        )


@dataclass(frozen=True)
class SwissRollPrior(Prior):
    """A spiral in the plane, r = size of the roll · √u at an angle that grows with r, plus a little noise.

    Its parts are pieces of equal probability from the inner end to the outer one. Its density has no simple
    formula, which does not matter here: it can be drawn from.

    Args:
        classes: how many pieces.
        turns: how often it winds round the centre.
        radius: distance of the outer end from the centre.
        noise: standard deviation of the noise in each direction.

    Raises:
        ValueError: an argument is not positive.
    """

    classes: int = 10
    turns: float = 2.0
    radius: float = 3.0
    noise: float = 0.08
    size = 2

    def __post_init__(self) -> None:
        need_size("classes", self.classes)
        for name in ("turns", "radius", "noise"):
            need_number(name, getattr(self, name), above=0)

    def _draw(
        self, n: int, part: Tensor | None, generator: torch.Generator | None, device: torch.device
    ) -> Tensor:
        assert part is not None
        u = (part + torch.rand(n, generator=generator, device=device)) / self.classes
        # the root spreads the points evenly along the spiral, whose outer turns are longer
        r = u.sqrt()
        angle = 2 * math.pi * self.turns * r
        points = self.radius * r[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
        return points + self.noise * torch.randn(n, 2, generator=generator, device=device)


@dataclass(frozen=True)
class CategoricalPrior(Prior):
    """One-hot vectors, all classes equally likely: Cat(1/K, …, 1/K).

    Args:
        classes: K, which is the size of a code, too.
        soften: with more than 0, each vector is mixed with random probabilities, their share drawn up to this.
            A softmax that meets exact one-hot vectors is flat there, and no gradient leads it away again.

    Raises:
        ValueError: there are fewer than two classes, or soften is not in [0, 1).
    """

    classes: int = 10
    soften: float = 0.0

    def __post_init__(self) -> None:
        need_size("classes", self.classes, 2)
        need_number("soften", self.soften, least=0, below=1)

    @property
    def size(self) -> int:  # type: ignore[override]  # a law of one-hot vectors cannot choose its size
        """Numbers in a code: one for each class."""
        return self.classes

    def _draw(
        self, n: int, part: Tensor | None, generator: torch.Generator | None, device: torch.device
    ) -> Tensor:
        assert part is not None
        one_hot = F.one_hot(part, self.classes).float()
        if not self.soften:
            return one_hot
        other = torch.rand(n, self.classes, generator=generator, device=device)
        share = self.soften * torch.rand(n, 1, generator=generator, device=device)
        return (1 - share) * one_hot + share * other / other.sum(1, keepdim=True)
