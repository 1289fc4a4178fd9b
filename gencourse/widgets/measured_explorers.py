"""Controls that are bound to a measurement in the kernel: each step measures once more under the settings."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import Any

import ipywidgets as w
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from gencourse.data import ImageDataset
from gencourse.errors import need_data, need_kind, need_named, need_same_device, need_seed, need_table
from gencourse.evaluation import frechet_from_features
from gencourse.methods import Autoencoder
from gencourse.networks import Plan
from gencourse.training.precision import PRECISIONS, autocast
from gencourse.training.update import update_for
from gencourse.widgets.explorers import Explorer, Session

__all__ = ["explore_sample_size", "explore_step_time"]

_BATCHES = (2, 4, 8, 16, 32, 64, 128)
_PARTS = (40, 20, 10, 5, 2)  # a draw is such a part of the rows: of the whole there is only one
_COLOURS = ("#767676", "#c2410c", "#4477aa", "#117733")


class _StepTime(Session):
    """Steps of one autoencoder, each timed; what was measured at other settings stays in the picture."""

    def __init__(self, data: ImageDataset, seed: int) -> None:
        self.method = Autoencoder(Plan("conv"), 32, data.shape, seed=seed).train()
        self.update = update_for(self.method)
        self.data = data
        self.spent: dict[str, dict[int, list[float]]] = {name: {} for name in PRECISIONS}
        self._generator = torch.Generator().manual_seed(seed)

    def step(self, settings: dict[str, Any]) -> None:
        precision, batch = settings["precision"], settings["pictures"]
        times = self.spent[precision]
        if batch not in times:
            self._seconds(precision, batch)  # the first of a size asks for memory, too
        times.setdefault(batch, []).append(self._seconds(precision, batch))

    def _seconds(self, precision: str, batch: int) -> float:
        x = self.data.take(torch.randint(len(self.data), (batch,), generator=self._generator)).x
        start = time.perf_counter()
        with autocast(x.device, precision):
            self.method.step(x, self.update)
        return time.perf_counter() - start

    def fixed_and_each(self, precision: str) -> tuple[float, float] | None:
        """a and b, in seconds, of the line a + bB through the medians; None with fewer than two sizes."""
        batches = np.array(sorted(self.spent[precision]))
        if len(batches) < 2:
            return None
        seconds = np.array([statistics.median(self.spent[precision][n]) for n in batches])
        # each median counts by its relative error
        b, a = np.polyfit(batches, seconds, 1, w=1 / seconds)
        return max(float(a), 0.0), float(b)

    def show(self, settings: dict[str, Any]) -> tuple[Figure, str]:
        figure, axes = _axes("pictures in a mini-batch, B", "milliseconds for a picture")
        axes.set_xscale("log")
        axes.set_xticks(_BATCHES, [str(n) for n in _BATCHES])
        axes.minorticks_off()
        for colour, (precision, times) in zip(_COLOURS, self.spent.items(), strict=False):
            for batch, seconds in times.items():
                axes.plot([batch] * len(seconds), [1000 * s / batch for s in seconds], ".", color=colour)
            if line := self.fixed_and_each(precision):
                at = np.geomspace(_BATCHES[0], _BATCHES[-1])
                axes.plot(at, 1000 * (line[0] / at + line[1]), color=colour, label=precision)
        axes.set_ylim(bottom=0)
        if axes.get_legend_handles_labels()[1]:
            axes.legend()
        precision, batch = settings["precision"], settings["pictures"]
        text = f"{precision}, {batch} pictures"
        if seconds := self.spent[precision].get(batch, []):
            text += f": {1000 * statistics.median(seconds) / batch:.2f} ms a picture"
        if line := self.fixed_and_each(precision):
            text += f"; a = {1000 * line[0]:.1f} ms, b = {1000 * line[1]:.2f} ms"
        return figure, text


class _SampleSize(Session):
    """Distances between random rows of two sets, N of each; all draws stay in the picture."""

    def __init__(self, features: Mapping[str, Tensor], real: Tensor, seed: int) -> None:
        self.features, self.real = features, real
        self.found: dict[str, dict[int, list[float]]] = {name: {} for name in features}
        self._generator = torch.Generator().manual_seed(seed)

    def _some(self, rows: Tensor, n: int) -> Tensor:
        return rows[torch.randperm(len(rows), generator=self._generator)[:n].to(rows.device)]

    def step(self, settings: dict[str, Any]) -> None:
        name, n = settings["samples"], settings["N"]
        distance = frechet_from_features(self._some(self.features[name], n), self._some(self.real, n))
        self.found[name].setdefault(n, []).append(distance)

    def limit(self, name: str) -> tuple[float, float] | None:
        """d² for infinitely many and c of the line (7.3) through the means; None with fewer than two N."""
        sizes = sorted(self.found[name])
        if len(sizes) < 2:
            return None
        means = [statistics.fmean(self.found[name][n]) for n in sizes]
        c, end = np.polyfit([1 / n for n in sizes], means, 1)
        return float(end), float(c)

    def show(self, settings: dict[str, Any]) -> tuple[Figure, str]:
        figure, axes = _axes("1/N", "Fréchet distance")
        largest = 0.0
        for colour, (name, found) in zip(_COLOURS, self.found.items(), strict=False):
            for n, distances in found.items():
                axes.plot([1 / n] * len(distances), distances, ".", color=colour)
                largest = max(largest, 1 / n)
            if line := self.limit(name):
                at = np.array([0.0, max(1 / n for n in found)])
                axes.plot(at, line[0] + line[1] * at, color=colour, label=name)
        axes.set_xlim(0, 1.1 * largest or 1)
        axes.axhline(0, color="black", linewidth=0.8)
        if axes.get_legend_handles_labels()[1]:
            axes.legend()
        name, n = settings["samples"], settings["N"]
        text = f"{name}, N = {n}"
        if distances := self.found[name].get(n, []):
            text += f": {statistics.fmean(distances):.1f} over {len(distances)} draws"
        if line := self.limit(name):
            text += f"; the line ends at {line[0]:.1f}"
        return figure, text


def explore_step_time(data: ImageDataset, seed: int = 0) -> Explorer:
    """Pictures in a mini-batch and precision: what a training step costs on your machine, a + bB, as in eq. (6.5).

    A convolutional autoencoder is trained; every step is timed. Fixed part and time for a picture come from a line
    through the medians, as soon as two sizes have been tried.

    Args:
        data: pictures to learn from.
        seed: of the weights and the batches.

    Returns:
        Milliseconds for a picture against the size of the mini-batch, a colour for each precision. What was measured
        stays when a control is moved; "stop" forgets it.

    Raises:
        TypeError, ValueError: data or seed cannot be used; the sentence says what to give.
    """
    need_kind("data", data, ImageDataset, 'an ImageDataset, for example gencourse.data.load("mnist")')
    need_data("data", data)
    need_seed("seed", seed)
    controls = {
        "pictures": w.SelectionSlider(options=list(_BATCHES), value=8, description="pictures"),
        "precision": w.ToggleButtons(options=list(PRECISIONS), description="precision"),
    }
    return Explorer(controls, lambda settings: _StepTime(data, seed), frame=4)


def explore_sample_size(features: Mapping[str, Tensor], real: Tensor, seed: int = 0) -> Explorer:
    """Samples N of each set: how a Fréchet distance falls with N, and where the line (7.3) ends.

    Each step draws N rows of a set and N rows of the real one, without replacement, and measures their distance.
    Choose rows of the same law to see a distance that is nothing but its bias, eq. (7.2).

    Args:
        features: name of a set to its features, shape (M, F), at most four sets.
        real: features of real pictures, shape (M', F), none of them among the others.
        seed: of the draws.

    Returns:
        Distances against 1/N, a colour for each set. Draws stay when a control is moved; "stop" forgets them.

    Raises:
        TypeError, ValueError: features, real or seed cannot be used; the sentence says what to give.
    """
    need_named("features", features, "names to tensors (M, F)")
    need_table("real", real, "(M, F)")
    need_seed("seed", seed)
    if len(features) > len(_COLOURS):
        raise ValueError(f"features has {len(features)} sets: give at most {len(_COLOURS)}.")
    width = real.shape[1]
    for name, rows in features.items():
        need_table(f"features[{name!r}]", rows, f"(M, {width})")
        need_same_device(f"features[{name!r}]", rows, "real", real)
    rows_of_all = min(len(real), *(len(rows) for rows in features.values()))
    # with fewer rows than columns a covariance is singular, and the line does not hold
    sizes = [rows_of_all // part for part in _PARTS if rows_of_all // part > width]
    if len(sizes) < 2:
        need = _PARTS[-2] * (width + 1)
        raise ValueError(
            f"features and real have {rows_of_all} rows or more of {width} numbers: give {need} or more."
        )
    controls = {
        "samples": w.Dropdown(options=list(features), description="samples"),
        "N": w.SelectionSlider(options=sizes, value=sizes[0], description="N"),
    }
    return Explorer(controls, lambda settings: _SampleSize(features, real, seed), frame=2)


def _axes(across: str, up: str) -> tuple[Figure, Any]:
    """A figure of its own, for a thread cannot use pyplot."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=across, ylabel=up)
    return figure, axes
