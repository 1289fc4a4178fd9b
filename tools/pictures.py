"""Draw the pictures of the background page into book/_static/pictures, and the cover of the EPUB.

python tools/pictures.py

They are drawings of mathematics, not of results, so they are kept as files and not drawn again in each build.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import trapezoid
from scipy.optimize import linear_sum_assignment, minimize
from scipy.stats import norm

FOLDER = Path(__file__).resolve().parents[1] / "book" / "_static" / "pictures"
BLUE, RED, GREY = "#0072b2", "#d55e00", "#888888"  # tell apart in all kinds of colour blindness
STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "gencourse"}


def two_peaks(x: np.ndarray) -> np.ndarray:
    """A density with two peaks, the left one higher."""
    return 0.65 * norm.pdf(x, -2, 0.7) + 0.35 * norm.pdf(x, 2.2, 0.8)


def best_gaussians() -> dict[str, tuple[float, float]]:
    """Mean and spread of the best Gaussian in each direction of the divergence, by quadrature."""
    x = np.linspace(-12, 12, 4001)
    p = two_peaks(x)
    mean = trapezoid(x * p, x)
    spread = float(np.sqrt(trapezoid((x - mean) ** 2 * p, x)))

    def reverse(parameters: np.ndarray) -> float:
        log_q = norm.logpdf(x, parameters[0], np.exp(parameters[1]))
        return float(trapezoid(np.exp(log_q) * (log_q - np.log(p + 1e-300)), x))

    found = min(
        (minimize(reverse, (start, 0.0)) for start in (-2.0, 0.0, 2.0)), key=lambda result: result.fun
    )
    return {"KL(p‖q)": (float(mean), spread), "KL(q‖p)": (float(found.x[0]), float(np.exp(found.x[1])))}


def two_kl() -> plt.Figure:
    """A law with two peaks and the two best Gaussians."""
    x = np.linspace(-6, 6, 601)
    figure, axes = plt.subplots(figsize=(4.2, 2.2), layout="constrained")
    axes.fill_between(x, two_peaks(x), color="#dddddd", label="$p$")
    for (name, (mean, spread)), colour, dash in zip(
        best_gaussians().items(), (BLUE, RED), ("-", "--"), strict=True
    ):
        axes.plot(x, norm.pdf(x, mean, spread), dash, color=colour, label=f"least {name}")
    axes.set(yticks=[], xlabel="x")
    axes.spines["left"].set_visible(False)
    axes.legend(frameon=False)
    return figure


def pairings() -> plt.Figure:
    """The best pairing on the line and in the plane."""
    random = np.random.default_rng(4)
    figure, (line, plane) = plt.subplots(2, 1, figsize=(4.2, 4.6), layout="constrained")
    a, b = np.sort(random.normal(0, 1, 8)), np.sort(random.normal(0.8, 1.6, 8))
    line.plot(np.stack([a, b]), [[1] * 8, [0] * 8], color=GREY, lw=1)
    line.plot(a, np.ones(8), "o", color=BLUE)
    line.plot(b, np.zeros(8), "s", color=RED)
    line.set(yticks=[0, 1], yticklabels=["y", "x"], title="on the line: in order", ylim=(-0.3, 1.3))
    line.spines["left"].set_visible(False)
    x, y = random.normal(0, 1, (12, 2)), random.normal(0, 1, (12, 2)) * (1.2, 0.5) + (1.5, 0.5)
    order = linear_sum_assignment(((x[:, None] - y[None]) ** 2).sum(-1))[1]
    for start, end in zip(x, y[order], strict=True):
        plane.plot(*np.stack([start, end]).T, color=GREY, lw=1)
    plane.plot(*x.T, "o", color=BLUE, label="x")
    plane.plot(*y.T, "s", color=RED, label="y")
    plane.set(aspect="equal", xticks=[], yticks=[], title="in the plane: least squared length")
    plane.legend(frameon=False)
    return figure


def cover() -> plt.Figure:
    """The EPUB's cover: the book's title, below it data and samples on a ring, with the judge's field around them."""
    random = np.random.default_rng(2)
    ink, paper = "#f4f5f7", "#0d2b45"
    figure = plt.figure(figsize=(6, 8), facecolor=paper)
    figure.text(
        0.1, 0.86, "Autoencoders, GANs\nand their hybrids", color=ink, fontsize=30, va="top", linespacing=1.25
    )
    figure.text(0.1, 0.66, "a course that proves what it says", color="#9fc4e0", fontsize=16, va="top")
    figure.text(0.1, 0.06, "The gencourse authors", color=ink, fontsize=13)
    axes = figure.add_axes((0.1, 0.12, 0.8, 0.48))
    centres = np.stack([np.cos(turn := np.arange(8) * np.pi / 4), np.sin(turn)], axis=1)
    grid = np.stack(np.meshgrid(np.linspace(-1.9, 1.9, 240), np.linspace(-1.5, 1.5, 190)), axis=-1)
    near = np.exp(-((grid[:, :, None] - centres) ** 2).sum(-1) / 0.12).sum(-1)
    axes.contour(grid[..., 0], grid[..., 1], near, levels=8, colors="#3f78a3", linewidths=0.7)
    for colour, spread, size in (("#f4f5f7", 0.05, 5), ("#ffb25b", 0.12, 7)):
        points = centres.repeat(28, axis=0) + random.normal(0, spread, (224, 2))
        axes.scatter(*points.T, s=size, color=colour, linewidths=0)
    axes.set_aspect("equal")
    axes.axis("off")
    return figure


def main() -> None:
    """Draw all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(STYLE):
        for draw in (two_kl, pairings):
            draw().savefig(FOLDER / f"{draw.__name__}.svg", metadata={"Date": None})
    cover().savefig(FOLDER.parent / "cover.png", dpi=200, metadata={"Software": None})


if __name__ == "__main__":
    main()
