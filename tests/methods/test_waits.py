"""Nothing in a step waits for the device, and no operation mixes devices; shown without an accelerator.

A wait is a look at the values of a tensor: `.item()`, `bool()`, `float()`, `.tolist()`, a mask used as an index,
a copy to the CPU. On the path that an accelerator takes (`Update.waits` is False) a step must do none of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from gencourse import methods as m
from gencourse.data import load
from gencourse.networks import Augment, Plan
from gencourse.training import Method, Update, adam

SMALL = Plan("conv", (8,), 2)
DENSE = Plan("dense", (8,))
VIT = {"width": 16, "depth": 1, "heads": 2, "decoder_width": 8, "decoder_heads": 2}

MAKERS: dict[str, Callable[[], Method]] = {
    "Autoencoder": lambda: m.Autoencoder(SMALL, 3, noise=0.2, sparsity=0.1),
    "Autoencoder, bernoulli": lambda: m.Autoencoder(DENSE, 3, likelihood="bernoulli"),
    "VAE": lambda: m.VAE(SMALL, 3),
    "VAE, bernoulli": lambda: m.VAE(SMALL, 3, likelihood="bernoulli"),
    **{f"GAN, {loss}": lambda loss=loss: m.GAN(loss=loss, width=2) for loss in
       ("minimax", "non_saturating", "least_squares", "hinge", "relativistic")},
    "GAN, WGAN-GP": lambda: m.GAN(loss="wasserstein", gradient_penalty=10, critic_steps=5, width=2),
    "GAN, clipped": lambda: m.GAN(loss="wasserstein", clip_weights=0.01, width=2),
    "GAN, R1 and R2": lambda: m.GAN(loss="relativistic", r1=0.1, r2=0.1, width=2),
    "GAN, spectral norm": lambda: m.GAN(spectral_norm=True, width=2),
    "GAN, labels": lambda: m.GAN(classes=10, width=2),
    "GAN, dense": lambda: m.GAN("dense"),
    "GAN, augmented": lambda: m.GAN(width=2, augment=Augment(True, shift=0.1, crop=0.2, colour=0.5, cutout=0.3)),
    "AEGAN": lambda: m.AEGAN(SMALL, 3),
    "AdaptiveAEGAN": lambda: m.AdaptiveAEGAN(SMALL, 3),
    "SamplingAEGAN": lambda: m.SamplingAEGAN(SMALL, 3),
    "VAEGAN": lambda: m.VAEGAN(SMALL, 3),
    "Restorer": lambda: m.Restorer(m.degraded, SMALL, 3),
    "PairedAEGAN": lambda: m.PairedAEGAN(m.degraded, SMALL, 3),
    "HoleFiller": lambda: m.HoleFiller(network=SMALL, code_size=3),
    "ContextEncoder": lambda: m.ContextEncoder(network=SMALL, code_size=3),
    **{f"AAE, {kind}": lambda kind=kind: m.AAE(DENSE, 3, encoder=kind) for kind in
       ("deterministic", "gaussian", "universal")},
    "LabelledAAE": lambda: m.LabelledAAE(DENSE, 2, prior=m.MixturePrior()),
    "ConditionalAAE": lambda: m.ConditionalAAE(DENSE, 3),
    "ClusteringAAE": lambda: m.ClusteringAAE(DENSE, 3, soften=0.2),
    "SemiSupervisedAAE": lambda: m.SemiSupervisedAAE(DENSE, 3, labelled=load("mnist").take(5)),
    "WAE": lambda: m.WAE(DENSE, 3),
    "MAE": lambda: m.MAE(**VIT),
    "MAE, mask tokens in the encoder": lambda: m.MAE(**VIT, mask_tokens_in="encoder", class_token=True),
    "AllPatchesMAE": lambda: m.AllPatchesMAE(**VIT, normalise=True),
    "MaskedConvAutoencoder": lambda: m.MaskedConvAutoencoder(width=2),
    "Classifier": lambda: m.Classifier(m.MAE(**VIT).encoder),
}  # fmt: skip


def test_every_method_is_looked_at() -> None:
    seen = {type(make()) for make in MAKERS.values()}
    classes = {getattr(m, name) for name in m.__all__ if isinstance(getattr(m, name), type)}
    assert seen == {kind for kind in classes if issubclass(kind, Method)}


def updater(method: Method, **options: Any) -> Update:
    players = {name: list(own) for name, own in method.players().items()}
    optimizers = {n: adam(own, 1e-3, method.betas, method.weight_decay) for n, own in players.items()}
    update = Update(players, optimizers, **options)
    update.waits = False  # as on an accelerator
    return update


_LOOKS = {
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.is_nonzero.default,
    torch.ops.aten.equal.default,
    torch.ops.aten.nonzero.default,
    torch.ops.aten.masked_select.default,
    torch.ops.aten.unique_consecutive.default,
    torch.ops.aten._unique2.default,
}


class Looks(TorchDispatchMode):
    """Counts operations that bring a value to the program."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        masks = [a for a in args[1] if a is not None] if func is torch.ops.aten.index.Tensor else []
        if func in _LOOKS or any(a.dtype in (torch.bool, torch.uint8) for a in masks):
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Looks]:
    looks = Looks()
    for name in ("tolist", "numpy", "cpu"):  # these do not pass through an operation that says so
        plain = getattr(Tensor, name)
        monkeypatch.setattr(
            Tensor, name, lambda x, *a, _n=name, _p=plain: looks.found.append(_n) or _p(x, *a)
        )
    with looks:
        yield looks
    monkeypatch.undo()


