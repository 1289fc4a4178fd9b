"""Figures draw without a warning, leave the reader's settings alone, and refuse what they cannot draw."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import nullcontext

import matplotlib
import pytest
import torch

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path
from matplotlib.text import Text
from PIL import Image

from gencourse import figures
from gencourse.data import ImageDataset, ring
from gencourse.figures.style import for_a_phone
from gencourse.methods import GAN, Autoencoder
from gencourse.networks import Plan, sincos_positions
from gencourse.training import History, RateTest

looks = sys.modules["gencourse.figures.style"]  # gencourse.figures.style is the function
WIDEST = 4.0
"""Inches: at 390 pixels the letters then have 85 hundredths of their size."""


@pytest.fixture(autouse=True, params=["desk", "phone"])
def clean_pyplot(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What every test draws: for a desk, and once more for a phone."""
    monkeypatch.setattr(plt, "show", lambda: None)
    before = dict(matplotlib.rcParams)
    with nullcontext() if request.param == "desk" else for_a_phone():
        if request.param == "phone":  # the figures stay open, to be looked at below
            monkeypatch.setattr(looks, "publish", lambda files: None)
            monkeypatch.setattr(plt, "close", lambda figure: None)
        yield
        monkeypatch.undo()
    assert dict(matplotlib.rcParams) == before
    assert plt.get_fignums(), "nothing was drawn"
    for number in plt.get_fignums():
        figure = plt.figure(number)
        figure.canvas.draw()
        # a phone shrinks a figure until letters of 9 points have 9 pixels: smaller ones could not be read
        sizes = {text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip()}
        assert min(sizes, default=9) >= 9
        if request.param == "phone":
            assert figure.get_tightbbox().width <= WIDEST, "wider than a phone"
    plt.close("all")


def pictures(n: int) -> torch.Tensor:
    return torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def test_drawings_without_data() -> None:
    figures.autoencoder_idea()
    figures.cross_entropy_floor()


def test_a_book_gets_each_figure_once_more_as_a_file_for_phones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two kinds of file say so themselves: the book's pages know a drawing for a phone by that."""
    shown: list[dict[str, bytes]] = []
    monkeypatch.setattr(looks, "publish", shown.append)
    monkeypatch.setattr(looks, "on_a_phone", looks._phone.get)
    figures.step_times({"a": {1: 0.1, 2: 0.1}})
    before = len(shown)
    monkeypatch.setenv(looks.BOTH, "1")
    figures.step_times({"a": {1: 0.1, 2: 0.1}})
    files = shown[-1]
    assert len(shown) >= before + 1
    with Image.open(io.BytesIO(files["png"])) as image:
        assert image.info["Title"] == "phone" and image.width <= 2 * WIDEST * 110
        assert round(image.info["dpi"][0]) == 220, "twice the pixels"
    assert b"<dc:title>phone</dc:title>" in files["svg"]


def test_nothing_in_the_map_lies_on_something_else() -> None:
    figures.method_map()
    (axis,) = plt.gcf().axes
    plt.gcf().canvas.draw()
    texts = [text for text in axis.texts if text.get_text()]
    boxes = [text.get_window_extent() for text in texts]
    for index, box in enumerate(boxes):
        lies_on = [texts[k].get_text() for k in range(index) if box.overlaps(boxes[k])]
        assert not lies_on, f"{texts[index].get_text()} lies on {lies_on}"
        for arrow in (patch for patch in axis.patches if isinstance(patch, FancyArrowPatch)):
            for piece in arrow.get_path().transformed(arrow.get_transform()).to_polygons(closed_only=False):
                on_it = box.count_contains(Path(piece).interpolated(40).vertices)
                assert not on_it, f"an arrow crosses {texts[index].get_text()}"


def test_rows_of_pictures_and_their_refusal() -> None:
    figures.picture_rows({"a": pictures(4), "b": pictures(4)})
    with pytest.raises(ValueError, match="rows"):
        figures.picture_rows({"a": pictures(4), "b": pictures(3)})


def test_the_panel_says_what_a_method_cannot_do() -> None:
    model = Autoencoder(Plan("dense", (16,)), 8).eval()
    test = ImageDataset((pictures(60) * 255).to(torch.uint8), torch.arange(60) % 10)
    figures.panel(
        model, History([{"autoencoder": 2.0, "seconds": 1.0}, {"autoencoder": 1.0, "seconds": 1.0}]), test
    )
    texts = [t.get_text().replace("\n", " ") for axis in plt.gcf().axes for t in axis.texts]
    assert any("Autoencoder cannot sample" in text for text in texts)
    figures.panel(model, History(), test)  # as after `load_trained`
    texts = [t.get_text().replace("\n", " ") for axis in plt.gcf().axes for t in axis.texts]
    assert any("trained before, and loaded" in text for text in texts)


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


