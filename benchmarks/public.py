"""`fit` beside public implementations of the same models, as they are, in turn, on one thread.

    git clone https://github.com/eriklindernoren/PyTorch-GAN FOLDER/PyTorch-GAN
    git clone https://github.com/facebookresearch/mae FOLDER/mae
    pip install timm                                             which the second one needs
    python benchmarks/public.py --from FOLDER                    prints the table
    python benchmarks/public.py --from FOLDER --write            also writes it into benchmarks/README.md

Nothing of theirs is kept here. PyTorch-GAN's scripts are run as they stand, from their own folder layout, with
--n_epochs 1 and --batch_size 64; only `save_image` does nothing, and what they print is thrown away. What is timed
begins at their line "for epoch in range": their data pipeline, their losses, their optimisers. The masked autoencoder
is their class in a plain AdamW loop over torchvision's MNIST, 32 pixels, three channels; the argument `qk_scale` and
the name `np.float`, which today's timm and NumPy no longer have, are put right in memory.

`fit` trains the method of `benchmarks/training.py` on as many pictures. For the Wasserstein GAN these are the pictures
that the critic sees: the script makes one move of the critic with each mini-batch, `fit` five, so it gets a fifth of
them. PyTorch-GAN's dense and convolutional scripts let both players move on the same generated pictures; the course's
GAN draws new noise for each move, which is one more pass of the generator. Their adversarial autoencoder moves encoder
and decoder once, down a sum; the course's moves the encoder a second time, as the paper does. Both orders of play are
measured, `fit` in the course's and in theirs; theirs are the classes `OneDraw` and `Joint` below.

"float32" and "any" precision are as written or in another formulation, whichever a short measurement found fastest,
once, before the clock starts; the table says which. Seconds are those of the process, so that other work on the machine
hardly counts. A ratio is the median over the rounds, with the least and the most in brackets.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from common import chosen, facts, grouped, in_turn, ratio, write
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import MNIST
from training import METHODS, write_torchvision_mnist

from gencourse.data import ImageDataset, load
from gencourse.losses import discriminator_loss, generator_loss, squared_error
from gencourse.methods import AAE, GAN
from gencourse.networks import Plan
from gencourse.training import Method, Mover, fit
from gencourse.training.precision import PRECISIONS, Way

SIZES = {"img_size": 32, "patch_size": 4, "in_chans": 3, "embed_dim": 96, "depth": 4, "num_heads": 4}
DECODER = {"decoder_embed_dim": 64, "decoder_depth": 2, "decoder_num_heads": 4}


class OneDraw(GAN):
    """The scripts' order of play: the pictures that the generator draws for a mini-batch serve both moves."""

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One pass of the generator, which stands still while the discriminator moves."""
        fake = self.generate(self.noise(len(x)), y)
        d = update("discriminator", self.discriminator_loss(x, fake.detach(), y))
        g = update("generator", self.generator_loss(fake, x, y))
        return {"discriminator": d, "generator": g}


class Joint(AAE):
    """The script's two moves: reconstruction and deception in one sum, then the judge; the paper has three."""

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """Encoder and decoder are one player."""
        players = super().players()
        return {name: players[name] for name in ("autoencoder", "discriminator")}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One pass of the encoder for both."""
        z = self.encode(x)
        both = 0.999 * squared_error(self.decode(z), x) + 0.001 * generator_loss(self.score(z))
        a = update("autoencoder", both)
        judged = discriminator_loss(self.score(self.draw(len(x))), self.score(z.detach()))
        return {"autoencoder": a, "discriminator": update("discriminator", judged)}


def joint() -> Method:
    return Joint(Plan("dense", (512, 512)), 10, (1, 32, 32), encoder="gaussian", judge=(512, 256))


def one_draw(name: str, side: int) -> Callable[[], Method]:
    return lambda: OneDraw(name, (1, side, side), noise_size=100)


class Pair(NamedTuple):
    """A public implementation, ours, and how many times as fast ours is meant to be."""

    folder: str  # of their script
    ours: Mapping[str, Callable[[], Method]]  # one or two, by name
    float32: float
    any: float
    share: float = 1.0  # pictures of ours for one of theirs
    part: float = 1.0  # of --images: fewer for a slow one, more where a round would be short


PAIRS = {
    "dense GAN": Pair(
        folder="gan",
        ours={"new noise for each move": METHODS["GAN, dense"], "one draw": one_draw("dense", 28)},
        float32=1.8,
        any=2.6,
        part=3,
    ),
    "DCGAN, 32 pixels": Pair(
        folder="dcgan",
        ours={"new noise for each move": METHODS["GAN, DCGAN"], "one draw": one_draw("dcgan", 32)},
        float32=2.0,
        any=3.5,
        part=0.4,
    ),
    "AAE, 32 pixels": Pair(
        folder="aae",
        ours={"three moves": METHODS["adversarial autoencoder, 1×32×32"], "two moves": joint},
        float32=1.8,
        any=2.0,
        part=3,
    ),
    "WGAN-GP": Pair(
        folder="wgan_gp",
        ours={"": METHODS["GAN, dense, Wasserstein with gradient penalty"]},
        float32=1.4,
        any=2.0,
        share=0.2,
        part=2,
    ),
    "ViT MAE, 3×32×32": Pair(
        folder="mae", ours={"": METHODS["masked autoencoder, 3×32×32"]}, float32=1.3, any=1.9, part=0.75
    ),
}


@contextlib.contextmanager
def quiet(folder: Path) -> Iterator[None]:
    """In this folder, without a word."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
            yield
    finally:
        os.chdir(before)


