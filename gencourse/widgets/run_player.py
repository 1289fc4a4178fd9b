"""The second live figure of chapter 2: recorded training runs in the plane, played frame by frame."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import anywidget
import numpy as np
import torch
import traitlets as t

from gencourse.data import PointDataset
from gencourse.errors import (
    as_tensor,
    need_finite,
    need_kind,
    need_number,
    need_pair,
    need_seed,
    need_sequence,
    need_tensor,
    need_whole,
)
from gencourse.evaluation import mode_coverage
from gencourse.losses import discriminator_loss, generator_loss
from gencourse.methods import GAN
from gencourse.training import Update, adam, seeded
from gencourse.widgets.text import module, style

__all__ = ["RunPlayer", "record_run"]

_TOP = 65534  # of a number sent as uint16; 65535 says: outside what is shown
_REAL = 500  # real points that are sent at most


class RunPlayer(anywidget.AnyWidget):
    """One or two training runs side by side: samples, discriminator and its pull, over the steps.

    Make one with `from_frames`. In a notebook, `frame` follows the cursor, and setting it moves the cursor.
    """

    # Text, not a path: it is then saved with the notebook, and the book needs no other file.
    _esm = module("run_player")
    _css = style("run_player")

    # Every ipywidget refers to a second model, its layout; a page without a kernel has only this one.
    layout = None

    frame = t.Int(0, min=0).tag(sync=True)
    titles = t.List(t.Unicode()).tag(sync=True)
    steps = t.List(t.Int()).tag(sync=True)  # the training step of each frame
    extent = t.List(t.Float()).tag(sync=True)  # what is shown, in both directions: lowest and highest
    points = t.Int().tag(sync=True)  # number of real points
    sizes = t.List(t.List(t.Int())).tag(
        sync=True
    )  # of each run: samples, cells of the field per side, arrows
    data = t.Bytes().tag(sync=True)  # what `_pack` packs, in its order
    coverage = t.List(t.List(t.Int())).tag(sync=True)  # of each run: clusters covered in each frame
    clusters = t.Int().tag(sync=True)
    losses = t.List(t.List(t.List(t.Float()))).tag(sync=True)  # of each run: the two losses in each frame

    @classmethod
    def from_frames(
        cls,
        real: Any,
        runs: Sequence[dict[str, Any]],
        *,
        extent: tuple[float, float],
        steps: Sequence[int],
        centres: Any,
        near: float | None = None,
    ) -> RunPlayer:
        """The figure of one or two recorded runs of T frames.

        Positions are sent as two bytes a number, the field as one byte a cell. Samples outside the extent are
        not drawn, but they count for the coverage.

        Args:
            real: points of the data, shape (M, 2); at most 500 of them are drawn, the same ones every time.
            runs: for each run a dict of "title", "samples" (T, N, 2), "field" (T, g, g), and, if wanted,
                "arrows" (T, K, 4) and "losses" (T, 2), the discriminator's and the generator's. The field is
                the discriminator in [0, 1]: field[t, i, j] at the j-th horizontal and the i-th vertical of g
                positions from the lowest to the highest of the extent. An arrow is (x, y, dx, dy). All arrows
                of the figure are drawn on one scale, so that their lengths can be compared; the few longest
                are cut.
            extent: lowest and highest coordinate that is shown, in both directions.
            steps: the training step of each frame, T increasing whole numbers.
            centres: centres of the real clusters, shape (C, 2).
            near: a sample belongs to the nearest centre if it is no further away than this. A quarter of the
                smallest distance between two centres if None. A cluster is covered, as in `mode_coverage`,
                when a tenth of its fair share of the samples belongs to it.

        Raises:
            ValueError: an argument cannot be used; the message says which and why.
        """
        need_sequence("steps", steps, "whole numbers", 0)
        for index, step in enumerate(steps):
            need_whole(f"steps[{index}]", step, 0, 2**31 - 1)
        steps = [int(step) for step in steps]
        if len(steps) < 2 or any(a >= b for a, b in itertools.pairwise(steps)):
            raise ValueError(f"steps has {len(steps)} numbers: give at least 2, in increasing order.")
        low, high = _pair(extent)
        need_sequence("runs", runs, "recorded runs", 0)
        if len(runs) not in (1, 2):
            raise ValueError(f"runs has {len(runs)} entries: give one run or two.")
        real = _array("real", real, (None, 2))
        centres = _array("centres", centres, (None, 2))
        frames = [_frames(run, i, len(steps)) for i, run in enumerate(runs)]
        if near is None:
            near = _gap(centres) / 4
        need_number("near", near, above=0)
        chosen = np.random.default_rng(0).permutation(len(real))[:_REAL]
        return cls(
            frame=len(steps) // 2,  # there is something to see, and something on both sides of it
            titles=[str(run["title"]) for run in runs],
            steps=steps,
            extent=[low, high],
            points=len(chosen),
            sizes=[[s.shape[1], f.shape[1], a.shape[1]] for s, f, a in frames],
            data=_pack(real[chosen], frames, low, high),
            coverage=[_coverage(samples, centres, near) for samples, _, _ in frames],
            clusters=len(centres),
            losses=[_losses(run, i, len(steps)) for i, run in enumerate(runs)],
        )

    def __repr__(self) -> str:
        return f"RunPlayer({' and '.join(map(repr, self.titles))}, {len(self.steps)} frames)"


def record_run(
    title: str,
    gan: GAN,
    data: PointDataset,
    *,
    steps: Sequence[int],
    extent: tuple[float, float] = (-3.0, 3.0),
    samples: int = 250,
    arrows: int = 30,
    side: int = 28,
    batch_size: int = 128,
    seed: int = 0,
) -> dict[str, Any]:
    """Train a GAN on points of the plane and write down what `RunPlayer.from_frames` shows.

    Args:
        title: of the run.
        gan: with networks for points, shape (2,); trained in place.
        data: what it learns from.
        steps: after which steps a frame is taken, increasing; 0 is before the first one.
        extent: lowest and highest coordinate of the discriminator's field, in both directions.
        samples: how many points are drawn for a frame, always from the same noise.
        arrows: how many of them get an arrow: −∇ of the generator's loss, where this sample is pulled to.
        side: cells of the field in each direction.
        batch_size: points in a mini-batch.
        seed: of the mini-batches and of the method's noise.

    Returns:
        "title", "samples" (T, N, 2), "field" (T, side, side) with σ(D), "arrows" (T, K, 4), and "losses" (T, 2):
        the discriminator's, without penalties, and the generator's, of these samples and as many real points.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """
    need_kind("title", title, str, "text")
    need_kind("gan", gan, GAN, "a GAN for points in the plane")
    need_kind("data", data, PointDataset, "a PointDataset, for example gencourse.data.ring(1000)")
    need_sequence("steps", steps, "whole numbers")
    for index, number in enumerate(steps):
        need_whole(f"steps[{index}]", number, 0, 1_000_000)
    low, high = _pair(extent)
    for name, size in (("samples", samples), ("arrows", arrows), ("side", side), ("batch_size", batch_size)):
        need_whole(name, size, 1, 100_000)
    need_seed("seed", seed)
    players = {name: list(own) for name, own in gan.players().items()}
    update = Update(players, {n: adam(own, gan.learning_rate, gan.betas) for n, own in players.items()})
    axis = torch.linspace(low, high, side)
    grid = torch.cartesian_prod(axis, axis).flip(1)  # row i is the i-th height, column j the j-th position
    z = gan.noise(samples, torch.Generator().manual_seed(seed))
    taken: dict[str, list[torch.Tensor]] = {"samples": [], "field": [], "arrows": [], "losses": []}

    def take() -> None:
        with torch.no_grad():
            points = gan.generate(z)
            taken["field"].append(torch.sigmoid(gan.score(grid)).view(side, side))
            fake, real = gan.score(points[: len(data)]), gan.score(data.points[:samples])
            both = [discriminator_loss(real, fake, gan.loss), generator_loss(fake, gan.loss, real)]
            taken["losses"].append(torch.stack(both))
        pulled = points[:arrows].clone().requires_grad_()
        # one real point for each: only the relativistic loss looks at it
        loss = gan.generator_loss(pulled, data.points[:arrows]) * arrows
        (pull,) = torch.autograd.grad(loss, pulled)
        taken["samples"].append(points)
        taken["arrows"].append(torch.cat([points[:arrows], -pull], dim=1))

    with seeded(seed):
        for step in range(max(steps) + 1):
            if step in steps:
                take()
            rows = torch.randint(len(data), (batch_size,))
            gan.step(data.points[rows], update)
    return {"title": title, **{name: torch.stack(frames) for name, frames in taken.items()}}


def _array(name: str, values: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """`values` as float64 of this shape, None for any length but 0."""
    found = as_tensor(name, values)
    need_tensor(name, found, f"({', '.join('n' if n is None else str(n) for n in shape)},)", kind="any")
    need_finite(name, found)
    return found.double().numpy()


def _pair(extent: Any) -> tuple[float, float]:
    """The lowest and the highest coordinate."""
    need_pair("extent", extent, "two numbers")
    for index, end in enumerate(extent):
        need_number(f"extent[{index}]", end, least=-1e6, most=1e6)
    if len(extent) != 2 or not extent[0] < extent[1]:
        raise ValueError(f"extent is {tuple(extent)}: give the lowest and the highest coordinate.")
    return float(extent[0]), float(extent[1])


def _frames(run: dict[str, Any], i: int, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples, field and arrows of a run, checked; no arrows are an array of length 0."""
    need_kind(f"runs[{i}]", run, dict, "a dictionary, as record_run makes it")
    need_kind(f"runs[{i}]['title']", run.get("title", ""), str, "text")
    for key in ("title", "samples", "field"):
        if key not in run:
            raise ValueError(
                f"runs[{i}] has no {key!r}: give title, samples, field, and arrows and losses if wanted."
            )
    samples = _array(f"runs[{i}]['samples']", run["samples"], (frames, None, 2))
    field = _array(f"runs[{i}]['field']", run["field"], (frames, None, None))
    if field.shape[1] != field.shape[2] or field.shape[1] < 2 or field.min() < 0 or field.max() > 1:
        raise ValueError(f"runs[{i}]['field'] has shape {field.shape}: give a square grid in [0, 1].")
    arrows = run.get("arrows")
    if arrows is None:
        return samples, field, np.zeros((frames, 0, 4))
    return samples, field, _array(f"runs[{i}]['arrows']", arrows, (frames, None, 4))


