"""Chapter 4: autoencoders whose codes are matched to a prior, by a game (AAE) or by a distance (WAE)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.data import ImageDataset
from gencourse.losses import discriminator_loss, generator_loss, mmd, squared_error
from gencourse.methods.priors import CategoricalPrior, GaussianPrior, Prior
from gencourse.networks import ConvDecoder, ConvEncoder, NoisyEncoder, he_init, mlp
from gencourse.training.method import Method, Mover, seeded

__all__ = ["AAE", "WAE"]

_NETWORKS = ("dense", "conv")
_ENCODERS = ("deterministic", "gaussian", "universal")
_LABELS = ("none", "discriminator", "decoder", "semi_supervised", "clusters")


class _Matched(Method):
    """Encoder, decoder and prior: what the AAE and the WAE share."""

    def __init__(
        self,
        network: str,
        code_size: int,
        shape: tuple[int, int, int],
        *,
        encoder: str,
        prior: Prior | None,
        hidden: tuple[int, ...],
        width: int,
        encoder_noise: int,
        noise: float,
        seed: int,
        told: int = 0,
        read: int = 0,
    ) -> None:
        super().__init__()
        _one_of("network", network, _NETWORKS)
        _one_of("encoder", encoder, _ENCODERS)
        if min(code_size, encoder_noise) < 1 or not hidden:
            raise ValueError(
                f"code_size is {code_size}, encoder_noise is {encoder_noise} and hidden is {hidden}: give at least "
                "1, 1 and one hidden layer."
            )
        if noise < 0:
            raise ValueError(f"noise is {noise}: give a number that is not negative.")
        self.prior = GaussianPrior(code_size) if prior is None else prior
        if self.prior.size != code_size:
            raise ValueError(
                f"code_size is {code_size}, but the prior draws codes of {self.prior.size} numbers: give the same."
            )
        self.shape = (shape[0], shape[1], shape[2])
        self.network, self.code_size, self.encoder_kind, self.noise = network, code_size, encoder, noise
        self.told, self.read = told, read  # label entries that the decoder takes, and that the encoder gives
        out = read + code_size * (2 if encoder == "gaussian" else 1)
        features = hidden[-1] if encoder == "universal" else out
        pixels = math.prod(self.shape)
        with seeded(seed):
            body: nn.Module
            if network == "conv":
                body = ConvEncoder(self.shape, features, width)
                self.decoder: nn.Module = ConvDecoder(code_size + told, self.shape, width)
            else:
                sizes = hidden if encoder == "universal" else (*hidden, out)
                body = nn.Sequential(nn.Flatten(), *mlp((pixels, *sizes)))
                back = mlp((code_size + told, *reversed(hidden), pixels))
                self.decoder = nn.Sequential(*back, nn.Unflatten(1, self.shape))
            noisy = encoder == "universal"
            self.encoder: nn.Module = NoisyEncoder(body, features, encoder_noise, out) if noisy else body
            he_init(self.encoder)
            he_init(self.decoder)

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to codes (B, code_size), one draw from q(z|x) each, eq. (4.8).

        Deterministic encoders give the same code each time; Gaussian and universal ones draw it.
        """
        return self._outputs(x)[1]

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of q(z|x), each (B, code_size); for a Gaussian encoder only."""
        if self.encoder_kind != "gaussian":
            self._cannot("give a posterior", f"its encoder is {self.encoder_kind}, not Gaussian")
        mean, log_var = self._raw(x)[:, self.read :].chunk(2, dim=1)
        return mean, log_var

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Codes (B, code_size) to pictures (B, C, H, W).

        Args:
            z: codes.
            y: for a decoder that is told labels: int64 (B,), or a probability for each of them, (B, K).
        """
        if self.told:
            z = torch.cat([z, self._as_vector(y, z)], dim=1)
        return self.decoder(z).sigmoid()

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Pictures to codes and back; with labels="decoder", y (B,) is needed."""
        label, z = self._outputs(x)
        return self.decode(z, label if self.read else y)

    def features(self, x: Tensor) -> Tensor:
        """Pictures to codes (B, code_size); for a Gaussian encoder the mean, without the draw."""
        return self.posterior(x)[0] if self.encoder_kind == "gaussian" else self.encode(x)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None, y: Tensor | None = None) -> Tensor:
        """Draw a code from the prior and decode it, n times.

        Args:
            n: how many.
            generator: of the codes; torch's own when not given.
            y: labels (n,), where labels are used. When not given: 0, 1, 2, ... in turn for a decoder that is
                told labels, any part of the prior otherwise.

        Returns:
            Pictures in [0, 1], shape (n, C, H, W).
        """
        if self.told:
            y = torch.arange(n) % self.told if y is None else y
            y = y.to(self.device)
            return self.decode(self.draw(n, generator=generator), y)
        return self.decode(self.draw(n, y, generator))

    def draw(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """n codes from the prior, (n, code_size), on the device of the weights."""
        return self.prior.draw(n, y, generator, self.device)

    def reconstruction_loss(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Eq. (4.1), or with labels eq. (4.16): a scalar, summed over pixels, mean over the batch."""
        return squared_error(self.reconstruct_noisy(x, y), x)

    def reconstruct_noisy(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Reconstruction from the picture with this method's noise on it; without noise, `reconstruct`."""
        return self.reconstruct(x + self.noise * torch.randn_like(x) if self.noise else x, y)

    def _raw(self, x: Tensor) -> Tensor:
        if x.shape[1:] != self.shape:
            expected = ", ".join(map(str, self.shape))
            raise ValueError(
                f"x has shape {tuple(x.shape)}: this {type(self).__name__} takes (B, {expected})."
            )
        return self.encoder(x)

    def _outputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Label probabilities (B, read) and codes (B, code_size)."""
        raw = self._raw(x)
        label, z = raw[:, : self.read].softmax(1), raw[:, self.read :]
        if self.encoder_kind == "gaussian":
            mean, log_var = z.chunk(2, dim=1)
            z = mean + (log_var / 2).exp() * torch.randn_like(mean)
        return label, z

    def _as_vector(self, y: Tensor | None, z: Tensor) -> Tensor:
        """Labels as rows of K numbers."""
        if y is None:
            raise ValueError("y is None: this decoder is told labels, so give one for each code.")
        if y.dim() == 1:
            _labels_fit(y, self.told, least=0)
            y = F.one_hot(y, self.told)
        if y.shape != (len(z), self.told):
            raise ValueError(
                f"y has shape {tuple(y.shape)}: give {len(z)} labels, or {len(z)} rows of {self.told} "
                "probabilities."
            )
        return y.to(z.dtype)


class AAE(_Matched):
    """Adversarial autoencoder (Makhzani et al., 2015): a discriminator on codes pulls them to a prior.

    For each mini-batch, in this order: the reconstruction phase, eq. (4.1); the regularisation phase, in which
    the discriminator learns to tell draws from the prior ("real") from codes ("fake"), eq. (4.3), and the
    encoder learns to deceive it, eq. (4.4); with few labels, the supervised phase, eq. (4.18).

    Labels can be used in four ways:

    - "discriminator": it sees a label beside each code, so each label is sent to its own part of the prior,
      eq. (4.15). y = −1 marks a picture without a label.
    - "decoder": it is told the label, so the code is left with the style, eq. (4.16). Every picture needs one.
    - "semi_supervised": the encoder gives a label y and a style z, matched to a categorical law and to the
      prior by two discriminators, eq. (4.17). A few labelled pictures teach it which label is which.
    - "clusters": the same without any label; y becomes the number of a cluster.

    Args:
        network: "dense" (hidden ReLU layers) or "conv".
        code_size: numbers in z.
        shape: (C, H, W) of a picture.
        encoder: "deterministic", "gaussian" or "universal", eq. (4.8).
        prior: law that z is matched to; N(0, I) when not given.
        labels: "none", "discriminator", "decoder", "semi_supervised" or "clusters".
        classes: how many labels or clusters there are. Without labels it is not used.
        labelled: for "semi_supervised", the few pictures whose labels may be used. They are not stored with
            the weights; a trained method needs them only to go on training.
        labelled_batch: how many of them each supervised phase takes, drawn anew each time.
        hidden: widths of the dense encoder's hidden layers; the decoder mirrors them. The last also sizes the
            hidden layer in which a universal encoder's noise joins.
        width: channels of the convolutional network's first layer.
        soften: for labels in the code, how far the categorical prior is softened; see `CategoricalPrior`.
        judge: widths of each discriminator's hidden layers.
        encoder_noise: numbers of noise that a universal encoder is handed.
        noise: standard deviation of noise on the encoder's input in the reconstruction and supervised phases;
            the target stays clean.
        seed: of the initial weights.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    # The discriminators are small and must keep up with the encoder. With a short memory (0.5, 0.9) the players
    # follow each other instead of overshooting; `fit(average=0.998)` smooths what remains of the chase.
    learning_rate = 3e-4
    betas = (0.5, 0.9)
    rates: Mapping[str, float] = {"discriminator": 1e-3, "label_discriminator": 1e-3}

    def __init__(
        self,
        network: str = "dense",
        code_size: int = 8,
        shape: tuple[int, int, int] = (1, 28, 28),
        *,
        encoder: str = "deterministic",
        prior: Prior | None = None,
        labels: str = "none",
        classes: int = 10,
        labelled: ImageDataset | None = None,
        labelled_batch: int = 100,
        soften: float = 0.0,
        hidden: tuple[int, ...] = (512, 512),
        width: int = 16,
        judge: tuple[int, ...] = (256, 256),
        encoder_noise: int = 16,
        noise: float = 0.0,
        seed: int = 0,
    ) -> None:
        _one_of("labels", labels, _LABELS)
        if classes < 2 or labelled_batch < 1:
            raise ValueError(
                f"classes is {classes} and labelled_batch is {labelled_batch}: give at least 2 and 1."
            )
        in_code = labels in ("semi_supervised", "clusters")
        super().__init__(
            network,
            code_size,
            shape,
            encoder=encoder,
            prior=prior,
            hidden=hidden,
            width=width,
            encoder_noise=encoder_noise,
            noise=noise,
            seed=seed,
            told=classes if in_code or labels == "decoder" else 0,
            read=classes if in_code else 0,
        )
        self.labels, self.classes, self.labelled_batch = labels, classes, labelled_batch
        if labels == "discriminator" and self.prior.classes not in (0, classes):
            raise ValueError(
                f"classes is {classes}, but the prior has {self.prior.classes} parts: give the same number."
            )
        if labelled is not None and labels != "semi_supervised":
            raise ValueError(f"labelled is given, but labels is {labels!r}: it takes 'semi_supervised'.")
        self.labelled = labelled
        if labelled is not None:
            _labels_fit(labelled.labels, classes, least=0)
        with seeded(seed + 1):
            # one more entry than there are labels: "not labelled"
            seen = code_size + (classes + 1 if labels == "discriminator" else 0)
            self.discriminator = mlp((seen, *judge, 1))
            self.label_prior = CategoricalPrior(classes, soften)
            self.label_discriminator = mlp((classes, *judge, 1)) if in_code else None

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """The encoder's weights belong to up to three players: each phase has its own aim for them."""
        both = [*self.encoder.parameters(), *self.decoder.parameters()]
        found: dict[str, Iterable[nn.Parameter]] = {
            "autoencoder": both,
            "discriminator": self.discriminator.parameters(),
        }
        if self.label_discriminator is not None:
            found["label_discriminator"] = self.label_discriminator.parameters()
        found["encoder"] = self.encoder.parameters()
        if self.labels == "semi_supervised":
            found["classifier"] = self.encoder.parameters()
        return found

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, float]:
        """One mini-batch: reconstruction, regularisation and, with few labels, supervised phase.

        Args:
            x: pictures (B, C, H, W).
            update: moves one player.
            y: labels (B,), read with labels="discriminator" (−1 where there is none) and "decoder" only.
        """
        y = self._check(x, y)
        record = {"autoencoder": update("autoencoder", self.reconstruction_loss(x, y))}
        # One pass of the encoder serves both moves of the regularisation phase: between them it stands still.
        label, z = self._outputs(x)
        real_z = self.draw(len(x), y if self.labels == "discriminator" and self.prior.classes else None)
        d_loss = discriminator_loss(self.score(real_z, y), self.score(z.detach(), y))
        record["discriminator"] = update("discriminator", d_loss)
        e_loss = generator_loss(self.score(z, y))
        if self.label_discriminator is not None:
            real_label = self.label_prior.draw(len(x), device=self.device)
            d_loss = discriminator_loss(self.score_label(real_label), self.score_label(label.detach()))
            record["label_discriminator"] = update("label_discriminator", d_loss)
            e_loss = e_loss + generator_loss(self.score_label(label))
        record["encoder"] = update("encoder", e_loss)
        if self.labels == "semi_supervised":
            record["classifier"] = update("classifier", self.supervised_loss(*self._few_labels()))
        return record

    def score(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Codes (B, code_size) and, with labels="discriminator", labels (B,) to logits (B,): above zero "prior"."""
        if self.labels == "discriminator":
            if y is None:
                raise ValueError("y is None: the discriminator sees labels, so give one a code, −1 for none.")
            y = torch.where(y < 0, self.classes, y)
            z = torch.cat([z, F.one_hot(y, self.classes + 1).to(z.dtype)], dim=1)
        return self.discriminator(z).squeeze(1)

    def score_label(self, label: Tensor) -> Tensor:
        """Label probabilities or one-hot rows (B, K) to logits (B,): above zero "categorical prior"."""
        if self.label_discriminator is None:
            self._cannot("score a label", f"with labels={self.labels!r} no label is part of the code")
        return self.label_discriminator(label).squeeze(1)

    def label_logits(self, x: Tensor) -> Tensor:
        """Pictures to logits of q(y|x), (B, K); with labels "semi_supervised" or "clusters" only."""
        if not self.read:
            self._cannot("read labels", f"with labels={self.labels!r} no label is part of the code")
        return self._raw(x)[:, : self.read]

    def supervised_loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Eq. (4.18): −log q(y|x) in nats, mean over the pictures x (B, C, H, W) with labels y (B,)."""
        if self.noise:
            x = x + self.noise * torch.randn_like(x)
        return F.cross_entropy(self.label_logits(x), y)

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """Pictures to the likeliest label or cluster of each, int64 (B,)."""
        return self.label_logits(x).argmax(1)

    def _few_labels(self) -> tuple[Tensor, Tensor]:
        if self.labelled is None:
            raise ValueError(
                "labelled is None: a semi-supervised AAE learns labels from a few pictures, AAE(..., "
                "labels='semi_supervised', labelled=data.of_each_class(10))."
            )
        n = min(self.labelled_batch, len(self.labelled))
        rows = torch.randperm(len(self.labelled))[:n]
        few = self.labelled.take(rows)
        return few.x.to(self.device), few.labels.to(self.device)

    def _check(self, x: Tensor, y: Tensor | None) -> Tensor | None:
        if self.labels not in ("discriminator", "decoder"):
            return None
        if y is None:
            raise ValueError(f"y is None: with labels={self.labels!r} give a label for each picture.")
        if y.shape != (len(x),):
            raise ValueError(
                f"y has shape {tuple(y.shape)}: give one label for each of the {len(x)} pictures."
            )
        _labels_fit(y, self.classes, least=-1 if self.labels == "discriminator" else 0)
        return y


class WAE(_Matched):
    """Wasserstein autoencoder with the MMD penalty (Tolstikhin et al., 2018, algorithm 2), eq. (4.10).

    Encoder and decoder make E‖x − x̂‖² + λ MMD²(codes, prior) small together: no adversary, no game.

    Args:
        network: "dense" or "conv".
        code_size: numbers in a code.
        shape: (C, H, W) of a picture.
        weight: λ; the squared error is summed over pixels.
        encoder: "deterministic", "gaussian" or "universal", eq. (4.8).
        prior: law that codes are matched to; N(0, I) when not given.
        hidden: widths of the dense encoder's hidden layers; the decoder mirrors them.
        width: channels of the convolutional network's first layer.
        encoder_noise: numbers of noise that a universal encoder is handed.
        seed: of the initial weights.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    def __init__(
        self,
        network: str = "dense",
        code_size: int = 8,
        shape: tuple[int, int, int] = (1, 28, 28),
        *,
        weight: float = 100.0,
        encoder: str = "deterministic",
        prior: Prior | None = None,
        hidden: tuple[int, ...] = (512, 512),
        width: int = 16,
        encoder_noise: int = 16,
        seed: int = 0,
    ) -> None:
        if not weight >= 0:
            raise ValueError(f"weight is {weight}: give a number that is not negative.")
        super().__init__(
            network,
            code_size,
            shape,
            encoder=encoder,
            prior=prior,
            hidden=hidden,
            width=width,
            encoder_noise=encoder_noise,
            noise=0.0,
            seed=seed,
        )
        self.weight = weight
        # the kernel's scale: for a Gaussian prior its std, for others that of a thousand draws
        draws = self.prior.draw(1000, generator=torch.Generator().manual_seed(0))
        self.std = self.prior.std if isinstance(self.prior, GaussianPrior) else draws.std(0).mean().item()

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """One player: encoder and decoder share the loss."""
        return {"autoencoder": self.parameters()}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, float]:
        """One mini-batch of eq. (4.10); the MMD is that of the batch's codes and as many draws of the prior."""
        z = self.encode(x)
        reconstruction = squared_error(self.decode(z), x)
        distance = mmd(z, self.draw(len(x)), self.std)
        loss = update("autoencoder", reconstruction + self.weight * distance)
        return {"autoencoder": loss, "reconstruction": reconstruction.item(), "mmd": distance.item()}


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} is {value!r}: choose one of {', '.join(known)}.")


def _labels_fit(y: Tensor, classes: int, least: int) -> None:
    if y.numel() and (int(y.min()) < least or int(y.max()) >= classes):
        raise ValueError(
            f"the labels go from {int(y.min())} to {int(y.max())}: give {least} to {classes - 1}."
        )
