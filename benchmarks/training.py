"""What the training loop costs: `fit` against a textbook loop, and against the least that it could cost.

    python benchmarks/training.py            prints images per second and two ratios a method
    python benchmarks/training.py --write    also writes them into benchmarks/README.md

Four ways to train the same network on the same images with the same batch size and Adam settings:

textbook   torchvision's MNIST with ToTensor, a shuffling DataLoader, Adam as `torch.optim` gives it, and
           zero_grad, backward, step and .item() for each loss
fit        `gencourse.training.fit`
fastest    `fit` in the precision and formulation that precision="auto" would choose
limit      the updates that `fit` makes, on mini-batches that were made beforehand: no data to fetch, no loop

The limit does not train on one mini-batch over and over: that drives Adam's moments into denormal numbers,
on which a CPU is slow, and `fit` would look faster than its own limit.

They take turns, so that whatever else the machine does hits all alike. A rate is a median over the
rounds, a ratio the median of the ratios within a round.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from common import chosen, facts, grouped, write
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import Compose, Lambda, Pad, ToTensor

from gencourse.data import ImageDataset, load
from gencourse.methods import AAE, GAN, MAE, Autoencoder
from gencourse.networks import Plan, UpsampleConv2d
from gencourse.training import Method, Update, adam, choose_device, fit
from gencourse.training.precision import PRECISIONS, Way

# A new chapter adds its method here; all three ways of training it follow from its `players` and `step`.
METHODS: dict[str, Callable[[], Method]] = {
    "autoencoder, dense": lambda: Autoencoder(Plan("dense", (512,)), code_size=16),
    "autoencoder, conv": lambda: Autoencoder("conv", code_size=32),
    "GAN, dense": lambda: GAN("dense", noise_size=100),
    "GAN, DCGAN": lambda: GAN("dcgan", (1, 32, 32), noise_size=100),
    # five moves of the critic for every mini-batch: five times the work of a loop that takes a new one for each
    "GAN, dense, Wasserstein with gradient penalty": lambda: GAN(
        "dense", noise_size=100, loss="wasserstein", gradient_penalty=10.0, critic_steps=5
    ),
    # two public implementations' sizes, without the batch norm of the first
    "adversarial autoencoder, 1×32×32": lambda: AAE(
        Plan("dense", (512, 512)), 10, (1, 32, 32), encoder="gaussian", judge=(512, 256)
    ),
    "adversarial autoencoder, one hidden layer": lambda: AAE(
        Plan("dense", (512,)), 16, encoder="gaussian", judge=(256,)
    ),
    # digits in a black frame, three equal channels: the size at which a public implementation was measured
    "masked autoencoder, 3×32×32": lambda: MAE(
        (3, 32, 32), patch=4, width=96, depth=4, decoder_width=64, decoder_depth=2, class_token=True
    ),
}


# a pass of about a second for each, where the others take --images pictures
PARTS = {
    "autoencoder, dense": 6,
    "autoencoder, conv": 3,
    "GAN, dense": 2,
    "GAN, DCGAN": 0.3,
    "GAN, dense, Wasserstein with gradient penalty": 0.5,
    "adversarial autoencoder, 1×32×32": 2,
    "adversarial autoencoder, one hidden layer": 4,
    "masked autoencoder, 3×32×32": 0.5,
}


class TextbookMover:
    """What tutorials write: zero_grad, backward through everything, step, item."""

    def __init__(self, method: Method) -> None:
        self.optimizers = {
            name: torch.optim.Adam(own, lr=method.learning_rate, betas=method.betas)
            for name, own in method.players().items()
        }

    def __call__(self, player: str, loss: Tensor) -> float:
        self.optimizers[player].zero_grad()
        with torch.autocast(loss.device.type, enabled=False):
            loss.backward()
        self.optimizers[player].step()
        # as between the autocast blocks of a tutorial: the next player sees the moved weights
        torch.clear_autocast_cache()
        return loss.item()


class Bench:
    """These ways, for one choice of device, precision, batch size, images and their shape."""

    def __init__(
        self,
        digits: ImageDataset,
        shape: tuple[int, int, int],
        folder: Path,
        device: torch.device,
        args: argparse.Namespace,
    ) -> None:
        channels, height, _ = shape
        self.frame, self.channels = (height - 28) // 2, channels
        images = torch.nn.functional.pad(digits.images, (self.frame,) * 4).repeat(1, channels, 1, 1)
        data = ImageDataset(images, digits.labels)
        self.data, self.folder, self.device = data, folder, device
        self.batch_size: int = args.batch_size
        self.precision: str = args.precision
        self.ready = list(data.batches(args.batch_size, device=device))
        self.way = Way("float32")
        write_torchvision_mnist(digits, folder)

    def textbook(self, method: Method) -> None:
        as_published(method)
        method.to(self.device).train()
        move = TextbookMover(method)
        steps = [Pad(self.frame)] if self.frame else []
        steps.append(ToTensor())
        if self.channels > 1:
            steps.append(Lambda(lambda x: x.expand(self.channels, -1, -1)))
        images = MNIST(str(self.folder), train=True, transform=Compose(steps))
        for x, y in DataLoader(images, batch_size=self.batch_size, shuffle=True):
            with self._autocast():
                method.step(x.to(self.device), move, y.to(self.device))

    def fit(self, method: Method) -> None:
        fit(
            method,
            self.data,
            batch_size=self.batch_size,
            device=self.device,
            precision=self.precision,
            progress=False,
        )

    def fastest(self, method: Method) -> None:
        """`fit` in the precision and formulation that `choose` found."""
        precision, formulation = self.way
        fit(
            method,
            self.data,
            batch_size=self.batch_size,
            device=self.device,
            precision=precision,
            formulation=formulation,
            progress=False,
        )

    def limit(self, method: Method) -> None:
        method.to(self.device).train()
        players = {name: list(own) for name, own in method.players().items()}
        move = Update(
            players, {n: adam(own, method.learning_rate, method.betas) for n, own in players.items()}
        )
        for x, y in self.ready:
            with self._autocast():
                method.step(x, move, y)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def rate(self, way: Callable[[Method], None], make: Callable[[], Method]) -> float:
        """Images per second of one pass over the data."""
        method = make()
        start = time.perf_counter()
        way(method)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return len(self.data) / (time.perf_counter() - start)


def as_published(method: Method) -> None:
    """Doubling and convolving as two layers, as the DCGAN is usually written: the same function, more work."""
    for parent in list(method.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, UpsampleConv2d):
                plain = nn.Conv2d(layer.in_channels, layer.out_channels, 3, padding=1)
                plain.load_state_dict(layer.state_dict())
                setattr(parent, name, nn.Sequential(nn.Upsample(scale_factor=2), plain))


def write_torchvision_mnist(data: ImageDataset, folder: Path) -> None:
    """The images as the raw files that torchvision looks for, so that it downloads nothing."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for prefix in ("train", "t10k"):  # torchvision looks for both, though only the first is read here
        for name, values in (("images-idx3", data.images.squeeze(1)), ("labels-idx1", data.labels.byte())):
            header = bytes([0, 0, 8, values.dim()]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
            (raw / f"{prefix}-{name}-ubyte").write_bytes(header + values.numpy().tobytes())


def measure(name: str, bench: Bench, warm: Bench, repeats: int) -> dict[str, float]:
    """Medians over rounds in which the ways take turns."""
    make = METHODS[name]
    ways = ("textbook", "fit", "limit", "fastest")
    bench.way = warm.way = chosen(make().to(bench.device), bench.data, bench.batch_size, list(PRECISIONS))
    for way in ways:
        warm.rate(getattr(warm, way), make)
    rounds: list[dict[str, float]] = []
    for turn in range(repeats):
        order = [ways[(turn + i) % len(ways)] for i in range(len(ways))]
        rounds.append({way: bench.rate(getattr(bench, way), make) for way in order})
    return {way: statistics.median(r[way] for r in rounds) for way in ways} | {
        "fit/textbook": statistics.median(r["fit"] / r["textbook"] for r in rounds),
        "fastest/textbook": statistics.median(r["fastest"] / r["textbook"] for r in rounds),
        "fit/limit": statistics.median(r["fit"] / r["limit"] for r in rounds),
    }


def table(results: dict[str, dict[str, float]], parameters: dict[str, int], ways: dict[str, Way]) -> str:
    rows = [
        "| method | parameters | textbook | fit | limit | fit ÷ textbook | fit ÷ limit | fastest ÷ textbook | as |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, r in results.items():
        rates = " | ".join(grouped(r[way]) for way in ("textbook", "fit", "limit"))
        count = grouped(parameters[name])
        rows.append(
            f"| {name} | {count} | {rates} | {r['fit/textbook']:.2f} | {r['fit/limit']:.3f} | "
            f"{r['fastest/textbook']:.2f} | {ways[name]} |"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--images", type=int, default=1280, help="of a measured pass, about: see PARTS")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3, help="rounds; the median counts")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--method", choices=METHODS, action="append", help="only this one; may be repeated")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    device = choose_device(args.device)
    digits = load("mnist")
    results: dict[str, dict[str, float]] = {}
    parameters: dict[str, int] = {}
    ways: dict[str, Way] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(args.method or METHODS):
            data = digits.take(int(args.images * PARTS[name]))
            few = data.take(min(len(data), 5 * args.batch_size))
            shape = METHODS[name]().shape
            bench = Bench(data, shape, Path(folder, f"{number} all"), device, args)
            warm = Bench(few, shape, Path(folder, f"{number} few"), device, args)
            results[name] = measure(name, bench, warm, args.repeats)
            ways[name] = bench.way
            parameters[name] = sum(p.numel() for p in METHODS[name]().parameters())
            print(name, {k: round(v, 3) for k, v in results[name].items()}, flush=True)

    settings = (
        f"Images per second. {args.threads} thread(s), {args.precision}, batch size {args.batch_size}, about "
        f"{args.images} images a pass, median of {args.repeats} rounds. {facts(device)}"
    )
    text = f"{table(results, parameters, ways)}\n\n{settings}"
    print(f"\n{text}")
    if args.write:
        write("training", text)


if __name__ == "__main__":
    main()
