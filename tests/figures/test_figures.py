"""Figures draw without a warning, leave the reader's settings alone, and refuse what they cannot draw."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import pytest
import torch

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from gencourse import figures
from gencourse.data import ImageDataset, ring
from gencourse.methods import Autoencoder
from gencourse.training import History


@pytest.fixture(autouse=True)
def clean_pyplot(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(plt, "show", lambda: None)
    before = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == before
    assert plt.get_fignums(), "nothing was drawn"
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()
    plt.close("all")


def pictures(n: int) -> torch.Tensor:
    return torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def test_drawings_without_data() -> None:
    figures.autoencoder_idea()
    figures.cross_entropy_floor()


def test_rows_of_pictures_and_their_refusal() -> None:
    figures.picture_rows({"a": pictures(4), "b": pictures(4)})
    with pytest.raises(ValueError, match="rows have these lengths"):
        figures.picture_rows({"a": pictures(4), "b": pictures(3)})


def test_the_panel_says_what_a_method_cannot_do() -> None:
    model = Autoencoder("dense", 8, hidden=(16,)).eval()
    test = ImageDataset((pictures(60) * 255).to(torch.uint8), torch.arange(60) % 10)
    figures.panel(
        model, History([{"autoencoder": 2.0, "seconds": 1.0}, {"autoencoder": 1.0, "seconds": 1.0}]), test
    )
    texts = [t.get_text().replace("\n", " ") for axis in plt.gcf().axes for t in axis.texts]
    assert any("Autoencoder cannot sample" in text for text in texts)


def test_figures_of_chapter_one() -> None:
    codes, labels = torch.randn(50, 2), torch.arange(50) % 10
    figures.code_planes({"one": codes, "two": codes}, labels)
    figures.conditional_mean(pictures(5), pictures(5).mean(0, keepdim=True))
    figures.score_field(codes, codes, codes)
    figures.score_histograms(torch.rand(100), torch.rand(50) + 1, 0.9)
    figures.rate_distortion(
        [{"coder": c, "code_size": k, "error": 1.0 / k} for c in ("pca", "conv") for k in (2, 4)]
    )


def test_figures_of_chapter_two() -> None:
    figures.gan_idea()
    figures.best_discriminator()
    figures.generator_pulls()
    data = ring(100)
    figures.point_clouds({"one": data.points, "two": data.points[:5]}, data)
    assert len(plt.gcf().axes) == 2


def test_a_table_is_text_in_a_terminal_and_a_table_in_a_notebook() -> None:
    shown = figures.table(
        [{"name": "a", "value": 12345.678, "share": 0.12345}, {"name": "b", "value": 1, "share": 2.0}]
    )
    assert repr(shown).splitlines()[0] == "| name | value | share |"
    assert "0.123" in shown._repr_markdown_() and "12\u202f346" in shown._repr_markdown_()
    with pytest.raises(ValueError, match="rows is empty"):
        figures.table([])
    figures.cross_entropy_floor()
