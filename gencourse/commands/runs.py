"""A run's folder: what was asked for, what happened, the weights, pictures, and a page to look at."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import torch
from torch import Tensor

from gencourse.commands.names import METHODS
from gencourse.commands.pictures import Source, largest
from gencourse.data import ImageDataset, save_picture
from gencourse.errors import need_path, shown
from gencourse.files import write_whole
from gencourse.methods import load, load_trained, trained_names
from gencourse.training import History, Method, seeded

__all__ = [
    "CHECKPOINT",
    "CONFIG",
    "Trained",
    "find",
    "interleaved",
    "save_grid",
    "write_config",
    "write_history",
    "write_page",
    "write_pictures",
]

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
        config, own = _asked_for(path)
        method = load(path / CHECKPOINT, averaged=config["training"].get("average") is not None)
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


def _asked_for(folder: Path) -> tuple[dict[str, Any], Source]:
    """What a run was asked for, and its pictures.

    Raises:
        ValueError: the file is damaged, or of another program.
    """
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        own = Source(**config["data"])
        need_path("data", own.data)
        kinds = {"method": str, "settings": dict, "training": dict, "shape": list, "pictures": int}
        kinds |= dict.fromkeys(("command", "gencourse", "torch", "device"), str)
        if wrong := [name for name, kind in kinds.items() if not isinstance(config[name], kind)]:
            raise ValueError(f"{wrong[0]} is {shown(config[wrong[0]])}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"RUN is {str(folder)!r}, and what its {CONFIG} says cannot be used ({type(error).__name__}: {reason}): "
            f"put an earlier copy in its place, or give {str(folder / CHECKPOINT)!r}, the weights alone."
        ) from None
    return config, own


def _other(own: Source, data: str | None) -> Source:
    return own if data is None else Source(data, own.size, own.channels)


def _guess(method: Method, data: str | None) -> Source:
    channels, height, _ = method.shape
    return Source(data or "mnist", height, channels)


# ---- what a run leaves -----------------------------------------------------------------------------------


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """What the run was asked for."""
    write_whole(folder / CONFIG, json.dumps(config, indent=1, ensure_ascii=False))


def write_history(folder: Path, history: History) -> None:
    """The history as JSON and as a table for spreadsheets."""
    write_whole(folder / "history.json", json.dumps(history.epochs, indent=1))
    names = list(dict.fromkeys(name for epoch in history.epochs for name in epoch))
    text = io.StringIO()
    table = csv.DictWriter(text, ["epoch", *names])
    table.writeheader()
    table.writerows({"epoch": n, **epoch} for n, epoch in enumerate(history.epochs, start=1))
    write_whole(folder / "history.csv", text.getvalue())


def write_pictures(folder: Path, method: Method, history: History, test: ImageDataset) -> dict[str, str]:
    """Curves, held-out pictures, samples and reconstructions, as far as the method can make them.

    Returns:
        What it cannot do, to the sentence that says why.
    """
    _curves(folder / "curves.png", history)
    x, _ = next(iter(test.batches(min(64, len(test)))))
    save_grid(x, folder / "pictures.png")
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
:root { color-scheme: light dark; --quiet: #595959; --line: #8885; --card: #fff; --link: #0b57d0; }
:root { background: #fff; color: #1c1c1c; }
a { color: var(--link); }
body { font: 1rem/1.55 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; border-bottom: 1px solid var(--line); }
header p { color: var(--quiet); margin: .3rem 0 0; }
figure { margin: 0 0 1.25rem; }
figcaption { color: var(--quiet); font-size: .9rem; margin-top: .35rem; }
img { display: block; max-width: 100%; height: auto; border-radius: 6px; background: var(--card); }
img.pixels { image-rendering: pixelated; width: 36rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1.25rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .2rem .8rem; border-bottom: 1px solid var(--line); vertical-align: top; }
table.words th:last-child, table.words td:last-child { text-align: left; }
table.words td:last-child { min-width: 12rem; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; margin: 0; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
code, pre { font: .9em/1.6 ui-monospace, monospace; background: #8882; border-radius: 4px; }
code { padding: .1rem .3rem; overflow-wrap: anywhere; }
pre { padding: .6rem .8rem; margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; padding: .4rem 0; }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; } }
@media (prefers-color-scheme: dark) {
  :root { --quiet: #b0b0b0; --card: #000; --link: #8ab4f8; background: #121212; color: #e6e6e6; }
  img.chart { filter: invert(.93) hue-rotate(180deg); background: #fff; }
}
"""

