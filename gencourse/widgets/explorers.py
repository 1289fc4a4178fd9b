"""Controls that are bound to a small run in the kernel: move a slider, and the run goes on under the new setting."""

from __future__ import annotations

import io
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import ipywidgets as w
import torch
from matplotlib.figure import Figure
from torch import Tensor

from gencourse.data import ImageDataset, PointDataset, ring
from gencourse.errors import need_data, need_kind, need_seed
from gencourse.losses import ADVERSARIAL_KINDS, masked_patch_loss
from gencourse.methods import AAE, AEGAN, GAN, MAE, Autoencoder
from gencourse.methods.priors import GaussianPrior, MixturePrior, Prior, SwissRollPrior
from gencourse.networks import Plan, mlp, patchify
from gencourse.training import Method, Update, adam
from gencourse.training.method import seeded
from gencourse.widgets.masked_digit import masked_digit_model

__all__ = ["explore_codes", "explore_hybrid", "explore_masks", "explore_prior", "explore_ring_gan"]

_BATCH = 128
_REAL, _MADE = "#767676", "#c2410c"
_PRIORS: dict[str, Prior] = {
    "round": GaussianPrior(2),
    "petals": MixturePrior(),
    "roll": SwissRollPrior(),
}


class Session(ABC):
    """One run behind the controls, from its first step to the press of "stop"."""

    @abstractmethod
    def step(self, settings: dict[str, Any]) -> None:
        """One step under these settings of the controls."""

    @abstractmethod
    def show(self, settings: dict[str, Any]) -> tuple[Figure, str]:
        """A picture of where the run stands, and a line of numbers below it."""


class Explorer(w.VBox):
    """Controls, three buttons and a picture. `run` trains in a thread, so that the notebook stays free.

    While it runs it draws from torch's global generator: pause it before a cell whose result depends on a seed.

    Args:
        controls: by name; each has a `value`, which the session reads before every step.
        begin: makes a new session from the controls' values.
        restarts: names of the controls after which a run must begin anew.
        frame: steps between two pictures.
    """

    def __init__(
        self, controls: dict[str, Any], begin: Any, restarts: Sequence[str] = (), frame: int = 20
    ) -> None:
        self.controls, self._begin, self._frame = controls, begin, frame
        self._going = threading.Event()
        self._lock = threading.RLock()  # the thread's steps, and the controls' pictures
        self._thread: threading.Thread | None = None
        self.picture = w.Image(format="png", layout={"max_width": "640px"})
        self.line = w.Label()
        buttons = []
        for name, action in (("run", self.run), ("pause", self.pause), ("stop", self.stop)):
            button = w.Button(description=name, tooltip=(action.__doc__ or "").splitlines()[0])
            button.on_click(lambda _, action=action: action())
            buttons.append(button)
        super().__init__([*controls.values(), w.HBox(buttons), self.picture, self.line])
        for name, control in controls.items():
            control.observe(self._restart if name in restarts else self._redraw, "value")
        self._restart()

    @property
    def settings(self) -> dict[str, Any]:
        """The controls' values, by name."""
        return {name: control.value for name, control in self.controls.items()}

    @property
    def running(self) -> bool:
        """Whether steps are being taken."""
        return self._going.is_set()

    def run(self) -> None:
        """Go on from where it stands."""
        if not self.running:
            self.pause()  # a thread that was told to end may still be at its last step
            self._going.set()
            self._thread = threading.Thread(target=self._train, daemon=True)
            self._thread.start()

    def pause(self) -> None:
        """Stand still; "run" goes on."""
        self._going.clear()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def stop(self) -> None:
        """Stand still and forget: "run" begins anew."""
        self.pause()
        self._restart()

    def close(self) -> None:
        """Stop, and remove the controls from the page."""
        self.pause()
        super().close()

    def advance(self, steps: int = 1) -> None:
        """Take so many steps here and now, without the thread, then draw."""
        with self._lock:
            for _ in range(steps):
                self.session.step(self.settings)
                self.steps += 1
            self._redraw()

    def _train(self) -> None:
        while self.running:
            try:
                self.advance(self._frame)
            except (
                Exception
            ) as error:  # a thread's traceback would be lost: the line below the picture has it
                self._going.clear()
                self.line.value = f"Stopped: {error}"

    def _restart(self, _: Any = None) -> None:
        with self._lock:
            self.session: Session = self._begin(self.settings)
            self.steps = 0
            self._redraw()

    def _redraw(self, _: Any = None) -> None:
        with self._lock:
            figure, line = self.session.show(self.settings)
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=80)
            self.picture.value = buffer.getvalue()
            self.line.value = f"step {self.steps}: {line}"


