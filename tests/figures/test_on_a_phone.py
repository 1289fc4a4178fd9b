"""Drawings with many words: on a phone, no two of them cover each other, and none makes the drawing wider."""

from __future__ import annotations

import itertools

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from gencourse import figures, studies
from gencourse.data import ring
from gencourse.figures import gan, measuring
from gencourse.figures.style import PHONE, for_a_phone

TASKS = {
    "redraw\n(error)": ("reconstruction_error", False),
    "draw\n(distance)": ("classifier_distance_2000", False),
    "good ones\n(precision)": ("precision", True),
    "all kinds\n(recall)": ("recall", True),
    "5000 labels\n(probe)": ("probe_accuracy", True),
}


def words(figure: Figure) -> list[tuple[str, Bbox]]:
    """Each text of a figure and the box that it fills."""
    figure.canvas.draw()
    texts = [
        text
        for axis in figure.axes
        for text in [*axis.texts, *axis.get_xticklabels(), *axis.get_yticklabels()]
        if text.get_text() and text.get_visible()
    ]
    # of the words alone: an annotation's own method counts its line, too
    return [(text.get_text(), Text.get_window_extent(text)) for text in texts]


@pytest.mark.parametrize("name", ["task_chart", "panel_points"])
@pytest.mark.parametrize("data", studies.panel.DATA)
def test_no_word_covers_another(name: str, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(measuring, "show", lambda: drawn.append(plt.gcf()))
    rows = studies.read({"mnist": "panel", "fashion_mnist": "panel_clothes"}[data])
    with for_a_phone():
        if name == "task_chart":
            figures.task_chart(rows, TASKS)
        else:
            figures.panel_points(
                rows,
                "reconstruction_error",
                "classifier_distance_2000",
                ("error", "distance"),
                studies.BASELINES,
            )
    room = 2 if name == "task_chart" else -1  # pixels: numbers in neighbouring fields may not even touch
    covered = [
        (one, other)
        for (one, box), (other, second) in itertools.combinations(words(drawn[0]), 2)
        if box.padded(room / 2, 0).overlaps(second.padded(room / 2, 0))
    ]
    wide = drawn[0].get_tightbbox().width
    plt.close(drawn[0])
    assert covered == []
    assert wide <= PHONE + 0.1


def test_titles_beside_each_other_make_no_drawing_wider(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(gan, "show", lambda: drawn.append(plt.gcf()))
    points = torch.zeros(10, 2)
    with for_a_phone():
        figures.point_clouds(
            {"momentum 0.9, a third of the way": points, "momentum 0.5 and R1, at the end": points}, ring(80)
        )
    wide = drawn[0].get_tightbbox().width
    left, right = (Text.get_window_extent(axis.title) for axis in drawn[0].axes)
    plt.close(drawn[0])
    assert wide <= PHONE + 0.1 and not left.overlaps(right)
