"""A run's folder: what was asked for, what happened, the weights, pictures, and a page to look at."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gencourse.commands.names import METHODS
from gencourse.commands.pictures import Source, largest
from gencourse.data import ImageDataset, save_picture
from gencourse.methods import load, load_trained, trained_names
from gencourse.training import History, Method, seeded

__all__ = ["CHECKPOINT", "Trained", "find", "interleaved", "write_history", "write_page", "write_pictures"]

CHECKPOINT, CONFIG, EVALUATION = "run.safetensors", "config.json", "evaluation.json"
_ROW = 8  # pictures side by side


@dataclass(frozen=True)
class Trained:
    """A trained method, found by a word on the command line.

    Attributes:
        name: what it is called in answers.
        method: on the CPU, in eval mode.
        source: the pictures that it learnt from.
        config: what its run was asked for; empty for a shipped network and for a file alone.
        folder: of the run; None for a shipped network and for a file alone.
    """

    name: str
    method: Method
    source: Source
    config: dict[str, Any]
    folder: Path | None = None


def find(what: str, data: str | None = None) -> Trained:
    """A run's folder, a checkpoint, or the name of a shipped network.

    Args:
        what: the word. A folder or file that exists comes before a name.
        data: pictures to use instead of its own.

    Raises:
        FileNotFoundError: it is none of the three, or a folder without a run.
        ValueError: the checkpoint is damaged.
    """
    path = Path(what)
    if path.is_dir():
        if not (path / CONFIG).is_file() or not (path / CHECKPOINT).is_file():
            raise FileNotFoundError(
                f"RUN is {what!r}, a folder without a finished epoch of a run: give one that 'gencourse train' wrote."
            )
        config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
        averaged = config["training"].get("average") is not None
        own = Source(**config["data"])
        method = load(path / CHECKPOINT, averaged=averaged)
        return Trained(path.resolve().name, method, _other(own, data), config, path)
    if path.is_file():
        method = load(path)
        return Trained(path.stem, method, _guess(method, data), {})
    if what.lower() in trained_names():
        method = load_trained(what)
        return Trained(what.lower(), method, _guess(method, data), {})
    if what.lower() in METHODS or (not path.suffix and len(path.parts) == 1):
        raise FileNotFoundError(
            f"RUN is {what!r}: there is no such folder or file, and the networks that ship are "
            f"{', '.join(trained_names())}."
        )
    raise FileNotFoundError(f"RUN is {what!r}: there is no such folder or file.")


def _other(own: Source, data: str | None) -> Source:
    return own if data is None else Source(data, own.size, own.channels)


def _guess(method: Method, data: str | None) -> Source:
    channels, height, _ = method.shape
    return Source(data or "mnist", height, channels)


# ---- what a run leaves -----------------------------------------------------------------------------------


def write_history(folder: Path, history: History) -> None:
    """The history as JSON and as a table for spreadsheets."""
    (folder / "history.json").write_text(json.dumps(history.epochs, indent=1), encoding="utf-8")
    names = list(dict.fromkeys(name for epoch in history.epochs for name in epoch))
    with open(folder / "history.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["epoch", *names])
        table.writeheader()
        table.writerows({"epoch": n, **epoch} for n, epoch in enumerate(history.epochs, start=1))


def write_pictures(folder: Path, method: Method, history: History, test: ImageDataset) -> dict[str, str]:
    """Curves, samples and reconstructions, as far as the method can make them.

    Returns:
        What it cannot do, to the sentence that says why.
    """
    _curves(folder / "curves.png", history)
    missing = {}
    try:
        drawn = method.sample(64, torch.Generator(method.device).manual_seed(0))
        save_picture(largest(drawn.clamp(0, 1)), folder / "samples.png")
    except NotImplementedError as reason:
        missing["samples"] = str(reason)
    try:
        pairs = interleaved(method, test.take(min(32, len(test))))
        save_grid(pairs, folder / "reconstructions.png")
    except NotImplementedError as reason:
        missing["reconstructions"] = str(reason)
    return missing


@torch.no_grad()
def interleaved(method: Method, test: ImageDataset, seed: int = 0) -> Tensor:
    """Pictures and, in the row below, what the method makes of them."""
    from gencourse.evaluation.panel import told

    x, y = next(iter(test.batches(len(test), device=method.device)))
    with seeded(seed):
        x_hat = told(method.reconstruct, x, y=y, generator=torch.Generator(method.device).manual_seed(seed))
    rows = [part for pair in zip(x.split(_ROW), x_hat.split(_ROW), strict=True) for part in pair]
    # a last row that is not full is filled with white
    full = [torch.cat([r, r.new_ones(_ROW - len(r), *r.shape[1:])]) for r in rows]
    return torch.cat(full).cpu().clamp(0, 1)


def save_grid(x: Tensor, path: Path) -> None:
    """Pictures (N, C, H, W) in rows of eight."""
    from torchvision.utils import make_grid

    grid = make_grid(largest(x), nrow=_ROW, pad_value=1.0)
    save_picture(grid[: x.shape[1]], path)


def _curves(path: Path, history: History) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    from gencourse.figures.style import style

    with style():
        figure, axis = plt.subplots(figsize=(7, 3.6))
        for name in history.names:
            axis.plot(range(1, len(history) + 1), history[name], marker="o", markersize=3, label=name)
        sizes = [value for name in history.names for value in history[name]]
        if min(sizes) > 0 and max(sizes) > 30 * min(sizes):  # or the small curves lie on the axis
            axis.set_yscale("log")
        axis.set(xlabel="epoch", ylabel="mean over the epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.legend()
        figure.savefig(path)
        plt.close(figure)


# ---- the page --------------------------------------------------------------------------------------------

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
img { max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
img.pixels { image-rendering: pixelated; width: 36rem; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .15rem .7rem; border-bottom: 1px solid #8884; }
th:first-child, table.words th:last-child, table.words td:last-child { text-align: left; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
code { background: #8882; padding: .1rem .3rem; border-radius: 3px; overflow-wrap: anywhere; }
"""


