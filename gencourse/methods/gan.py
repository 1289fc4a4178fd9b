"""Chapter 2: the generative adversarial network, its six losses, and what keeps it stable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from gencourse.errors import need_kind, need_labels, need_number, need_one_of, need_size, need_sizes
from gencourse.losses import (
    ADVERSARIAL_KINDS,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    r1_penalty,
)
from gencourse.methods.priors import GaussianPrior
from gencourse.networks import (
    Augment,
    conv_discriminator,
    conv_generator,
    dcgan_discriminator,
    dcgan_generator,
    dense_discriminator,
    dense_generator,
    has_batch_norm,
    normalise_spectrum,
)
from gencourse.training.method import Method, Mover, seeded

__all__ = ["GAN"]

_NETWORKS = ("conv", "dense", "dcgan")


class GAN(Method):
    """A generator and a discriminator, trained in turns: the game of eq. (2.1).

    Args:
        network: "conv", "dense", or "dcgan" (a widely copied one, to compare speeds with).
        shape: (C, H, W) of a picture, or (D,) of a point if both networks are given.
        noise_size: numbers of noise for one picture.
        generator: a network of your own, (B, noise_size) to samples (B, ...), used as it is.
        discriminator: a network of your own, samples to logits (B,) or (B, 1). Give both or neither.
        loss: "minimax", "non_saturating", "least_squares", "wasserstein", "hinge" or "relativistic".
        gradient_penalty: weight of eq. (2.11); 10 is customary with "wasserstein". Zero for none.
        r1: weight γ of the penalty on real samples, eq. (2.14). Zero for none.
        r2: weight γ of the same penalty on generated samples. Zero for none.
        spectral_norm: whether the discriminator's layers are divided by their largest singular value,
            eq. (2.12).
        clip_weights: after each move, clamp the discriminator's weights to [−c, c], the original way to
            bound its slope (Arjovsky et al., 2017: 0.01). Zero for none.
        critic_steps: moves of the discriminator for each move of the generator, on the same real batch.
        augment: changes that the discriminator sees real and generated pictures with while it learns, for sets of
            few pictures; gradients pass through them to the generator. None for none.
        classes: how many labels there are, for a generator that is told what to draw; 0 without labels.
        width: channels of the convolutional networks at the side of the picture.
        batch_norm: whether the convolutional generator has batch norm. It learns faster without.
        seed: of the initial weights.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    learning_rate = 2e-3
    betas = (0.5, 0.99)

    def __init__(
        self,
        network: str = "conv",
        shape: tuple[int, ...] = (1, 28, 28),
        noise_size: int = 64,
        *,
        generator: nn.Module | None = None,
        discriminator: nn.Module | None = None,
        loss: str = "non_saturating",
        gradient_penalty: float = 0.0,
        r1: float = 0.0,
        r2: float = 0.0,
        spectral_norm: bool = False,
        clip_weights: float = 0.0,
        critic_steps: int = 1,
        augment: Augment | None = None,
        classes: int = 0,
        width: int = 16,
        batch_norm: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        need_one_of("loss", loss, ADVERSARIAL_KINDS)
        weights = {"gradient_penalty": gradient_penalty, "r1": r1, "r2": r2, "clip_weights": clip_weights}
        for name, value in weights.items():
            need_number(name, value, least=0)
        need_size("noise_size", noise_size)
        need_size("critic_steps", critic_steps)
        need_size("classes", classes, 0)
        self.shape = need_sizes("shape", shape, 1)  # type: ignore[assignment]  # a point has one number only
        self.labels = (0, classes - 1) if classes else None
        self.noise_size, self.classes, self.critic_steps = noise_size, classes, critic_steps
        self.loss, self.gradient_penalty, self.r1, self.r2 = loss, gradient_penalty, r1, r2
        self.clip_weights = clip_weights
        fix = "gencourse.networks.Augment(), or None for none"
        need_kind("augment", augment, (Augment, type(None)), fix)
        if augment is not None and len(self.shape) != 3:
            raise ValueError(
                f"shape is {self.shape}: augment changes pictures, (C, H, W); give augment=None."
            )
        self.augment = augment
        own = _own_networks(generator, discriminator)
        with seeded(seed):
            built = own or _build(network, self.shape, noise_size, classes, width, batch_norm)
            if spectral_norm:
                normalise_spectrum(built[1])
        self.generator, self.discriminator = built
        self.output: nn.Module = nn.Identity() if own else nn.Sigmoid()
        if not own and network != "conv":
            self.learning_rate, self.betas = 2e-4, (0.5, 0.999)  # as they are published
        if (gradient_penalty or r1 or r2) and has_batch_norm(self.discriminator):
            raise ValueError(
                "the discriminator has batch norm, so the slope of one logit is not that of one picture: set "
                "gradient_penalty, r1 and r2 to 0, or take network='conv' or 'dense'."
            )

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """Two players with opposite aims, so each owns its network alone."""
        return {
            "discriminator": self.discriminator.parameters(),
            "generator": self.generator.parameters(),
        }

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch: `critic_steps` moves of the discriminator, then one of the generator.

        Each move draws new noise. With classes, generated pictures get the labels of the real ones.
        """
        for _ in range(self.critic_steps):
            with torch.no_grad():  # the discriminator's move needs no gradient in the generator
                fake = self.generate(self.noise(len(x)), y)
            d = update("discriminator", self.discriminator_loss(x, fake, y))
            self._clip()
        fake = self.generate(self.noise(len(x)), y)
        g = update("generator", self.generator_loss(fake, x, y))
        return {"discriminator": d, "generator": g}

    def discriminator_loss(self, x: Tensor, fake: Tensor, y: Tensor | None = None) -> Tensor:
        """The chosen kind's loss and its penalties: a scalar.

        Args:
            x: real pictures (B, C, H, W).
            fake: generated pictures of the same shape, detached from the generator.
            y: labels of both (B,), with classes only.
        """
        self._need("fake", fake, *self.shape)
        # two passes: a discriminator with batch norm must not see real and generated pictures mixed
        loss = discriminator_loss(self.score(x, y), self.score(fake, y), self.loss)
        if self.gradient_penalty:
            slope = gradient_penalty(lambda between: self.score(between, y), x, fake)
            loss = loss + self.gradient_penalty * slope
        if self.r1:
            loss = loss + self.r1 * r1_penalty(lambda real: self.score(real, y), x)
        if self.r2:
            loss = loss + self.r2 * r1_penalty(lambda made: self.score(made, y), fake)
        return loss

    def generator_loss(self, fake: Tensor, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The chosen kind's loss of generated pictures: a scalar.

        Args:
            fake: generated pictures (B, C, H, W), attached to the generator.
            x: real pictures of the same shape; only the relativistic kind looks at them.
            y: labels of both (B,), with classes only.
        """
        self._need("fake", fake, *self.shape)
        self._need("x", x, *self.shape)
        real_logits = None
        if self.loss == "relativistic":
            with torch.no_grad():
                real_logits = self.score(x, y)
        return generator_loss(self.score(fake, y), self.loss, real_logits)

    def noise(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Standard normal noise for n pictures, (n, noise_size)."""
        return GaussianPrior(self.noise_size).draw(n, generator=generator, device=self.device)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Noise (B, noise_size) and, with classes, labels (B,) to pictures (B, C, H, W)."""
        self._need("z", z, self.noise_size)
        if self.classes and y is not None:
            need_labels("y", y, len(z), self.classes)
        return self.output(self.generator(z, y) if self.classes else self.generator(z))

    def score(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Pictures (B, C, H, W) and, with classes, labels (B,) to logits (B,): above zero means "real".

        In training mode each call draws its own changes of the pictures, if there is `augment`.
        """
        self._need("x", x, *self.shape)
        if self.classes and y is not None:
            need_labels("y", y, len(x), self.classes)
        if self.augment is not None and self.training:
            x = self.augment(x)
        return (self.discriminator(x, y) if self.classes else self.discriminator(x)).flatten()

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None, y: Tensor | None = None) -> Tensor:
        """Draw n new pictures.

        Args:
            n: how many.
            generator: of the noise; torch's own when not given.
            y: labels (n,), with classes only; when not given, the classes in turn: 0, 1, 2, ...

        Returns:
            Pictures in [0, 1], shape (n, C, H, W).
        """
        need_size("n", n)
        if self.classes:
            y = torch.arange(n) % self.classes if y is None else y
            need_labels("y", y, n, self.classes)
            y = y.to(self.device)
        with _evaluating(self.generator):
            return self.generate(self.noise(n, generator), y)

    def features(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the discriminator's last hidden layer, (B, width)."""
        last_hidden_layer = getattr(self.discriminator, "features", None)
        if last_hidden_layer is None:
            self._cannot("give features", "its discriminator has no method 'features'")
        self._need("x", x, *self.shape)
        return last_hidden_layer(x)

    @torch.no_grad()
    def _clip(self) -> None:
        if self.clip_weights:
            for weight in self.discriminator.parameters():
                weight.clamp_(-self.clip_weights, self.clip_weights)


def _own_networks(
    generator: nn.Module | None, discriminator: nn.Module | None
) -> tuple[nn.Module, nn.Module] | None:
    """The networks that were handed over: both, or None if there are none."""
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        need_kind(name, network, (nn.Module, type(None)), "a network, or None for the built-in one")
    if generator is not None and discriminator is not None:
        return generator, discriminator
    if generator is discriminator:
        return None
    missing = "generator" if generator is None else "discriminator"
    raise ValueError(f"{missing} is None: give both networks, or neither to take the built-in ones.")


def _build(
    network: str, shape: tuple[int, ...], noise_size: int, classes: int, width: int, batch_norm: bool
) -> tuple[nn.Module, nn.Module]:
    need_one_of("network", network, _NETWORKS)
    if len(shape) != 3:
        raise ValueError(
            f"shape is {shape}: give (C, H, W), or networks of your own as generator= and discriminator=."
        )
    picture = (shape[0], shape[1], shape[2])
    if network == "dense":
        return dense_generator(noise_size, picture, classes=classes), dense_discriminator(
            picture, classes=classes
        )
    if network == "dcgan":
        return dcgan_generator(noise_size, picture, classes), dcgan_discriminator(picture, classes)
    maker = conv_generator(noise_size, picture, width, classes, batch_norm)
    return maker, conv_discriminator(picture, width, classes)


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode inside, so that drawing pictures in the middle of a run leaves no trace in it."""
    before = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(before)