def _losses(run: dict[str, Any], i: int, frames: int) -> list[list[float]]:
    """The two losses of each frame of a run, checked; none is an empty list."""
    losses = run.get("losses")
    return [] if losses is None else _array(f"runs[{i}]['losses']", losses, (frames, 2)).tolist()


def _pack(
    real: np.ndarray, frames: list[tuple[np.ndarray, np.ndarray, np.ndarray]], low: float, high: float
) -> bytes:
    """Real points, then of each run samples, arrows and field; each frame after frame.

    Positions are uint16 over the extent, an arrow's two lengths uint16 over the extent's width to both
    sides, a cell of the field one byte.
    """
    width = high - low

    def positions(values: np.ndarray) -> bytes:
        part = (values - low) / width
        inside = ((part >= 0) & (part <= 1)).all(-1, keepdims=True)
        return np.where(inside, np.rint(np.clip(part, 0, 1) * _TOP), 65535).astype("<u2").tobytes()

    lengths = np.concatenate([np.hypot(a[..., 2], a[..., 3]).ravel() for _, _, a in frames])
    most = np.quantile(lengths, 0.95) if lengths.any() else 1.0
    longest = 0.12 * width  # of an arrow as it is drawn
    scale = longest / (most or lengths.max())
    parts = [positions(real)]
    for samples, field, arrows in frames:
        drawn = arrows[..., 2:] * scale
        size = np.hypot(drawn[..., :1], drawn[..., 1:])
        drawn = drawn * np.minimum(1, longest / np.maximum(size, 1e-300))
        whole = np.rint((drawn / width + 1) / 2 * _TOP).astype("<u2")
        parts += [positions(samples), positions(arrows[..., :2]), whole.tobytes()]
        parts.append(np.rint(field * 255).astype("u1").tobytes())
    return b"".join(parts)


def _gap(centres: np.ndarray) -> float:
    """The smallest distance between two centres."""
    if len(centres) < 2:
        raise ValueError("centres has one row: say with near how far its samples may be from it.")
    return float(torch.nn.functional.pdist(torch.from_numpy(centres)).min())


def _coverage(samples: np.ndarray, centres: np.ndarray, near: float) -> list[int]:
    """How many clusters the samples of each frame cover."""
    distance, label = torch.cdist(torch.from_numpy(samples), torch.from_numpy(centres)).min(-1)
    label[distance > near] = -1
    return [mode_coverage(labels, len(centres)) for labels in label]
