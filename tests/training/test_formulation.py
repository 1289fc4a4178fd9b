"""Formulations: the same function and the same move in each, nothing left behind, and the faster one is taken."""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gencourse.data import ImageDataset
from gencourse.methods import GAN, MAE, Autoencoder
from gencourse.training import CheckpointError, Method, Mover, fit, read_checkpoint, seeded
from gencourse.training.formulation import formulated, possible_formulations

QUIET = {"batch_size": 8, "device": "cpu", "progress": False}
METHODS: dict[str, Callable[[], Method]] = {
    "dense": lambda: Autoencoder("dense"),
    "conv": lambda: Autoencoder("conv"),
    "dcgan": lambda: GAN("dcgan", (1, 32, 32), noise_size=8),
    "penalised": lambda: GAN("dense", noise_size=8, loss="wasserstein", gradient_penalty=10.0),
    "vit": lambda: MAE(width=16, depth=1, decoder_width=16),
}


def gradients(method: Method, names: tuple[str, ...]) -> list[Tensor]:
    """Losses and gradients of one step, from the same weights and noise."""
    own, found = copy.deepcopy(method).train(), []

    def collect(player: str, loss: Tensor) -> Tensor:
        parameters = list(own.players()[player])
        found.append(loss.detach())
        found.extend(torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True))
        return loss.detach()

    draw = torch.Generator().manual_seed(3)
    with seeded(1), formulated(own, names):
        own.step(torch.rand(6, *own.shape, generator=draw), collect)
    return found


@pytest.mark.parametrize("kind", METHODS)
def test_every_formulation_is_the_same_function(kind: str) -> None:
    method = METHODS[kind]()
    for name in possible_formulations(method):
        matches(method, name)
    for pair in itertools.permutations(possible_formulations(method), 2):  # one inside the other
        matches(method, *pair)


def matches(method: Method, *names: str) -> None:
    """Assert that the method computes the same in a formulation as it does as written."""
    for one, other in zip(gradients(method, ()), gradients(method, names), strict=True):
        assert (one - other).norm() <= 1e-5 * one.norm() + 1e-6


def test_only_what_can_matter_is_offered() -> None:
    offered = {kind: set(possible_formulations(make())) for kind, make in METHODS.items()}
    assert "doubling apart" in offered["dcgan"] and "doubling apart" not in offered["conv"]
    assert "channels last" in offered["conv"] and "channels last" not in offered["dense"]
    assert "attention written out" in offered["vit"] and "attention written out" not in offered["dcgan"]


def test_each_is_in_force_inside_and_gone_afterwards_even_after_an_error() -> None:
    conv, dcgan, vit = METHODS["conv"](), METHODS["dcgan"](), METHODS["vit"]()
    layer = next(m for m in conv.modules() if isinstance(m, nn.Conv2d))
    x = torch.rand(2, 3, 8, 8)
    narrow = nn.Conv2d(3, 4, 3)
    holder = METHODS["conv"]()
    holder.extra = narrow
    with pytest.raises(ZeroDivisionError), formulated(holder, ["channels last"]):
        assert narrow(x).is_contiguous(memory_format=torch.channels_last)
        raise ZeroDivisionError
    assert narrow(x).is_contiguous() and not layer._forward_pre_hooks and not narrow._forward_pre_hooks
    with formulated(dcgan, ["doubling apart"]), formulated(vit, ["attention written out"]):
        assert any(getattr(m, "apart", False) for m in dcgan.modules())
        assert any(getattr(m, "written_out", None) for m in vit.modules())
    assert not any(getattr(m, "apart", False) for m in dcgan.modules())
    assert not any(getattr(m, "written_out", None) for m in vit.modules())
    if "products by oneDNN" in possible_formulations(vit):
        before = torch.backends.mkldnn.matmul.fp32_precision
        with formulated(vit, ["products by oneDNN"]):
            assert torch.backends.mkldnn.matmul.fp32_precision != before
        assert torch.backends.mkldnn.matmul.fp32_precision == before


class SlowPlanes(Method):
    """Convolves slowly unless the channels come last."""

    shape = (1, 3, 3)

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Conv2d(2, 1, 3)
        self.last: list[bool] = []

    def players(self):
        return {"net": self.parameters()}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        def look(layer: nn.Module, given: tuple[Tensor]) -> None:
            self.last.append(given[0].is_contiguous(memory_format=torch.channels_last))

        hook = self.net.register_forward_pre_hook(look)
        out = self.net(x.repeat(1, 2, 1, 1))
        hook.remove()
        if not self.last[-1]:
            time.sleep(0.01)
        return {"net": update("net", out.square().mean())}


def test_the_faster_formulation_is_taken_said_and_kept(
    toy_data: ImageDataset, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = {**QUIET, "checkpoint": tmp_path / "run"}
    method = SlowPlanes()
    fit(method, toy_data, formulation="auto", **{**options, "progress": True})
    assert "precision: float32 with channels last (" in capsys.readouterr().out
    assert all(method.last) and method.last
    assert read_checkpoint(tmp_path / "run")[1]["formulation"] == ["channels last"]
    later = SlowPlanes()
    fit(later, toy_data, epochs=2, formulation="auto", resume=True, **options)
    assert all(later.last)
    with pytest.raises(CheckpointError, match="formulation"):
        fit(SlowPlanes(), toy_data, epochs=3, resume=True, **options)


def test_as_written_unless_asked(toy_data: ImageDataset) -> None:
    method = SlowPlanes()
    fit(method, toy_data, **QUIET)
    assert not any(method.last)


@pytest.mark.parametrize("wrong", ["fast", ["fast"], 3])
def test_nonsense_gets_a_sentence(toy_data: ImageDataset, wrong: object) -> None:
    with pytest.raises((TypeError, ValueError), match="formulation is"):
        fit(SlowPlanes(), toy_data, formulation=wrong, **QUIET)
