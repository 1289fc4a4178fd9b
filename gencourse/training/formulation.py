"""Ways to compute the same function: which of them is the fastest differs from one processor to the next.

A formulation changes no result but for rounding (1e-5 of it), no weight and no saved file. `fit` takes those that it
is given, or chooses with formulation="auto" by measuring some steps.

products by oneDNN
    matrix products in float32 go to oneDNN and not to MKL, the library that torch calls for them. On processors that
    are not Intel's, MKL leaves half of the vector unit idle. Attention is written out with it.
channels last
    pictures lie in memory as rows of channels, not as one plane for each channel, from the first convolution on.
doubling apart
    `UpsampleConv2d` doubles the picture and convolves it, in two steps: more work, which may be done faster.
attention written out
    softmax(QKᵀ/√d)·V as the formula says, in place of torch's fused kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.errors import need_kind, need_one_of, need_sequence
from gencourse.networks import TransformerBlock, UpsampleConv2d
from gencourse.training.method import Method

__all__ = ["FLOAT32_ONLY", "FORMULATIONS", "formulated", "possible_formulations"]

_PRODUCTS: Any = getattr(
    torch.backends.mkldnn, "matmul", None
)  # older versions of torch have no such setting
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


@contextmanager
def _products_by_onednn(method: nn.Module) -> Iterator[None]:
    # torch asks oneDNN for products in float32 only if it may round their factors; whether this processor's oneDNN
    # does so is looked at in `_onednn_is_exact`
    before = _PRODUCTS.fp32_precision
    with _attention_written_out(method):  # the fused kernel hands over products so small that oneDNN is slow
        _PRODUCTS.fp32_precision = "bf16"
        try:
            yield
        finally:
            _PRODUCTS.fp32_precision = before


@cache
def _onednn_is_exact() -> bool:
    """Whether this version of torch can be asked, and this processor's oneDNN multiplies float32 without rounding."""
    if not hasattr(_PRODUCTS, "fp32_precision"):
        return False
    draw = torch.Generator().manual_seed(0)
    a, b = torch.randn(256, 512, generator=draw), torch.randn(512, 256, generator=draw)
    with _products_by_onednn(nn.Identity()):
        product = a @ b
    exact = a.double() @ b.double()
    return bool((product - exact).norm() < 1e-5 * exact.norm())


@contextmanager
def _channels_last(method: nn.Module) -> Iterator[None]:
    def turned(layer: nn.Module, given: tuple[Any, ...]) -> tuple[Tensor, ...]:
        return (given[0].contiguous(memory_format=torch.channels_last), *given[1:])

    hooks = [
        layer.register_forward_pre_hook(turned)
        for layer in method.modules()
        if isinstance(layer, _CONVOLUTIONS)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _setting(method: nn.Module, kind: type[nn.Module], name: str) -> Iterator[None]:
    """True for this attribute of all layers of a kind, for a while."""
    # another block may have set it already, and will take it back itself
    layers = [layer for layer in method.modules() if isinstance(layer, kind) and name not in vars(layer)]
    for layer in layers:
        setattr(layer, name, True)
    try:
        yield
    finally:
        for layer in layers:
            delattr(layer, name)  # the class has the usual value


def _doubling_apart(method: nn.Module) -> AbstractContextManager[None]:
    return _setting(method, UpsampleConv2d, "apart")


def _attention_written_out(method: nn.Module) -> AbstractContextManager[None]:
    return _setting(method, TransformerBlock, "written_out")


FORMULATIONS: dict[str, Callable[[nn.Module], AbstractContextManager[None]]] = {
    "products by oneDNN": _products_by_onednn,
    "channels last": _channels_last,
    "doubling apart": _doubling_apart,
    "attention written out": _attention_written_out,
}
"""Name to a block inside which a method computes in this way."""

FLOAT32_ONLY = ("products by oneDNN", "attention written out")
"""In bfloat16 these are in force anyway."""


def possible_formulations(method: Method) -> tuple[str, ...]:
    """Those that could make a difference to this method on its device.

    Args:
        method: on its device.

    Raises:
        TypeError: method is no method.
    """
    need_kind("method", method, Method, "a method, for example gencourse.methods.Autoencoder()")
    has = [type(layer) for layer in method.modules()]
    found = []
    if any(issubclass(kind, _CONVOLUTIONS) for kind in has):
        found.append("channels last")
    if any(issubclass(kind, UpsampleConv2d) for kind in has):
        found.append("doubling apart")
    if method.device.type == "cpu":
        if any(issubclass(kind, nn.Linear) for kind in has) and _onednn_is_exact():
            found.append("products by oneDNN")
        if any(issubclass(kind, TransformerBlock) for kind in has):
            found.append("attention written out")
    return tuple(name for name in FORMULATIONS if name in found)


@contextmanager
def formulated(method: Method, names: Sequence[str]) -> Iterator[None]:
    """Inside, a method computes in these ways; afterwards as before.

    Args:
        method: whatever of it a name does not apply to stays as it is.
        names: of `FORMULATIONS`; none for everything as written.

    Raises:
        TypeError, ValueError: method is no method, or there is no such name.
    """
    need_kind("method", method, Method, "a method, for example gencourse.methods.Autoencoder()")
    need_sequence("names", names, f"names, of {', '.join(FORMULATIONS)}", least=0)
    for name in names:
        need_one_of("formulation", name, FORMULATIONS)
    with ExitStack() as stack:
        for name in dict.fromkeys(names):
            stack.enter_context(FORMULATIONS[name](method))
        yield