def curves(axis: plt.Axes) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """What an axis shows: label of each curve to its x and y."""
    found = {}
    for line in axis.get_lines():
        found[str(line.get_label())] = tuple(torch.as_tensor(v).double() for v in line.get_data())
    return found


@pytest.mark.equation("2.3")
def test_the_drawn_discriminator_is_the_share_of_real_points() -> None:
    figures.best_discriminator()
    for axis in plt.gcf().axes:
        shown = {label.split(",")[0].split(" $D")[0]: xy for label, xy in curves(axis).items()}
        (x, p), (_, q), (_, d) = shown["real"], shown["generated"], shown["best"]
        torch.testing.assert_close(d * (p + q), p, rtol=0, atol=1e-6)
        # two normal curves of one width: the log-odds of D are a line that falls from left to right
        odds = torch.logit(d[p + q > 1e-3])
        assert (odds.diff() < 0).all() and odds.diff().std() < 0.02 * odds.diff().abs().mean()
        assert torch.trapezoid(p, x).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.equation("3.19", "3.20")
def test_the_drawn_frontier_is_that_of_the_best_linear_estimators() -> None:
    """x̂ = αy + βε over a fine grid: nothing lies on the wrong side of the curve, and the curve is reached."""
    figures.gaussian_frontier()
    frontier, *points = plt.gca().get_lines()
    error, apart = (torch.as_tensor(v) for v in frontier.get_data())
    alpha, beta = torch.meshgrid(
        torch.linspace(0, 1, 801).double(), torch.linspace(0, 1, 401).double(), indexing="ij"
    )
    errors = (1 - alpha) ** 2 + alpha**2 + beta**2
    distances = (1 - (2 * alpha**2 + beta**2).sqrt()).abs()
    for k in range(0, 200, 20):
        assert errors[distances <= apart[k] + 1e-3].min().item() == pytest.approx(error[k].item(), abs=2e-3)
    # mean, stretched mean, draw: (error, distance) from their α and β
    wanted = []
    for a, b in ((0.5, 0.0), (0.5**0.5, 0.0), (0.5, 0.5**0.5)):
        wanted.append(((1 - a) ** 2 + a**2 + b**2, abs(1 - (2 * a**2 + b**2) ** 0.5)))
    for point, (x, y) in zip(points, wanted, strict=True):
        assert (point.get_xdata()[0], point.get_ydata()[0]) == pytest.approx((x, y), abs=1e-9)