def write_page(
    folder: Path,
    config: dict[str, Any],
    history: History,
    missing: dict[str, str],
    figures: dict[str, float] | None = None,
) -> Path:
    """`index.html`: everything in one file, nothing asked of the network.

    Args:
        folder: of the run, with its pictures.
        config: what was asked for.
        history: what happened.
        missing: what the method cannot do, to the reason.
        figures: measured ones, if there are any.
    """
    title = f"{config['method']} on {Path(config['data']['data']).name}"
    parts = [f"<h1>{html.escape(title)}</h1>", _about(config, history)]
    if figures:
        from gencourse.evaluation import MEANING

        parts.append("<h2>Figures on held-out pictures</h2>")
        rows = [(name, f"{value:.4g}", MEANING.get(name, "")) for name, value in figures.items()]
        parts.append(_table(("figure", "value", "what it is"), rows, words=True))
    parts.append("<h2>Training</h2>")
    parts.append(_picture(folder / "curves.png", "Means of each recorded quantity over the epochs", ""))
    for name, words in (
        ("samples", "Pictures drawn from the trained method"),
        ("reconstructions", "Held-out pictures, each row above its reconstructions"),
    ):
        parts.append(f"<h2>{name.capitalize()}</h2>")
        if name in missing:
            parts.append(f"<p>{html.escape(missing[name])}</p>")
        else:
            parts.append(_picture(folder / f"{name}.png", words, "pixels"))
    parts.append("<h2>History</h2>")
    names = [*history.names, "seconds"]
    table = [
        (str(n), *(f"{epoch[name]:.4g}" if name in epoch else "" for name in names))
        for n, epoch in enumerate(history.epochs, start=1)
    ]
    parts.append(_table(("epoch", *names), table))
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )
    path = folder / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


def _about(config: dict[str, Any], history: History) -> str:
    facts = {
        "command": config["command"],
        "pictures": f"{config['pictures']} of {'×'.join(map(str, config['shape']))}",
        "settings": ", ".join(f"{k} = {v}" for k, v in config["settings"].items()) or "the method's own",
        "training": ", ".join(f"{k} = {v}" for k, v in config["training"].items() if v is not None),
        "ran on": f"{config['device']}, torch {config['torch']}, gencourse {config['gencourse']}",
        "time": f"{len(history)} epochs in {history.seconds:.0f} s",
    }
    rows = "".join(
        f"<dt><strong>{name}</strong></dt><dd>{'<code>' * (name == 'command')}{html.escape(text)}"
        f"{'</code>' * (name == 'command')}</dd>"
        for name, text in facts.items()
    )
    return f"<dl>{rows}</dl>"


def _picture(path: Path, words: str, kind: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    alt = html.escape(words, quote=True)
    return f'<p>{alt}.</p>\n<img class="{kind}" alt="{alt}" src="data:image/png;base64,{data}">'


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], *, words: bool = False) -> str:
    """A table of numbers; with words in its last column, if it is said."""
    top = "".join(f'<th scope="col">{html.escape(one)}</th>' for one in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(one)}</td>" for one in row) + "</tr>\n" for row in rows
    )
    kind = ' class="words"' if words else ""
    inside = f"<thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody>"
    return f'<div class="wide"><table{kind}>\n{inside}\n</table></div>'


def as_text(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table for a terminal: columns side by side."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    out = io.StringIO()
    for line in lines:
        out.write(
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() + "\n"
        )
    return out.getvalue().rstrip()
