"""The live figure of chapter 7: any two figures of the panel against each other, and where a method stands in all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

from gencourse.errors import need_number, need_one_of, need_records, need_seed, need_sequence, shown
from gencourse.evaluation import seed_interval
from gencourse.widgets.text import module, style

__all__ = ["PanelExplorer"]

_RECORD = Path(__file__).resolve().parent.parent / "studies" / "results" / "panel.json"

# Name in a record to: title, whether less is better, what a method without it cannot do.
_OFFERED = {
    "reconstruction_error": ("squared error of a redrawn picture", True, "redraw a picture"),
    "psnr": ("PSNR in dB", False, "redraw a picture"),
    "ssim": ("SSIM", False, "redraw a picture"),
    "classifier_distance_2000": ("classifier distance, 2000 draws", True, "draw a new picture"),
    "precision": ("precision", False, "draw a new picture"),
    "recall": ("recall", False, "draw a new picture"),
    "probe_accuracy_100": ("probe accuracy, 100 labels", False, "give features"),
    "probe_accuracy": ("probe accuracy, all labels", False, "give features"),
    "purity": ("purity of clusters", False, "give features"),
    "anomaly_auroc": ("AUROC of anomalies", False, "tell anomalies"),
    "training_seconds": ("seconds of training", True, "say how long it trained"),
    "parameters": ("parameters", True, "say how many parameters it has"),
}
_DIGITS = 5  # significant ones, of all numbers that are sent


class PanelExplorer(anywidget.AnyWidget):
    """Choose two figures, and see every method that has both; choose a method, and see its place in all figures.

    All numbers were recorded; the browser needs no kernel. `recorded` gives the course's own panel, `from_rows` takes
    other records. In a notebook the traits follow the controls, and setting one moves its control.
    """

    _esm = module("panel_explorer")
    _css = style("panel_explorer")

    # Every ipywidget refers to a second model, its layout; a page without a kernel has only this one.
    layout = None

    across = t.Int(0, min=0).tag(sync=True)  # which figure is on the horizontal axis
    up = t.Int(1, min=0).tag(sync=True)  # which one is on the vertical axis
    run = t.Int(-1, min=-1).tag(sync=True)  # which of the seeds is shown, -1 for mean and interval
    method = t.Int(0, min=0).tag(sync=True)  # which method is chosen
    methods = t.List(t.Unicode()).tag(sync=True)  # their names
    baselines = t.List(t.Int()).tag(sync=True)  # which of them learnt nothing by gradient
    seeds = t.List(t.Int()).tag(sync=True)
    titles = t.List(t.Unicode()).tag(sync=True)  # of the figures
    less = t.List(t.Bool()).tag(sync=True)  # whether less is better, of each figure
    needs = t.List(t.Unicode()).tag(sync=True)  # what a method without the figure cannot do, of each
    # both [method][figure], None where there is none:
    values = t.List(t.List(t.Any())).tag(sync=True)  # a number for each seed
    intervals = t.List(t.List(t.Any())).tag(sync=True)  # mean and half-width by eq. (7.1)

    @classmethod
    def recorded(cls) -> PanelExplorer:
        """The figure of the panel that ships with the course."""
        rows = json.loads(_RECORD.read_text(encoding="utf-8"))
        # only training by gradient passes through the pictures again and again
        return cls.from_rows(rows, sorted({row["method"] for row in rows if "passes" not in row}))

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]], baselines: Sequence[str] = ()) -> PanelExplorer:
        """The figure of other records.

        Args:
            rows: one for each method and seed, with "method", "seed" and two or more of the panel's figures, under
                the names of `Panel.row`. All methods have the same seeds, two at least. A method may lack a figure.
            baselines: methods to be drawn as grey squares.

        Raises:
            TypeError, ValueError: rows or baselines is none of that.
        """
        need_records("rows", rows, method=_need_text, seed=need_seed)
        runs: dict[str, dict[int, Mapping[str, Any]]] = {}
        for row in rows:
            known = runs.setdefault(row["method"], {})
            if row["seed"] in known:
                raise ValueError(
                    f"rows has {shown(row['method'])} with seed {row['seed']} twice: give it once."
                )
            known[row["seed"]] = row
        seeds = sorted({seed for known in runs.values() for seed in known})
        if len(seeds) < 2:
            raise ValueError(f"rows has seed {seeds[0]} alone: give two seeds at least, for an interval.")
        for name, known in runs.items():
            if sorted(known) != seeds:
                raise ValueError(f"rows has {shown(name)} with seeds {sorted(known)}: give it with {seeds}.")
        need_sequence("baselines", baselines, "names of methods", 0)
        for index, name in enumerate(baselines):
            need_one_of(f"baselines[{index}]", name, runs)

        names = [name for name in _OFFERED if any(name in row for row in rows)]
        if len(names) < 2:
            raise ValueError(f"rows has {names} of the panel's figures: give two at least, of {[*_OFFERED]}.")
        values = [[_numbers(name, method, known, seeds) for name in names] for method, known in runs.items()]
        methods = list(runs)
        up = names.index("classifier_distance_2000") if "classifier_distance_2000" in names[1:] else 1
        # something to look at from the start: a method with both figures, one that learns if there is one
        placed = [i for i, found in enumerate(values) if found[0] and found[up]] or [0]
        return cls(
            up=up,
            method=next((i for i in placed if methods[i] not in baselines), placed[0]),
            methods=methods,
            baselines=[methods.index(name) for name in baselines],
            seeds=seeds,
            titles=[_OFFERED[name][0] for name in names],
            less=[_OFFERED[name][1] for name in names],
            needs=[_OFFERED[name][2] for name in names],
            values=[[found and [_rounded(x) for x in found] for found in row] for row in values],
            intervals=[[found and _interval(found) for found in row] for row in values],
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
        need_number(f"rows: {figure} of {shown(method)}", value, least=0)
    return [float(value) for value in found] or None


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _interval(found: list[float]) -> list[float]:
    """Mean and half-width."""
    mean, low, high = seed_interval(found)
    return [_rounded(mean), _rounded((high - low) / 2)]
