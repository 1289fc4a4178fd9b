"""The live figure of chapter 7: any two figures of the panel against each other, and where a method stands in all."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import torch
import traitlets as t
from torch import Tensor

from gencourse.errors import need_number, need_one_of, need_records, need_seed, need_sequence, shown
from gencourse.evaluation import seed_interval
from gencourse.training import read_checkpoint
from gencourse.widgets.text import module, style

__all__ = ["PanelExplorer"]

_PACKAGE = Path(__file__).resolve().parent.parent
_RECORDS = [_PACKAGE / "studies" / "results" / f"{name}.json" for name in ("panel", "panel_clothes")]
_PICTURES = _PACKAGE / "checkpoints" / "panel_pictures.safetensors"
_CALLED = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}

# Name in a record to: title, whether less is better, what a method without it cannot do.
_OFFERED = {
    "reconstruction_error": ("squared error of a redrawn picture", True, "redraw a picture"),
    "psnr": ("PSNR in dB", False, "redraw a picture"),
    "ssim": ("SSIM", False, "redraw a picture"),
    "classifier_distance_2000": ("classifier distance, 2000 draws", True, "draw a new picture"),
    "kernel_distance_2000": ("kernel distance, 2000 draws", True, "draw a new picture"),
    "precision": ("precision", False, "draw a new picture"),
    "recall": ("recall", False, "draw a new picture"),
    "entropy": ("entropy of drawn classes", False, "draw a new picture"),
    "copied": ("share of copies", True, "draw a new picture"),
    "code_two_sample_accuracy": ("judge of codes, accuracy", True, "match a law of codes"),
    "probe_accuracy_100": ("probe accuracy, 100 labels", False, "give features"),
    "probe_accuracy_1000": ("probe accuracy, 1000 labels", False, "give features"),
    "probe_accuracy": ("probe accuracy, all labels", False, "give features"),
    "purity": ("purity of clusters", False, "give features"),
    "anomaly_auroc": ("AUROC of anomalies", False, "tell anomalies"),
    "training_seconds": ("seconds of training", True, "say how long it trained"),
    "pictures_per_second": ("pictures a second, used", False, "say how fast it is"),
    "parameters": ("parameters", True, "say how many parameters it has"),
}
_DIGITS = 5  # significant ones, of all numbers that are sent


class PanelExplorer(anywidget.AnyWidget):
    """Choose two figures, a data set and a seed, and see every method that has both figures; choose a method, and see
    its place in all figures, pictures that it redrew and pictures that it drew.

    All numbers and pictures were recorded; the browser needs no kernel. `recorded` gives the course's own panel,
    `from_rows` takes other records. In a notebook the traits follow the controls, and setting one moves its control.
    """

    _esm = module("panel_explorer")
    _css = style("panel_explorer")

    # Every ipywidget refers to a second model, its layout; a page without a kernel has only this one.
    layout = None

    data = t.Int(0, min=0).tag(sync=True)  # which data set
    across = t.Int(0, min=0).tag(sync=True)  # which figure is on the horizontal axis
    up = t.Int(1, min=0).tag(sync=True)  # which one is on the vertical axis
    run = t.Int(-1, min=-1).tag(sync=True)  # which of the seeds is shown, -1 for mean and interval
    method = t.Int(0, min=0).tag(sync=True)  # which method is chosen
    datasets = t.List(t.Unicode()).tag(sync=True)  # their names
    methods = t.List(t.Unicode()).tag(sync=True)  # their names
    baselines = t.List(t.Int()).tag(sync=True)  # which of them learnt nothing by gradient
    seeds = t.List(t.Int()).tag(sync=True)
    titles = t.List(t.Unicode()).tag(sync=True)  # of the figures
    less = t.List(t.Bool()).tag(sync=True)  # whether less is better, of each figure
    needs = t.List(t.Unicode()).tag(sync=True)  # what a method without the figure cannot do, of each
    # both [data set][method][figure], None where there is none:
    values = t.List(t.List(t.List(t.Any()))).tag(sync=True)  # a number for each seed
    intervals = t.List(t.List(t.List(t.Any()))).tag(sync=True)  # mean and half-width by eq. (7.1)
    # one of each for a data set, both empty where there are no pictures:
    strips = t.List(t.Unicode()).tag(
        sync=True
    )  # a row of test pictures, then two rows a method, as one address
    captions = t.List(t.Unicode()).tag(sync=True)  # where they come from

    @classmethod
    def recorded(cls) -> PanelExplorer:
        """The figure of the panel that ships with the course."""
        rows = [row for path in _RECORDS for row in json.loads(path.read_text(encoding="utf-8"))]
        # only training by gradient passes through the pictures again and again
        found = cls.from_rows(rows, sorted({row["method"] for row in rows if "passes" not in row}))
        tensors, facts = read_checkpoint(_PICTURES)
        names = list(dict.fromkeys(row["data"] for row in rows))
        found.strips = [_strips(name, found.methods, tensors) for name in names]
        found.captions = [
            f"Pictures of seed {facts[name]['seed']} after {facts[name]['budget_seconds']:.0f} s of training."
            if name in facts
            else ""
            for name in names
        ]
        return found

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]], baselines: Sequence[str] = ()) -> PanelExplorer:
        """The figure of other records.

        Args:
            rows: one for each method, seed and data set, with "method", "seed", "data" (which may be left out of
                all) and two or more of the panel's figures, under the names of `Panel.row`. All methods have the
                same seeds, two at least, and all data sets the same methods. A method may lack a figure.
            baselines: methods to be drawn as grey squares.

        Raises:
            TypeError, ValueError: rows or baselines is none of that.
        """
        need_records("rows", rows, method=_need_text, seed=need_seed)
        runs: dict[str, dict[str, dict[int, Mapping[str, Any]]]] = {}
        for row in rows:
            data = row.get("data", "")
            _need_text("data", data)
            known = runs.setdefault(data, {}).setdefault(row["method"], {})
            if row["seed"] in known:
                raise ValueError(
                    f"rows has {shown(row['method'])} with seed {row['seed']} twice: give it once."
                )
            known[row["seed"]] = row
        seeds = sorted({row["seed"] for row in rows})
        if len(seeds) < 2:
            raise ValueError(f"rows has seed {seeds[0]} alone: give two seeds at least, for an interval.")
        methods = list(dict.fromkeys(row["method"] for row in rows))
        for data, by_method in runs.items():
            for name in methods:
                if sorted(by_method.get(name, {})) != seeds:
                    raise ValueError(
                        f"rows has {shown(name)} with seeds {sorted(by_method.get(name, {}))}"
                        f"{f' on {data}' if data else ''}: give it with {seeds}."
                    )
        need_sequence("baselines", baselines, "names of methods", 0)
        for index, name in enumerate(baselines):
            need_one_of(f"baselines[{index}]", name, methods)

        names = [name for name in _OFFERED if any(name in row for row in rows)]
        if len(names) < 2:
            raise ValueError(f"rows has {names} of the panel's figures: give two at least, of {[*_OFFERED]}.")
        values = [
            [[_numbers(name, method, of[method], seeds) for name in names] for method in methods]
            for of in runs.values()
        ]
        up = names.index("classifier_distance_2000") if "classifier_distance_2000" in names[1:] else 1
        # something to look at from the start: a method with both figures, one that learns if there is one
        placed = [i for i, found in enumerate(values[0]) if found[0] and found[up]] or [0]
        return cls(
            up=up,
            method=next((i for i in placed if methods[i] not in baselines), placed[0]),
            datasets=[_CALLED.get(name, name) for name in runs],
            methods=methods,
            baselines=[methods.index(name) for name in baselines],
            seeds=seeds,
            titles=[_OFFERED[name][0] for name in names],
            less=[_OFFERED[name][1] for name in names],
            needs=[_OFFERED[name][2] for name in names],
            values=[
                [[found and [_rounded(x) for x in found] for found in row] for row in rows] for rows in values
            ],
            intervals=[[[found and _interval(found) for found in row] for row in rows] for rows in values],
        )

    def __repr__(self) -> str:
        return f"PanelExplorer({len(self.methods)} methods, {len(self.titles)} figures)"


def _need_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} is {shown(value)}: give text.")


def _numbers(
    figure: str, method: str, known: Mapping[int, Mapping[str, Any]], seeds: list[int]
) -> list[float] | None:
    """One figure of one method, seed by seed; None if the method has none."""
    found = [known[seed][figure] for seed in seeds if figure in known[seed]]
    if found and len(found) < len(seeds):
        raise ValueError(
            f"rows has {figure} of {shown(method)} for {len(found)} of {len(seeds)} seeds: give it for all or none."
        )
    for value in found:
        # an estimate without bias falls below zero now and then
        least = -math.inf if figure.startswith("kernel") else 0
        need_number(f"rows: {figure} of {shown(method)}", value, least=least)
    return [float(value) for value in found] or None


def _strips(data: str, methods: Sequence[str], tensors: Mapping[str, Tensor]) -> str:
    """One picture: test pictures in the first row, then for each method what it redrew and what it drew."""
    from PIL import Image

    first = tensors.get(f"{data}/pictures")
    if first is None:
        return ""
    blank = torch.zeros_like(first)
    rows = [first]
    for method in methods:
        rows += [tensors.get(f"{data}/{method}/{kind}", blank) for kind in ("redrawn", "drawn")]
    sheet = torch.stack(rows).permute(2, 0, 3, 1, 4).flatten(3).flatten(1, 2)  # C, rows · H, N · W
    picture = Image.fromarray(sheet.permute(1, 2, 0).squeeze(2).numpy()).convert(
        "L" if len(sheet) == 1 else "RGB"
    )
    file = io.BytesIO()
    # sixteen greys are enough for a thumbnail, and a third of the bytes
    picture.quantize(16).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _interval(found: list[float]) -> list[float]:
    """Mean and half-width."""
    mean, low, high = seed_interval(found)
    return [_rounded(mean), _rounded((high - low) / 2)]
