"""Moving one player: gradients for its parameters alone, then one optimiser step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

__all__ = ["NonFiniteLossError", "Update", "adam"]


class NonFiniteLossError(ArithmeticError):
    """A loss or its gradient became NaN or infinite: training stopped before it could spoil the weights."""


def adam(
    parameters: Iterable[nn.Parameter], lr: float, betas: tuple[float, float], weight_decay: float = 0.0
) -> Optimizer:
    """Adam in the fastest form that the device has; all forms compute the same update.

    Args:
        parameters: what to move.
        lr: step size.
        betas: decay rates of the two moments.
        weight_decay: with more than 0, AdamW (Loshchilov & Hutter, 2019): each step also shrinks the weights
            by the factor 1 − lr·weight_decay. Biases, norms and learnt tokens are vectors and do not shrink.
    """
    parameters = list(parameters)
    groups: list[dict[str, Any]] = [{"params": parameters}]
    if weight_decay:
        matrices, vectors = ([p for p in parameters if (p.dim() > 1) == many] for many in (True, False))
        groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    for fused in (True, False):
        try:
            if weight_decay:
                return AdamW(groups, lr=lr, betas=betas, weight_decay=weight_decay, fused=fused)
            return Adam(groups, lr=lr, betas=betas, fused=fused)
        except RuntimeError:  # this device or this version of torch has no fused kernel
            if not fused:
                raise
    raise AssertionError("one of the two forms has returned")


class Update:
    """Call `update(player, loss)` to move that player, and only that player, one step down the loss.

    Gradients are taken with respect to the player's parameters alone: the `.grad` of every other network
    stays as it is, and no time is spent on it.

    Args:
        players: name of each player and the parameters that it owns.
        optimizers: one optimiser for each player.
        clip: largest norm of a player's gradient; None leaves it as it is.
    """

    def __init__(
        self,
        players: dict[str, list[nn.Parameter]],
        optimizers: dict[str, Optimizer],
        clip: float | None = None,
    ) -> None:
        self.players = players
        self.optimizers = optimizers
        self.clip = clip
        self.steps = dict.fromkeys(players, 0)

    def __call__(self, player: str, loss: Tensor) -> float:
        """Move one player; see the class.

        Args:
            player: its name.
            loss: scalar that depends on its parameters.

        Returns:
            The value of the loss before the move.

        Raises:
            ValueError: there is no such player, the loss is not one number, or it does not depend on this
                player.
            NonFiniteLossError: the loss or its gradient is NaN or infinite; nothing has moved.
        """
        if player not in self.players:
            raise ValueError(f"player is {player!r}: this method's players are {', '.join(self.players)}.")
        if loss.numel() != 1:
            raise ValueError(f"loss of {player!r} has shape {tuple(loss.shape)}: reduce it to one number.")
        if not loss.requires_grad:
            raise ValueError(
                f"loss of {player!r} does not depend on any parameter: look for detach(), no_grad() or .item()."
            )
        value = loss.item()
        if not math.isfinite(value):
            raise NonFiniteLossError(
                f"The loss of {player!r} became {value} at its step {self.steps[player] + 1}. Nothing was "
                "moved. Look for log(0), 0/0, sqrt at 0 or an overflow, or lower the learning rate."
            )
        parameters = [p for p in self.players[player] if p.requires_grad]  # a player may own frozen ones
        optimizer = self.optimizers[player]
        optimizer.zero_grad()
        # autocast must not be on in the backward pass: each operation reuses its forward type
        with torch.autocast(loss.device.type, enabled=False):
            loss.backward(inputs=parameters)
        gradients = [p.grad for p in parameters if p.grad is not None]
        if not gradients:
            raise ValueError(
                f"loss of {player!r} does not depend on the parameters of {player!r}: look for a detach() too "
                "many, or for the name of another player."
            )
        if self.clip is not None:
            size = nn.utils.clip_grad_norm_(parameters, self.clip)
        else:
            size = torch.stack([g.norm() for g in gradients]).norm()
        # sqrt at 0 has a finite value and an infinite slope, so the loss alone does not show it
        if not math.isfinite(size.item()):
            raise NonFiniteLossError(
                f"The loss of {player!r} is {value:.4g} at its step {self.steps[player] + 1}, but its gradient "
                "is not finite. Nothing was moved. Look for sqrt or a norm at 0, or lower the learning rate."
            )
        optimizer.step()
        self.steps[player] += 1
        return value
