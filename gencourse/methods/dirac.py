"""Chapter 2: the smallest GAN there is, two numbers whose motion can be solved on paper.

The data are a single point at 0, the generator makes a single point θ, and the discriminator is D(x) = ψx, the
logit of "generated" (Mescheder et al., 2018). The generator makes L = f(θψ) + f(0) small, the discriminator
makes it large. Chapter 3 adds a reconstruction term ½μθ² to what the generator makes small: θ is then the
reconstruction of the data point 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gencourse.errors import as_tensor, need_finite, need_number, need_one_of, need_size

__all__ = ["dirac_eigenvalues", "dirac_flow", "dirac_path", "dirac_step"]


def dirac_flow(
    theta: Tensor | float,
    psi: Tensor | float,
    gamma: float = 0.0,
    loss: str = "logistic",
    mu: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Velocity of the two players, eq. (2.16), with a reconstruction term eq. (3.21).

    θ' = −ψf'(θψ) − μθ, ψ' = θf'(θψ) − γψ. Without γ and μ it leads round in circles, eq. (2.17).

    Args:
        theta: where the generator puts its point; any shape.
        psi: slope of the discriminator; the same shape.
        gamma: weight of the penalty R1.
        loss: "logistic", f(t) = −log(1 + e^−t), or "wasserstein", f(t) = t.
        mu: weight of the generator's reconstruction term.

    Returns:
        θ' and ψ', in double precision.

    Raises:
        ValueError: there is no such loss.
    """
    need_number("gamma", gamma)
    need_number("mu", mu)
    theta, psi = _double("theta", theta), _double("psi", psi)
    pull = _slope(theta * psi, loss)
    return -psi * pull - mu * theta, theta * pull - gamma * psi


def dirac_step(
    theta: Tensor | float,
    psi: Tensor | float,
    h: float,
    gamma: float = 0.0,
    mode: str = "simultaneous",
    loss: str = "logistic",
    mu: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """One gradient step of each player along eq. (2.16); eq. (2.18) says where such steps lead.

    Args:
        theta: where the generator puts its point; any shape.
        psi: slope of the discriminator; the same shape.
        h: step size of both.
        gamma: weight of the penalty R1.
        mode: "simultaneous" (both look at the old values) or "alternating" (the discriminator moves first,
            and the generator answers its new value).
        loss: "logistic" or "wasserstein".
        mu: weight of the generator's reconstruction term, eq. (3.21).

    Returns:
        The new θ and ψ.

    Raises:
        ValueError: there is no such mode or loss.
    """
    need_one_of("mode", mode, ("simultaneous", "alternating"))
    need_number("h", h)
    theta, psi = _double("theta", theta), _double("psi", psi)
    new_psi = psi + h * dirac_flow(theta, psi, gamma, loss, mu)[1]
    seen = psi if mode == "simultaneous" else new_psi
    return theta + h * dirac_flow(theta, seen, gamma, loss, mu)[0], new_psi


def dirac_path(
    theta: float,
    psi: float,
    h: float,
    steps: int,
    gamma: float = 0.0,
    mode: str = "simultaneous",
    loss: str = "logistic",
    mu: float = 0.0,
) -> Tensor:
    """Where `dirac_step` leads: the pairs (θ, ψ), shape (steps + 1, 2), the start first.

    Args:
        theta: where the generator starts.
        psi: where the discriminator starts.
        h: step size.
        steps: how many steps each player makes.
        gamma: weight of the penalty R1.
        mode: "simultaneous" or "alternating".
        loss: "logistic" or "wasserstein".
        mu: weight of the generator's reconstruction term, eq. (3.21).
    """
    need_size("steps", steps, 0)
    now = _double("theta", theta), _double("psi", psi)
    path = [torch.stack(now)]
    for _ in range(steps):
        now = dirac_step(*now, h, gamma, mode, loss, mu)
        path.append(torch.stack(now))
    return torch.stack(path)


def dirac_eigenvalues(gamma: float, a: float = 0.5, mu: float = 0.0) -> Tensor:
    """Roots of λ² + γλ + a² = 0, eq. (2.19): how the flow behaves near the solution θ = ψ = 0.

    With a reconstruction term they are the roots of λ² + (γ + μ)λ + a² + γμ = 0, eq. (3.22): alone, μ does
    exactly what γ does.

    Their real part is the rate of decay, their imaginary part the speed of rotation. Without a penalty they
    are ±ia: circles for ever. At γ = 2a rotation stops, and the decay is fastest.

    Args:
        gamma: weight of the penalty R1.
        a: f'(0), which is ½ for the logistic loss and 1 for Wasserstein's.
        mu: weight of the generator's reconstruction term.

    Returns:
        The two roots, complex, shape (2,), the one with the larger real or imaginary part first.
    """
    for name, value in (("gamma", gamma), ("a", a), ("mu", mu)):
        need_number(name, value)
    root = torch.tensor((gamma - mu) ** 2 / 4 - a**2, dtype=torch.complex128).sqrt()
    return torch.stack([-(gamma + mu) / 2 + root, -(gamma + mu) / 2 - root])


def _slope(t: Tensor, loss: str) -> Tensor:
    """f'(t)."""
    need_one_of("loss", loss, ("logistic", "wasserstein"))
    if loss == "logistic":
        return torch.sigmoid(-t)
    return torch.ones_like(t)


def _double(name: str, value: Tensor | float) -> Tensor:
    as_tensor(name, value)  # or a sentence
    number = torch.as_tensor(value, dtype=torch.float64)
    need_finite(name, number)
    return number
