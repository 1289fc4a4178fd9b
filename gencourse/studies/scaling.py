"""Studies of chapter 6: what a step costs, what each lever brings, and document 004's network at its full size."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from gencourse.data import ImageDataset, save_picture, shapes, stream
from gencourse.methods import GAN, MAE, Autoencoder
from gencourse.networks import Plan
from gencourse.presets import preset
from gencourse.studies.engine import Study
from gencourse.training import Method, Update, adam, seeded, training_memory

__all__ = [
    "DOCUMENT_004",
    "LEVERS",
    "STEP_TIME",
    "document_004",
    "document_004_network",
    "levers",
    "picture_method",
    "step_time",
]

KINDS = ("autoencoder", "GAN", "MAE")


def picture_method(kind: str, side: int = 64, seed: int = 0) -> Method:
    """The small networks with which chapter 6 learns from coloured pictures.

    Args:
        kind: "autoencoder", "GAN" or "MAE".
        side: of the pictures in pixels.
        seed: of the weights.
    """
    shape = (3, side, side)
    if kind == "autoencoder":
        return Autoencoder(Plan("conv"), 32, shape, seed=seed)
    if kind == "GAN":
        return GAN(shape=shape, noise_size=32, width=8, r1=3.0, seed=seed)
    if kind == "MAE":
        return MAE(shape, width=96, depth=3, decoder_width=48, seed=seed)
    raise ValueError(f"kind is {kind!r}: give one of {', '.join(KINDS)}.")


# ---- what a step costs -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """How a method is trained in one measurement."""

    batch_size: int = 64
    precision: str = "float32"
    fused: bool = True
    mover_alone: bool = True
    source: str = (
        "bytes"  # "bytes" on the device, "files", or a "DataLoader" that turns each picture into floats
    )
    threads: int = 1
    by_the_clock: bool = False  # more threads save no seconds of computing


class EveryGradient(Update):
    """`Update` as tutorials write it: backward through all that the loss depends on, whoever moves."""

    def __call__(self, player: str, loss: Tensor) -> Tensor:
        """Move one player; the gradients of the others are computed and left lying about."""
        optimizer = self.optimizers[player]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()


def _seconds_a_picture(kind: str, setting: Setting, pictures: int, side: int, seed: int) -> float:
    """Seconds of computing for one picture, after a step to warm up.

    Seconds of this thread, not of the clock: what else the machine does is not counted. With more threads it has to be
    the clock.
    """
    now = time.perf_counter if setting.by_the_clock else time.process_time
    method = picture_method(kind, side, seed).train()
    players = {name: list(own) for name, own in method.players().items()}
    optimizers = {name: _adam(own, method, setting.fused) for name, own in players.items()}
    update = (Update if setting.mover_alone else EveryGradient)(players, optimizers)
    dtype = torch.bfloat16 if setting.precision == "bfloat16" else None
    with tempfile.TemporaryDirectory() as folder, seeded(seed):
        data = shapes(pictures + setting.batch_size, side, seed)
        batches = _batches(data, setting, Path(folder))
        seconds, threads = 0.0, torch.get_num_threads()
        torch.set_num_threads(setting.threads)
        try:
            for number in range(1 + pictures // setting.batch_size):
                start = now()
                x, y = next(batches)
                with torch.autocast("cpu", dtype) if dtype else nullcontext():
                    method.step(x, update, y)
                if number:
                    seconds += now() - start
        finally:
            torch.set_num_threads(threads)
    return seconds / (pictures // setting.batch_size * setting.batch_size)


def _adam(own: list[nn.Parameter], method: Method, fused: bool) -> torch.optim.Optimizer:
    if fused:
        return adam(own, method.learning_rate, method.betas, method.weight_decay)
    return torch.optim.AdamW(own, method.learning_rate, method.betas, weight_decay=method.weight_decay)


def _batches(data: ImageDataset, setting: Setting, folder: Path) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled mini-batches: of bytes on the device, or picture by picture from a DataLoader or from files."""
    generator = torch.Generator().manual_seed(0)
    if setting.source == "bytes":
        return data.batches(setting.batch_size, generator=generator)
    if setting.source == "DataLoader":
        pictures = [(picture.permute(1, 2, 0).numpy(), -1) for picture in data.images]
        return iter(DataLoader(_AsFloats(pictures), setting.batch_size, shuffle=True, generator=generator))
    for number, picture in enumerate(data.images):
        save_picture(picture.float() / 255, folder / f"{number:05}.png")
    source = stream(folder, size=data.images.shape[-1], workers=0)
    return source.batches(setting.batch_size, device="cpu", generator=generator)


