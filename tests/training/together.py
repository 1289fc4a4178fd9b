"""What two processes do side by side for test_processes.py; run by torchrun, and read by the test itself."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import gencourse.methods as m
from gencourse.data import ImageDataset
from gencourse.networks import Augment, Plan
from gencourse.training import History, Method, Mover, NonFiniteLossError, fit, seeded

DENSE, CONV = Plan("dense", (16,)), Plan("conv", (8,), 4)
VIT = {"patch": 7, "width": 16, "depth": 1, "heads": 2, "decoder_width": 8, "decoder_heads": 2}
GAN = {"network": "conv", "noise_size": 4, "width": 2}
OPTIONS = {"epochs": 2, "batch_size": 8, "device": "cpu", "progress": False, "learning_rate": 1e-3, "seed": 3}


def pictures(n: int = 21, side: int = 28) -> ImageDataset:
    """21 pictures in mini-batches of 8: the last has 5, so the shares are unequal."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, 1, side, side), dtype=torch.uint8, generator=generator)
    return ImageDataset(images, torch.arange(n) % 10)


class Dropped(Method):
    """Dropout of numbers and of channels: draws that no method's class makes by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.shape = (1, 28, 28)
        with seeded(0):
            self.net = nn.Sequential(
                nn.Conv2d(1, 4, 3, 4), nn.Dropout2d(0.5), nn.Flatten(), nn.Dropout(0.3), nn.Linear(196, 3)
            )

    def players(self):
        return {"net": self.parameters()}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        noisy = torch.bernoulli(x) + torch.rand(size=(len(x), 1, 28, 28)) + torch.rand_like(x)
        loss = self.net(noisy).square().sum() / len(x)
        return {"net": update("net", loss), "part": loss.detach()}


class Normed(Method):
    """Batch norm: not a mean over rows."""

    def __init__(self) -> None:
        super().__init__()
        self.shape = (1, 28, 28)
        with seeded(0):
            self.net = nn.Sequential(
                nn.Flatten(), nn.Linear(784, 6, bias=False), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3)
            )

    def players(self):
        return {"net": self.parameters()}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        return {"net": update("net", self.loss(x))}

    def loss(self, x: Tensor) -> Tensor:
        return (self.net(x) - 1).square().sum() / len(x)


METHODS: dict[str, Callable[[], Method]] = {
    "AAE": lambda: m.AAE(DENSE, 3, judge=(8,), noise=0.3),
    "AAE, Gaussian": lambda: m.AAE(CONV, 3, judge=(8,), encoder="gaussian"),
    "AAE, universal": lambda: m.AAE(DENSE, 3, judge=(8,), encoder="universal"),
    "AEGAN": lambda: m.AEGAN(CONV, 3),
    "SamplingAEGAN": lambda: m.SamplingAEGAN(DENSE, 3),
    "Autoencoder": lambda: m.Autoencoder(DENSE, code_size=3, noise=0.3, sparsity=0.1),
    "VAE": lambda: m.VAE(DENSE, 3),
    "VAEGAN": lambda: m.VAEGAN(DENSE, 3),
    "WAE": lambda: m.WAE(DENSE, 3),
    "GAN": lambda: m.GAN(**GAN, spectral_norm=True, r1=0.1, r2=0.1),
    "GAN, Wasserstein": lambda: m.GAN(**GAN, loss="wasserstein", gradient_penalty=10, critic_steps=2),
    "GAN, relativistic": lambda: m.GAN(**GAN, loss="relativistic", classes=10),
    "LabelledAAE": lambda: m.LabelledAAE(DENSE, 2, judge=(8,), prior=m.MixturePrior(10)),
    "ConditionalAAE": lambda: m.ConditionalAAE(DENSE, 3, judge=(8,)),
    "ClusteringAAE": lambda: m.ClusteringAAE(DENSE, 3, judge=(8,), soften=0.2),
    "SemiSupervisedAAE": lambda: m.SemiSupervisedAAE(
        DENSE, 3, judge=(8,), labelled=pictures(12), labelled_batch=6
    ),
    "MAE": lambda: m.MAE(**VIT),
    "AllPatchesMAE": lambda: m.AllPatchesMAE(**VIT, normalise=True),
    "MaskedConvAutoencoder": lambda: m.MaskedConvAutoencoder(width=4, code_channels=2),
    "Restorer": lambda: m.Restorer(m.degraded, network=CONV, code_size=3),
    "PairedAEGAN": lambda: m.PairedAEGAN(m.degraded, CONV, 3),
    "HoleFiller": lambda: m.HoleFiller(network=CONV, code_size=3),
    "ContextEncoder": lambda: m.ContextEncoder(network=CONV, code_size=3),
    "Classifier": lambda: m.Classifier(m.MAE(**VIT).encoder),
    "dropout": Dropped,
}


SPECIAL: dict[str, dict[str, object]] = {
    "resumed": {"resume": True},
    "validated": {"validation": pictures(9), "epochs": 3, "stop_after": 1},
    "in parts": {"batch_size": 4, "accumulate": 2, "augment": Augment(flip=True, shift=0.2, cutout=0.3)},
}
"""Runs of the VAE with these options, too; the first goes on from a run of one process."""


def trained(make: Callable[[], Method], **options: object) -> tuple[dict[str, Tensor], History]:
    """Weights after a short run, and its history."""
    method = make()
    history = fit(method, pictures(), **{**OPTIONS, **options})
    return method.state_dict(), history


class Poisoned(Normed):
    """The loss of process 1 is NaN in the second step."""

    steps = 0

    def loss(self, x: Tensor) -> Tensor:
        self.steps += 1
        bad = self.steps == 2 and os.environ["RANK"] == "1"
        return super().loss(x) * (float("nan") if bad else 1.0)


class Dying(m.VAE):
    """Process 1 is killed in its eighth mini-batch: in the third epoch since the job was started or restarted."""

    steps = 0

    def __init__(self) -> None:
        super().__init__(DENSE, 3)

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        self.steps += self.training  # not when it is validated
        if self.steps == 8 and os.environ.get("RANK") == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(x, update, y)


LONG = {**OPTIONS, "epochs": 6, "validation": pictures(9), "stop_after": 6}


def noted(folder: Path) -> Callable[[Method, History], None]:
    """Write down each epoch as it is done."""

    def write(_: Method, history: History) -> None:
        with open(folder / "epochs.txt", "a") as file:
            file.write(f"{len(history)} ")

    return write


def compare(folder: Path) -> None:
    """Train everything in both processes, and leave what came out."""
    rank = os.environ["RANK"]
    for name, make in {**METHODS, "Normed": Normed, "AdaptiveAEGAN": adaptive}.items():
        average = 0.5 if name in ("VAE", "Normed") else None
        weights, history = trained(make, average=average)
        tensors = {f"weights/{k}": v.clone().contiguous() for k, v in weights.items()}
        if history.averaged is not None:
            state = history.averaged.state_dict().items()
            tensors |= {f"average/{k}": v.clone().contiguous() for k, v in state}
        means = {k: torch.tensor(history[k], dtype=torch.float64) for k in history.names}
        save_file(tensors | {f"history/{k}": v for k, v in means.items()}, folder / f"{name} {rank}")
    method = Poisoned()
    with torch.no_grad():  # other weights than those of process 0, which count
        method.net[1].weight.add_(float(rank))
    try:
        fit(method, pictures(), **OPTIONS)
    except NonFiniteLossError as error:
        (folder / f"poisoned {rank}.txt").write_text(str(error))
    save_file({k: v.clone() for k, v in method.state_dict().items()}, folder / f"poisoned {rank}")
    try:
        fit(Normed(), pictures(), **{**OPTIONS, "batch_size": 3})
    except ValueError as error:
        (folder / f"small {rank}.txt").write_text(str(error))
    fit(Normed(), pictures(), **{**OPTIONS, "checkpoint": folder / "shared", "progress": True})
    for name, options in SPECIAL.items():
        copied = {**options}
        if name == "resumed":  # each its own copy: the first writes to its own
            copied["checkpoint"] = shutil.copy(folder / "one", folder / f"one {rank}")
        weights, history = trained(METHODS["VAE"], **copied)
        means = {f"history/{k}": torch.tensor(history[k], dtype=torch.float64) for k in history.names}
        save_file({k: v.clone() for k, v in weights.items()} | means, folder / f"{name} {rank}")


def adaptive() -> Method:
    """λ is a ratio of gradients: not a mean over rows."""
    return m.AdaptiveAEGAN(DENSE, 3)


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2])
    torch.set_num_threads(1)
    if what == "compare":
        compare(where)
    else:
        fit(Dying(), pictures(), checkpoint=where / "run", resume=True, on_epoch=noted(where), **LONG)
