"""Small methods and data on which a run takes milliseconds."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gencourse.data import ImageDataset
from gencourse.training import Method, Mover, seeded


class Toy(Method):
    """Two players, dropout, batch norm and noise: everything that a resumed run has to restore."""

    def __init__(self, seed: int = 0, width: int = 6) -> None:
        super().__init__()
        self.shape = (1, 3, 3)
        with seeded(seed):
            self.encoder = nn.Sequential(
                nn.Flatten(), nn.Linear(9, width), nn.BatchNorm1d(width), nn.Dropout(0.3)
            )
            self.decoder = nn.Sequential(nn.Linear(width, 9), nn.Unflatten(1, self.shape))
        self.before_step: Callable[[], None] = lambda: None

    def players(self):
        return {"encoder": self.encoder.parameters(), "decoder": self.decoder.parameters()}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, float]:
        self.before_step()
        return {name: update(name, self.loss(x + 0.1 * torch.randn_like(x), x)) for name in self.players()}

    def loss(self, given: Tensor, x: Tensor) -> Tensor:
        return (self.decoder(self.encoder(given)) - x).square().sum() / len(x)


@pytest.fixture
def make_toy() -> type[Toy]:
    return Toy


@pytest.fixture
def toy_data() -> ImageDataset:
    """37 pictures: the last of the mini-batches of 8 has 5."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (37, 1, 3, 3), dtype=torch.uint8, generator=generator)
    return ImageDataset(images, torch.arange(37) % 10)