class _AsFloats(Dataset[tuple[Tensor, int]]):
    """What tutorials do to each picture: from bytes to floats, one by one."""

    def __init__(self, pictures: list[tuple[Any, int]]) -> None:
        from torchvision.transforms import ToTensor  # slow to import, and no chapter needs it

        self.pictures, self.transform = pictures, ToTensor()

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture, label = self.pictures[index]
        return self.transform(picture), label


def step_time(kind: str, side: int, batch_size: int, seed: int) -> dict[str, float]:
    """Seconds of computing for one mini-batch on one thread.

    Args:
        kind: of `picture_method`.
        side: of the pictures in pixels.
        batch_size: pictures in a mini-batch.
        seed: of weights and data.
    """
    pictures = max(128, 2 * batch_size) if preset().proves else batch_size
    each = _seconds_a_picture(kind, Setting(batch_size), pictures, side, seed)
    return {"step_seconds": each * batch_size}


STEP_TIME = Study(
    name="step_time",
    settings=tuple(
        {"kind": kind, "side": side, "batch_size": batch, "seed": seed}
        for seed in range(3)
        for kind in KINDS
        for side, batch in ((64, 4), (64, 16), (64, 64), (64, 128), (32, 16), (128, 16))
    ),
    run=step_time,
    chapters=(6,),
)


# ---- levers ----------------------------------------------------------------------------------------------

_PLAIN = Setting()
PAIRS = {
    "mini-batches of 256, not 16": (replace(_PLAIN, batch_size=16), replace(_PLAIN, batch_size=256)),
    "bfloat16, not float32": (_PLAIN, replace(_PLAIN, precision="bfloat16")),
    "pictures in memory, not in files": (replace(_PLAIN, source="files"), _PLAIN),
    "bytes on the device, not a DataLoader": (replace(_PLAIN, source="DataLoader"), _PLAIN),
    "two threads, not one": (
        replace(_PLAIN, by_the_clock=True),
        replace(_PLAIN, by_the_clock=True, threads=2),
    ),
    "fused Adam, not the default": (replace(_PLAIN, fused=False), _PLAIN),
    "gradients for the mover alone": (replace(_PLAIN, mover_alone=False), _PLAIN),
}
"""Name of a lever to how a method is trained without it, and with it."""


def levers(lever: str, kind: str, seed: int) -> dict[str, float]:
    """How many times faster a method learns with one lever than without, measured one after the other.

    Args:
        lever: of `PAIRS`.
        kind: of `picture_method`.
        seed: of weights and data; each is one repetition.

    Returns:
        "without" and "with": pictures a second of computing on one thread, of the clock where threads are compared;
        "gain": their ratio.
    """
    pictures = 256 if preset().proves else 16
    rates = []
    for setting in PAIRS[lever]:
        if not preset().proves:
            setting = replace(setting, batch_size=min(setting.batch_size, 16))
        rates.append(1 / _seconds_a_picture(kind, setting, pictures, 64, seed))
    without, using = rates
    return {"without": without, "with": using, "gain": using / without}


LEVERS = Study(
    name="levers",
    settings=tuple(
        {"lever": lever, "kind": kind, "seed": seed} for seed in range(3) for lever in PAIRS for kind in KINDS
    ),
    run=levers,
    chapters=(6,),
)