_LONG = 12  # epochs: a longer history is folded


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
    shape = "×".join(map(str, config["shape"]))
    summary = (
        f"{config['pictures']} pictures of {shape}, {len(history)} epochs in {_duration(history.seconds)}"
    )
    parts = [f"<header>\n<h1>{html.escape(title)}</h1>\n<p>{summary}</p>\n</header>"]
    real = _picture(folder / "pictures.png", "Real pictures, held out from training", "pixels")
    parts.append("<h2>Samples</h2>")
    if "samples" in missing:
        parts.append(f"<p>{html.escape(missing['samples'])}</p>")
    else:
        drawn = _picture(folder / "samples.png", "Pictures drawn from the trained method", "pixels")
        parts.append(f'<div class="pair">\n{drawn}\n{real}\n</div>')
    parts.append("<h2>Reconstructions</h2>")
    if "reconstructions" in missing:
        parts.append(f"<p>{html.escape(missing['reconstructions'])}</p>")
    else:
        words = "Held-out pictures, each row above its reconstructions"
        parts.append(_picture(folder / "reconstructions.png", words, "pixels"))
    if figures:
        from gencourse.evaluation import MEANING

        parts.append("<h2>Figures on held-out pictures</h2>")
        rows = [(name, f"{value:.4g}", MEANING.get(name, "")) for name, value in figures.items()]
        parts.append(_table(("figure", "value", "what it is"), rows, words=True))
    parts.append("<h2>Training</h2>")
    parts.append(_picture(folder / "curves.png", "Means of each recorded quantity over the epochs", "chart"))
    names = [*history.names, "seconds"]
    table = _table(
        ("epoch", *names),
        [
            (str(n), *(f"{epoch[name]:.4g}" if name in epoch else "" for name in names))
            for n, epoch in enumerate(history.epochs, start=1)
        ],
    )
    opened = " open" if len(history) <= _LONG else ""
    parts.append(f"<details{opened}><summary>Every epoch in numbers</summary>\n{table}\n</details>")
    parts.append(f"<h2>How it was made</h2>\n{_about(config)}")
    parts.append(f"<h2>Go on</h2>\n{_go_on(folder, missing)}")
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )
    path = folder / "index.html"
    write_whole(path, page)
    return path


def _about(config: dict[str, Any]) -> str:
    facts = {
        "command": config["command"],
        "settings": ", ".join(f"{k} = {v}" for k, v in config["settings"].items()) or "the method's own",
        "training": ", ".join(f"{k} = {v}" for k, v in config["training"].items() if v is not None),
        "pictures from": config["data"]["data"],
        "ran on": f"{config['device']}, torch {config['torch']}, gencourse {config['gencourse']}",
    }
    rows = "".join(
        f"<dt>{name}</dt><dd>{'<code>' * (name == 'command')}{html.escape(text)}"
        f"{'</code>' * (name == 'command')}</dd>\n"
        for name, text in facts.items()
    )
    return f"<dl>\n{rows}</dl>"


def _go_on(folder: Path, missing: dict[str, str]) -> str:
    """What to type next, and the files of the run."""
    run = shlex.quote(str(folder))
    verbs = [("samples", f"gencourse sample {run} --n 100")]
    verbs += [("reconstructions", f"gencourse reconstruct {run}"), ("", f"gencourse evaluate {run}")]
    lines = [line for needs, line in verbs if needs not in missing]
    names = [path.name for path in sorted(folder.iterdir()) if path.is_file() and path.name != "index.html"]
    links = ", ".join(f'<a href="{quote(name)}">{html.escape(name)}</a>' for name in names)
    typed = html.escape("\n".join(lines))
    longer = "The same command with more epochs and <code>--resume</code> trains longer."
    return f"<pre>{typed}</pre>\n<p>{longer} Files: {links}.</p>"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _picture(path: Path, words: str, kind: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    alt = html.escape(words, quote=True)
    source = f"data:image/png;base64,{data}"
    return f'<figure><img class="{kind}" alt="{alt}" src="{source}"><figcaption>{alt}.</figcaption></figure>'


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], *, words: bool = False) -> str:
    """A table of numbers; with words in its last column, if it is said."""
    top = "".join(f'<th scope="col">{html.escape(one)}</th>' for one in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(one)}</td>" for one in row) + "</tr>\n" for row in rows
    )
    kind = ' class="words"' if words else ""
    inside = f"<thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody>"
    # what can be moved sideways can be moved with the keyboard, too
    label = 'role="region" tabindex="0" aria-label="Table"'
    return f'<div class="wide" {label}><table{kind}>\n{inside}\n</table></div>'


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