class _Training(Session):
    """A method that takes `fit`'s step, one mini-batch at a time."""

    def __init__(self, method: Method, data: ImageDataset | PointDataset, seed: int) -> None:
        self.method: Any = method  # of one kind in each session below
        self.data = data
        players = {name: list(own) for name, own in method.players().items()}
        optimizers = {name: adam(own, method.learning_rate, method.betas) for name, own in players.items()}
        self.update = Update(players, optimizers)
        self._batches = self._endless(torch.Generator().manual_seed(seed))

    def _endless(self, generator: torch.Generator) -> Iterator[Tensor]:
        while True:
            for x, _ in self.data.batches(_BATCH, generator=generator):
                yield x

    def step(self, settings: dict[str, Any]) -> None:
        self.method.train()
        self.method.step(next(self._batches), self.update)


class _Codes(_Training):
    def __init__(self, data: ImageDataset, settings: dict[str, Any], seed: int) -> None:
        size = settings["code size"]
        super().__init__(Autoencoder(Plan("dense", (128,)), size, data.shape, seed=seed), data, seed)
        self.x = _first(data, 8)
        self.spoilt = torch.randn(self.x.shape, generator=torch.Generator().manual_seed(seed))

    def step(self, settings: dict[str, Any]) -> None:
        self.method.noise = settings["noise"]
        super().step(settings)

    @torch.no_grad()
    def show(self, settings: dict[str, Any]) -> tuple[Figure, str]:
        spoilt = self.x + settings["noise"] * self.spoilt
        redrawn = self.method.reconstruct(spoilt)
        error = (redrawn - self.x).square().flatten(1).sum(1).mean()
        return _rows(self.x, spoilt, redrawn), f"squared error {error:.1f} a picture, of these eight"


class _RingGAN(_Training):
    def __init__(self, data: PointDataset, seed: int) -> None:
        with seeded(seed):
            generator, discriminator = mlp((2, 64, 64, 2)), mlp((2, 64, 64, 1))
        game = GAN(shape=(2,), noise_size=2, generator=generator, discriminator=discriminator)
        super().__init__(game, data, seed)
        self.z = torch.randn(400, 2, generator=torch.Generator().manual_seed(seed))

    def step(self, settings: dict[str, Any]) -> None:
        self.method.r1, self.method.loss = settings["R1"], settings["loss"]
        for optimizer in self.update.optimizers.values():
            for group in optimizer.param_groups:
                group["betas"] = (settings["momentum"], 0.99)
        super().step(settings)

    @torch.no_grad()
    def show(self, settings: dict[str, Any]) -> tuple[Figure, str]:
        made = self.method.generate(self.z)
        near = torch.cdist(made, self.data.centres).min(1)  # type: ignore[union-attr]  # a PointDataset
        hit = near.values < 0.25
        clusters, share = len(near.indices[hit].unique()), hit.float().mean()
        line = f"{clusters} of 8 clusters, {share:.0%} of the points near one"
        # mypy: a PointDataset here
        return _clouds(self.data.points[:400], made, 3.0), line  # type: ignore[union-attr]


class _Hybrid(_Training):
    def __init__(self, data: ImageDataset, seed: int) -> None:
        super().__init__(AEGAN(Plan("dense", (128,)), 8, data.shape, seed=seed), data, seed)
        self.x = _first(data, 8)

    def step(self, settings: dict[str, Any]) -> None:
        self.method.weight = settings["λ"]
        super().step(settings)

    @torch.no_grad()
    def show(self, settings: dict[str, Any]) -> tuple[Figure, str]:
        redrawn = self.method.reconstruct(self.x)
        error = (redrawn - self.x).square().flatten(1).sum(1).mean()
        fooled = torch.sigmoid(self.method.score(redrawn)).mean()
        line = f"squared error {error:.1f} a picture; the judge takes them for real with {fooled:.0%}"
        return _rows(self.x, redrawn), line