def script(source: Path, name: str, place: Path, batch_size: int) -> Callable[[], float]:
    """A script of PyTorch-GAN, cut at its loop: what comes before is not timed."""
    path = source / "PyTorch-GAN" / "implementations" / name / f"{name}.py"
    before, after = path.read_text(encoding="utf-8").split("\nfor epoch in range(", 1)
    setting_up = compile(before, str(path), "exec")
    loop = compile(f"for epoch in range({after}", str(path), "exec")

    def seconds() -> float:
        import torchvision.utils

        names = {"__name__": "__main__"}
        arguments, saving = sys.argv, torchvision.utils.save_image
        sys.argv = [str(path), "--n_epochs", "1", "--batch_size", str(batch_size)]
        torchvision.utils.save_image = lambda *_, **__: None
        try:
            with quiet(place):
                exec(setting_up, names)
                start = time.process_time()
                exec(loop, names)
                return time.process_time() - start
        finally:
            sys.argv, torchvision.utils.save_image = arguments, saving

    return seconds


def masked_autoencoder(source: Path, place: Path, batch_size: int) -> Callable[[], float]:
    """The published model in a plain loop."""
    import numpy as np

    folder = source / "mae"
    code = (folder / "models_mae.py").read_text(encoding="utf-8").replace("qk_scale=None, ", "")
    if not hasattr(np, "float"):
        np.float = float  # type: ignore[attr-defined]
    sys.path.insert(0, str(folder))
    names: dict[str, object] = {"__name__": "models_mae"}
    exec(compile(code, str(folder / "models_mae.py"), "exec"), names)
    make = names["MaskedAutoencoderViT"]
    steps = [transforms.Resize(32), transforms.Grayscale(3), transforms.ToTensor()]

    def seconds() -> float:
        with quiet(place):
            model = make(**SIZES, **DECODER)  # type: ignore[operator]
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.05)
            data = MNIST("../../data/mnist", train=True, transform=transforms.Compose(steps))
            start = time.process_time()
            for x, _ in DataLoader(data, batch_size=batch_size, shuffle=True):
                loss, _, _ = model(x, mask_ratio=0.75)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                loss.item()
            return time.process_time() - start

    return seconds


def ours(make: Callable[[], Method], data: ImageDataset, way: Way, batch_size: int) -> Callable[[], float]:
    """One pass of `fit`."""
    precision, formulation = way

    def seconds() -> float:
        method = make()
        start = time.process_time()
        fit(
            method,
            data,
            batch_size=batch_size,
            device="cpu",
            precision=precision,
            formulation=formulation,
            progress=False,
        )
        return time.process_time() - start

    return seconds


def rows_of(model: str, source: Path, digits: ImageDataset, args: argparse.Namespace) -> list[str]:
    """One row of the table for each of our methods."""
    pair, size = PAIRS[model], args.batch_size
    images = int(args.images * pair.part)
    channels, side, _ = next(iter(pair.ours.values()))().shape
    few = digits.take(int(images * pair.share))
    pictures = pad(few.images, ((side - 28) // 2,) * 4).repeat(1, channels, 1, 1)
    data = ImageDataset(pictures, few.labels)
    with tempfile.TemporaryDirectory() as root:
        place = Path(root) / "implementations" / pair.folder
        place.mkdir(parents=True)
        write_torchvision_mnist(digits.take(images), Path(root, "data", "mnist"))
        if pair.folder == "mae":
            ways = {"public": masked_autoencoder(source, place, size)}
        else:
            ways = {"public": script(source, pair.folder, place, size)}
        taken = {}
        for name, make in pair.ours.items():
            for column, precisions in (("float32", ["float32"]), ("any", list(PRECISIONS))):
                way = taken[name, column] = chosen(make(), data, size, precisions)
                ways[f"{name}/{column}"] = ours(make, data, way, size)
        for way in ways.values():
            way()
        rates = {label: (lambda way=way: images / way()) for label, way in ways.items()}
        found = in_turn(rates, args.repeats)
    public = grouped(statistics.median(found["public"]))
    rows = []
    for name in pair.ours:
        cells = [f"{model}: {name}" if name else model, public]
        for column, meant in (("float32", pair.float32), ("any", pair.any)):
            middle, least, most = ratio(found, f"{name}/{column}", "public")
            rate = grouped(statistics.median(found[f"{name}/{column}"]))
            cells += [
                rate,
                f"{middle:.2f} ({least:.2f}–{most:.2f})",
                f"{meant:g}",
                f"{taken[name, column]}",
            ]
        rows.append(f"| {' | '.join(cells)} |")
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--from", dest="source", type=Path, required=True, help="where both are cloned")
    parser.add_argument("--images", type=int, default=1280, help="of a round, about: see `part`")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3, help="rounds; the median counts")
    parser.add_argument("--model", choices=PAIRS, action="append", help="only this one; may be repeated")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    args = parser.parse_args()
    source = args.source.resolve()
    for folder in ("PyTorch-GAN", "mae"):
        if not (source / folder).is_dir():
            raise SystemExit(f"--from is {str(source)!r}, without a folder {folder}: see --help.")

    torch.set_num_threads(1)
    digits = load("mnist")
    rows = [
        "| model | public | float32 | ÷ public | meant | computed in | any | ÷ public | meant | computed in |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for model in args.model or PAIRS:
        rows += rows_of(model, source, digits, args)
    notes = (
        f"Images per second. One thread, batch size {args.batch_size}, about {args.images} images a round, "
        f"{args.repeats} rounds in turn, seconds of the process. {facts()}"
    )
    text = "\n".join(rows) + f"\n\n{notes}"
    print(f"\n{text}")
    if args.write:
        write("public", text)


if __name__ == "__main__":
    main()