@pytest.mark.equation("5.8")
def test_the_drawn_position_map_depends_on_row_and_column_differences() -> None:
    places, side = [(0, 0), (3, 1)], 5
    figures.position_map(sincos_positions(side, side, 16), side, places)
    omega = 10_000.0 ** (-torch.arange(4) / 4)
    for axis, (row, column) in zip(plt.gcf().axes, places, strict=True):
        shown = torch.as_tensor(axis.get_images()[0].get_array())
        for r in range(side):
            for c in range(side):
                expected = (omega * (r - row)).cos().sum() + (omega * (c - column)).cos().sum()
                assert shown[r, c].item() == pytest.approx(expected.item(), abs=1e-5)
        assert (shown.argmax() // side, shown.argmax() % side) == (row, column)


def test_distance_over_time_has_a_panel_a_seed_and_both_curves() -> None:
    rows = [
        {"seed": s, "last_1": 9.0, "last_2": 5.0, "averaged_1": 8.0, "averaged_2": 4.0, "seconds": 1.0}
        for s in (0, 1)
    ]
    figures.distance_over_time(rows)
    first, second = plt.gcf().axes
    assert (first.get_title(), second.get_title()) == ("seed 0", "seed 1")
    assert [list(line.get_xdata()) for line in first.lines] == [[1, 2]] * 2
    assert [list(line.get_ydata()) for line in first.lines] == [[9.0, 5.0], [8.0, 4.0]]


def test_the_panel_calls_a_judge_s_features_features() -> None:
    test = ImageDataset((pictures(60) * 255).to(torch.uint8), torch.arange(60) % 10)
    history = History([{"discriminator": 2.0, "generator": 1.0, "seconds": 1.0}])
    figures.panel(GAN(), history, test)
    assert "features, on their two widest directions" in [axis.get_title() for axis in plt.gcf().axes]


def test_figures_of_chapter_three() -> None:
    figures.ae_gan_idea()
    figures.gaussian_frontier()
    (curve,) = (line for line in plt.gca().lines if len(line.get_xdata()) > 10)
    assert curve.get_xdata()[0] == pytest.approx(2 - 2**0.5), "no distance: the price of eq. (3.19)"
    figures.dirac_paths({"a": torch.rand(5, 2), "b": torch.rand(9, 2)})
    assert len(plt.gcf().axes) == 2
    rows = [{"weight": w, "psnr": 20 - w, "distance": 9 - w + s} for w in (0.0, 1.0) for s in (0, 2)]
    figures.trade_off(rows, {"live": (19.0, 5.0)})
    joined = plt.gca().lines[0]
    assert joined.get_xdata().tolist() == [20.0, 19.0] and joined.get_ydata().tolist() == [10.0, 9.0]


def test_figures_of_chapters_four_and_five() -> None:
    figures.aae_idea()
    figures.mae_idea(pictures(1)[0])
    figures.position_map(torch.eye(9), 3, [(0, 0), (2, 1)])
    assert [axis.images[0].get_array().argmax() for axis in plt.gcf().axes] == [0, 7]
    names = ("error_at_three_quarters", "fine_tuned", "probed")
    figures.mask_ratio_curves(
        [{"ratio": q, **dict.fromkeys(names, q)} for q in (0.25, 0.5) for _ in range(2)]
    )
    assert len(plt.gcf().axes) == 2
    figures.hidden_curves({"few": {0.25: 2.0, 0.5: 1.0}, "any": {0.25: 0.5, 0.5: 0.7}})
    drawn = [list(line.get_ydata()) for line in plt.gca().lines if line.get_label() in ("few", "any")]
    assert drawn == [[2.0, 1.0], [0.5, 0.7]]


def test_the_rate_curve_shows_every_rate_and_marks_the_suggestion() -> None:
    test = RateTest((1e-3, 1e-2, 1e-1), (3.0, 1.0, 4.0), 1e-3, "loss")
    figures.rate_curve(test)
    (axis,) = plt.gcf().axes
    curve, mark = axis.lines
    assert list(curve.get_xdata()) == list(test.rates) and list(curve.get_ydata()) == list(test.losses)
    assert set(mark.get_xdata()) == {1e-3} and axis.get_xscale() == "log"
    assert "loss" in axis.get_ylabel()


def test_figures_of_chapter_seven() -> None:
    rows = [
        {"method": m, "seed": s, "error": 2.0 + s + k, "distance": 9.0 - s}
        for s in range(3)
        for k, m in enumerate(("a", "b"))
    ]
    half = [{"method": "c", "seed": 0, "error": 5.0}]
    figures.panel_points([*rows, *half], "error", "distance", ("x", "y"), ("b",))
    named = {t.get_text() for t in plt.gcf().axes[0].texts}
    figures.panel_points([{"method": "a", "error": 0.1, "distance": 0.7}] * 3, "error", "distance")
    assert named == {"a", "b"}  # the third has no distance, so no place
    figures.task_chart([*rows, *half], {"first": ("error", False), "second": ("distance", True)})
    texts = [t.get_text() for t in plt.gcf().axes[0].texts]
    assert texts == ["3", "4", "5", "8", "8", "–"]
    figures.distance_line({"a": {100: 3.1, 200: 2.0}}, {"a": (1.0, 200.0)})
    (line,) = [line for line in plt.gcf().axes[0].lines if line.get_linestyle() == "-"]
    # the line that was fitted, and not one through a point
    assert list(line.get_xdata()) == [0, 0.01] and list(line.get_ydata()) == pytest.approx([1.0, 3.0])
    searches = [
        {
            "problem": p,
            "searcher": s,
            **{f"{kind}_{k}": 9.0 - k + seed for kind in ("after", "trial") for k in (1, 2)},
        }
        for p in ("first", "second")
        for s in ("grid", "random")
        for seed in range(3)
    ]
    figures.search_curves(searches, {"first": "error"})
    above, _, below, _ = plt.gcf().axes
    for line in above.lines:  # the median of three seeds is 9, then 8; the least of all is 7
        assert list(line.get_ydata()) == pytest.approx([100 * 2 / 7, 100 / 7])
    assert list(above.lines[0].get_xdata()) == [0.5, 1.0] and list(below.lines[0].get_xdata()) == [1, 2]
    assert above.get_title() == "first: error" and below.get_xlabel() == "trials"
    figures.checkup_chart({"Is it fine?": "Fine: it is.", "And this?": "Look: no."})
    fine, look = plt.gcf().axes[0].patches[:2]
    assert fine.get_facecolor() != look.get_facecolor()
    with pytest.raises(ValueError, match="rows\\[0\\] has no 'after_1'"):
        figures.search_curves([{"problem": "p", "searcher": "s"}])
    with pytest.raises(ValueError, match="up is 'speed', and rows has none with both"):
        figures.panel_points(rows, "error", "speed")
    with pytest.raises(ValueError, match="rows has no 'speed', which tasks"):
        figures.task_chart(rows, {"fast": ("speed", True)})
    with pytest.raises(ValueError, match="lines has no 'a'"):
        figures.distance_line({"a": {100: 3.0}}, {"b": (1.0, 200.0)})