class _Prior(_Training):
    def __init__(self, data: ImageDataset, settings: dict[str, Any], seed: int) -> None:
        plan, prior = Plan("dense", (128,)), _PRIORS[settings["prior"]]
        method = AAE(plan, 2, data.shape, judge=(64, 64), prior=prior, seed=seed)
        super().__init__(method, data, seed)
        self.x = _first(data, 400)
        self.drawn = prior.draw(400, generator=torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def show(self, settings: dict[str, Any]) -> tuple[Figure, str]:
        z = self.method.encode(self.x)
        error = (self.method.decode(z) - self.x).square().flatten(1).sum(1).mean()
        spread = z.std(0, correction=0) / self.drawn.std(0)
        line = f"squared error {error:.1f}; width of the codes over the prior's: {spread[0]:.2f}, {spread[1]:.2f}"
        return _clouds(self.drawn, z, 4.0), line


class _Masks(Session):
    """No training: each step hides other patches, and the shipped network fills them in."""

    def __init__(self, data: ImageDataset, seed: int) -> None:
        self.method: MAE = masked_digit_model()
        self.x, self.errors = _first(data, 8), []  # type: tuple[Tensor, list[float]]
        self._generator = torch.Generator().manual_seed(seed)
        self.order = self._order()

    def _order(self) -> Tensor:
        return torch.rand(len(self.x), self.method.patches, generator=self._generator)

    def _mask(self, ratio: float) -> Tensor:
        """Hides a patch in all ratios above the one at which it went: a larger ratio hides more, not others."""
        hidden = round(ratio * self.method.patches)
        return (self.order.argsort(1).argsort(1) < hidden).float()

    def _error(self, ratio: float) -> float:
        mask = self._mask(ratio)
        prediction = self.method.predict(self.x, mask)
        return masked_patch_loss(prediction, patchify(self.x, self.method.patch), mask).item()

    @torch.no_grad()
    def step(self, settings: dict[str, Any]) -> None:
        self.order = self._order()
        self.errors.append(self._error(settings["mask ratio"]))

    @torch.no_grad()
    def show(self, settings: dict[str, Any]) -> tuple[Figure, str]:
        mask = self._mask(settings["mask ratio"])
        filled = self.method.inpaint(self.x, mask)
        seen = filled - filled * self._pixels(mask) + 0.5 * self._pixels(mask)
        line = f"error {self._error(settings['mask ratio']):.3f} a hidden pixel"
        if self.errors:
            line += f", {sum(self.errors) / len(self.errors):.3f} over {len(self.errors)} draws"
        return _rows(self.x, seen, filled), line

    def _pixels(self, mask: Tensor) -> Tensor:
        """A mask of patches (B, N) as pictures (B, 1, H, W)."""
        side = self.x.shape[-1] // self.method.patch
        wide = mask.reshape(len(mask), 1, side, side)
        return wide.repeat_interleave(self.method.patch, 2).repeat_interleave(self.method.patch, 3)


def explore_codes(data: ImageDataset, seed: int = 0) -> Explorer:
    """Noise and the size of the code: an autoencoder that is trained while you move both, eq. (1.11).

    Args:
        data: pictures to learn from; the first eight are shown.
        seed: of the weights, the batches and the noise that is shown.

    Returns:
        Rows of pictures: clean, spoilt, redrawn. Another code size begins anew, noise changes the run that is going.

    Raises:
        TypeError, ValueError: data or seed cannot be used; the sentence says what to give.
    """
    _need(data, seed)
    controls = {
        "noise": w.FloatSlider(0.3, min=0, max=1, step=0.05, description="noise"),
        "code size": w.SelectionSlider(options=[1, 2, 4, 8, 16, 32], value=8, description="code size"),
    }
    return Explorer(controls, lambda settings: _Codes(data, settings, seed), ["code size"])


def explore_ring_gan(seed: int = 0) -> Explorer:
    """Momentum, R1 and the loss of a GAN in the plane, while it plays, eqs. (2.1) and (2.14).

    Args:
        seed: of the points, the weights and the batches.

    Returns:
        Grey points are data, coloured ones are made. Every control changes the run that is going.

    Raises:
        TypeError, ValueError: seed cannot be used; the sentence says what to give.
    """
    need_seed("seed", seed)
    data = ring(10_000, seed=seed)
    controls = {
        "momentum": w.FloatSlider(0.9, min=0, max=0.95, step=0.05, description="momentum"),
        "R1": w.FloatSlider(0.0, min=0, max=2, step=0.1, description="R1"),
        "loss": w.Dropdown(options=list(ADVERSARIAL_KINDS), value="non_saturating", description="loss"),
    }
    return Explorer(controls, lambda settings: _RingGAN(data, seed), frame=50)


def explore_hybrid(data: ImageDataset, seed: int = 0) -> Explorer:
    """λ of a small hybrid of autoencoder and GAN, eq. (3.3), while it trains.

    Args:
        data: pictures to learn from; the first eight are shown.
        seed: of the weights and the batches.

    Returns:
        Rows of pictures: clean, redrawn.

    Raises:
        TypeError, ValueError: data or seed cannot be used; the sentence says what to give.
    """
    _need(data, seed)
    controls = {"λ": w.FloatSlider(1.0, min=0, max=40, step=0.5, description="λ")}
    return Explorer(controls, lambda settings: _Hybrid(data, seed))


def explore_prior(data: ImageDataset, seed: int = 0) -> Explorer:
    """The shape of the prior to which an adversarial autoencoder pulls its codes, eqs. (4.1) to (4.4).

    Args:
        data: pictures to learn from.
        seed: of the weights, the batches and the draws that are shown.

    Returns:
        Grey points are drawn from the prior, coloured ones are codes. Another prior begins anew.

    Raises:
        TypeError, ValueError: data or seed cannot be used; the sentence says what to give.
    """
    _need(data, seed)
    controls = {"prior": w.ToggleButtons(options=list(_PRIORS), value="round", description="prior")}
    return Explorer(controls, lambda settings: _Prior(data, settings, seed), ["prior"])


def explore_masks(data: ImageDataset, seed: int = 0) -> Explorer:
    """The mask ratio, eq. (5.5): what a trained masked autoencoder makes of the patches that are left.

    Args:
        data: pictures of 1×28×28; the first eight are shown.
        seed: of the order in which patches are hidden.

    Returns:
        Rows of pictures: whole, what is left, filled in. "run" hides other patches again and again, and averages.

    Raises:
        TypeError, ValueError: data or seed cannot be used; the sentence says what to give.
    """
    _need(data, seed)
    if data.shape != (1, 28, 28):
        raise ValueError(f"data has pictures of shape {data.shape}: give pictures of 1×28×28, such as MNIST.")
    controls = {"mask ratio": w.FloatSlider(0.75, min=0.1, max=0.95, step=0.05, description="mask ratio")}
    return Explorer(controls, lambda settings: _Masks(data, seed), frame=1)


def _first(data: ImageDataset, n: int) -> Tensor:
    """The first n pictures (n, C, H, W), or all if there are fewer."""
    return data.take(min(n, len(data))).x


def _need(data: Any, seed: Any) -> None:
    need_kind("data", data, ImageDataset, 'an ImageDataset, for example gencourse.data.load("mnist")')
    need_data("data", data)
    need_seed("seed", seed)


def _rows(*rows: Tensor) -> Figure:
    """Rows of pictures (B, C, H, W), one below the other. A figure of its own, for a thread cannot use pyplot."""
    figure = Figure(figsize=(8, len(rows)), layout="constrained")
    for axes, row in zip(figure.subplots(len(rows), 1, squeeze=False)[:, 0], rows, strict=True):
        strip = torch.cat(list(row.clamp(0, 1)), dim=-1)  # (C, H, B·W)
        axes.imshow(strip.permute(1, 2, 0).expand(-1, -1, 3).numpy())
        axes.axis("off")
    return figure


def _clouds(real: Tensor, made: Tensor, reach: float) -> Figure:
    """Two clouds of points (N, 2)."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.scatter(real[:, 0], real[:, 1], s=8, marker="x", color=_REAL, linewidths=0.8)
    axes.scatter(made[:, 0], made[:, 1], s=8, color=_MADE)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    return figure