def batch(n: int = 6) -> tuple[Tensor, Tensor]:
    x = torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return x, torch.arange(n) % 10


@pytest.mark.parametrize("name", MAKERS)
def test_a_step_waits_for_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method = MAKERS[name]()
    update, (x, y) = updater(method), batch()
    method.step(x, update, y)  # the first step of an optimiser makes its moments
    # A fused optimiser reads its own step numbers on a CPU, and on an accelerator does not
    for optimizer in update.optimizers.values():
        monkeypatch.setattr(optimizer, "step", lambda: None)
    # torch's one_hot looks at the labels on a CPU only; the test below runs the accelerator's own
    monkeypatch.setattr(F, "one_hot", lambda y, k: (y[:, None] == torch.arange(k)).long())
    # values are looked at in the losses on a CPU only; here they must take it for an accelerator's
    for room in [module for name, module in sys.modules.items() if name.startswith("gencourse.")]:
        if hasattr(room, "on_cpu"):
            monkeypatch.setattr(room, "on_cpu", lambda *_: False)
    with counting(monkeypatch) as looks:
        record = method.step(x, update, y)
    assert looks.found == []
    assert all(isinstance(value, Tensor) and not value.requires_grad for value in record.values())


def test_the_count_can_count(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(3)
    with counting(monkeypatch) as looks:
        x.sum().item(), bool(x[0] > 2), x[x > 0.5], x.tolist(), float(x[1])
    assert len(looks.found) >= 5
    update = updater(m.Autoencoder(DENSE, 3))
    update.waits = True
    with counting(monkeypatch) as looks:
        update("autoencoder", sum(p.square().sum() for p in update.players["autoencoder"]))
    assert len([look for look in looks.found if "scalar" in look]) >= 2


class Few:
    """A dataset whose tensors are pretended, so that nobody may look at them."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)


def _listed(inputs: Any) -> list[Tensor]:
    return [inputs] if isinstance(inputs, Tensor) else list(inputs)


@pytest.mark.parametrize("name", MAKERS)
def test_no_operation_mixes_devices(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, pictures and labels on a pretended CUDA device: torch checks every operation for its devices.

    It also stops at the first look at a value. The backward pass alone needs a real device and is stubbed.
    """
    slopes = lambda loss, inputs, **_: [torch.zeros_like(x) for x in _listed(inputs)]  # noqa: E731
    monkeypatch.setattr(torch.autograd, "grad", slopes)
    method = MAKERS[name]()
    with FakeTensorMode(allow_non_fake_inputs=True):
        for module in method.modules():
            for own in (module._parameters, module._buffers):
                for key, value in own.items():
                    if value is not None:
                        fake = torch.empty_like(value, device="cuda")
                        own[key] = nn.Parameter(fake) if isinstance(value, nn.Parameter) else fake
        x, y = torch.rand(6, 1, 28, 28, device="cuda"), torch.arange(6, device="cuda") % 10
        if isinstance(method, m.SemiSupervisedAAE):
            images = torch.zeros(5, 1, 28, 28, dtype=torch.uint8, device="cuda")
            method.labelled = Few(images, torch.zeros(5, dtype=torch.int64, device="cuda"))  # type: ignore[assignment]
        losses: list[tuple[str, Tensor]] = []
        record = method.step(x, lambda player, loss: losses.append((player, loss)) or loss.detach(), y)
        assert {loss.device.type for _, loss in losses} == {"cuda"}
        assert all(value.device.type == "cuda" for value in record.values())


# ---- nobody moves after a bad loss ---------------------------------------------------------------------


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_after_a_bad_loss_nobody_moves_and_the_report_names_it(bad: float, weight_decay: float) -> None:
    method = m.GAN(width=2)
    players = {name: list(own) for name, own in method.players().items()}
    update = Update(players, {n: adam(own, 1e-2, (0.9, 0.99), weight_decay) for n, own in players.items()})
    update.waits = False
    x, y = batch()
    method.step(x, update, y)
    update.check()
    before = {name: p.clone() for name, p in method.state_dict().items()}
    moments = [v.clone() for o in update.optimizers.values() for s in o.state.values() for v in s.values()]
    update("generator", bad * sum(p.sum() for p in players["generator"]))
    for _ in range(3):
        method.step(x, update, y)  # good losses: too late
    assert all(torch.equal(before[name], p) for name, p in method.state_dict().items())
    now = [v for o in update.optimizers.values() for s in o.state.values() for v in s.values()]
    assert all(torch.equal(a, b) for a, b in zip(moments, now, strict=True))
    with pytest.raises(ArithmeticError, match=r"The loss of 'generator' became -?(nan|inf) at its step 2"):
        update.check()


def test_an_infinite_slope_is_seen_without_a_wait() -> None:
    method = m.Autoencoder(DENSE, 3)
    update = updater(method)
    weight = next(method.parameters())
    before = weight.clone()
    update("autoencoder", (0 * weight).sum().sqrt() + 3)
    assert torch.equal(before, weight)
    with pytest.raises(
        ArithmeticError, match="'autoencoder' is 3 at its step 1, but its gradient is not finite"
    ):
        update.check()


def test_the_two_paths_move_alike() -> None:
    x, y = batch()
    now, later = m.GAN(width=2, seed=1), m.GAN(width=2, seed=1)
    for method, waits in ((now, True), (later, False)):
        update = updater(method)
        update.waits = waits
        torch.manual_seed(0)
        for _ in range(3):
            method.step(x, update, y)
    assert all(torch.equal(p, q) for p, q in zip(now.parameters(), later.parameters(), strict=True))