# ---- document 004 ----------------------------------------------------------------------------------------

NETWORKS = ("as found", "repaired")


def document_004_network(network: str, side: int = 256) -> nn.Module:
    """Document 004's autoencoder of pictures 3×side×side, made to fit, or repaired.

    "as found" keeps its encoder layer by layer, and its decoder without the two dense layers, which do not fit
    (errata 004-10 to 004-16). "repaired" has no dense layer: a convolution to 8 channels makes the code, and there is a
    ReLU between layers and a sigmoid at the end.

    Args:
        network: "as found" or "repaired".
        side: of the pictures, a multiple of 4.
    """
    quarter = side // 4
    if network == "as found":
        code = 128 * quarter**2
        return nn.Sequential(
            nn.Conv2d(3, 64, 4, 2, 1),
            nn.Conv2d(64, 128, 4, 2, 1),
            nn.Flatten(),
            nn.Linear(code, 1024),
            nn.Linear(1024, code),
            nn.Unflatten(1, (128, quarter, quarter)),
            nn.ConvTranspose2d(128, 64, 4, 2, 1),
            nn.ConvTranspose2d(64, 3, 4, 2, 1),
        )
    if network != "repaired":
        raise ValueError(f"network is {network!r}: give one of {', '.join(NETWORKS)}.")
    return nn.Sequential(
        nn.Conv2d(3, 64, 4, 2, 1),
        nn.ReLU(),
        nn.Conv2d(64, 128, 4, 2, 1),
        nn.ReLU(),
        nn.Conv2d(128, 8, 1),
        nn.Conv2d(8, 128, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 3, 4, 2, 1),
        nn.Sigmoid(),
    )


def document_004(network: str, seed: int) -> dict[str, float]:
    """Train a network of `document_004_network` for two steps in a process of its own, and measure it.

    The steps are those of plain gradient descent: Adam's moments of the network as found do not fit into many laptops.

    Args:
        network: "as found" or "repaired".
        seed: of weights and data.

    Returns:
        "parameters"; "with_adam": bytes of eq. (6.8); "without_moments": the same without Adam's moments; "peak": most
        bytes that the process held, Python and torch included; "step_seconds": of computing on one thread, for a
        mini-batch of four pictures, the second step.
    """
    side = 256 if preset().proves else 32
    with torch.device("meta"):
        ghost = document_004_network(network, side)
    memory = training_memory(ghost, torch.empty(4, 3, side, side, device="meta"))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        peak, seconds = pool.apply(_train_004, (network, side, seed))
    return {
        "parameters": sum(p.numel() for p in ghost.parameters()),
        "with_adam": memory.total,
        "without_moments": memory.total - memory.moments,
        "peak": peak,
        "step_seconds": seconds,
    }


def _train_004(network: str, side: int, seed: int) -> tuple[float, float]:
    """Peak bytes and seconds of a step; in a process of its own, whose peak is this run's."""
    torch.set_num_threads(1)
    x = shapes(4, side, seed).images.float() / 255
    torch.manual_seed(seed)
    model = document_004_network(network, side)
    start = 0.0
    for _ in range(2):
        start = time.process_time()
        model.zero_grad(set_to_none=False)
        (model(x) - x).square().mean().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter.add_(parameter.grad, alpha=-1e-4)
    return _peak_bytes(), time.process_time() - start


def _peak_bytes() -> float:
    """The most memory that this process has held."""
    if sys.platform == "win32":
        import psutil  # type: ignore[import-untyped]  # comes with Jupyter

        return float(psutil.Process().memory_info().peak_wset)
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most if sys.platform == "darwin" else 1024 * most)


DOCUMENT_004 = Study(
    name="document_004",
    settings=tuple({"network": network, "seed": 0} for network in NETWORKS),
    run=document_004,
    chapters=(6,),
)
