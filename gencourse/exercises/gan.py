"""Exercises of chapter 2."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.exercises.engine import Exercise, Right, Wrong
from gencourse.exercises.numbers import NotYet, close, expect, number, parts, random, slopes
from gencourse.training import seeded

__all__ = ["EXERCISES"]

# --- 2.1 -------------------------------------------------------------------------------------------------

_G_DOWN = (
    "A descent step on your generator loss pushes the logits of fakes *down*, to worse fakes. Check the sign."
)
_SATURATES = "Your generator loss is log(1 − σ(a)): its gradient −σ(a) dies when the discriminator wins. Use −log σ(a)."
_D_SIGN = "A descent step on your discriminator loss must raise the logits of real pictures and lower those of fakes."
_LOG1P = "log(1 + D) is not log D: its pull D(1 − D)/(1 + D) vanishes where D is near 0. Write −log σ(a)."


def _check_signs(both: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
    real, fake = random(5).requires_grad_(), random(5, seed=1).requires_grad_()
    made = both(real, fake)
    if not (isinstance(made, tuple) and len(made) == 2):
        raise NotYet("Return two numbers: the discriminator's loss, the generator's loss.")
    d, g = made
    (to_fake_g,) = torch.autograd.grad(g, fake, retain_graph=True)
    expect((to_fake_g < 0).all(), _G_DOWN)
    expect(not close(to_fake_g, -torch.sigmoid(fake) / 5), _SATURATES)
    to_real, to_fake = torch.autograd.grad(d, (real, fake), retain_graph=True)
    expect((to_real < 0).all() and (to_fake > 0).all(), _D_SIGN)
    p = torch.sigmoid(real)
    expect(not close(to_real, -(p * (1 - p)) / (1 + p) / 5), _LOG1P)
    for name, gradient, right in (
        ("discriminator's, for real pictures", to_real, -torch.sigmoid(-real) / 5),
        ("discriminator's, for fakes", to_fake, torch.sigmoid(fake) / 5),
        ("generator's", to_fake_g, -torch.sigmoid(-fake) / 5),
    ):
        expect(
            close(gradient, right),
            f"The signs are right, but the {name} gradient is off: eqs. (2.2) and (2.6).",
        )
    large = torch.tensor([800.0], dtype=torch.float64)
    finite = all(torch.isfinite(v).all() for v in (*both(-large, large), *both(large, -large)))
    expect(finite, "At logits of ±800 your loss is not finite: use softplus instead of the log of a sigmoid.")


_SIGNS = Exercise(
    number="2.1",
    title="Two losses with the right signs",
    level=2,
    minutes=15,
    answer="losses_on_logits",
    check=_check_signs,
    stub='''
def losses_on_logits(real, fake):
    """(discriminator's loss, generator's non-saturating loss) from logits of shape (B,), to be minimised."""
    raise NotImplementedError
''',
    solution='''
def losses_on_logits(real, fake):
    """(discriminator's loss, generator's non-saturating loss) from logits of shape (B,), to be minimised."""
    softplus = nn.functional.softplus
    d = softplus(-real).mean() + softplus(fake).mean()
    g = softplus(-fake).mean()
    return d, g
''',
    wrong=(
        Wrong(_G_DOWN, edit=("g = softplus(-fake).mean()", "g = -softplus(-fake).mean()")),
        Wrong(_SATURATES, edit=("g = softplus(-fake).mean()", "g = -softplus(fake).mean()")),
        Wrong(
            _D_SIGN,
            edit=(
                "softplus(-real).mean() + softplus(fake).mean()",
                "softplus(real).mean() + softplus(-fake).mean()",
            ),
        ),
        Wrong(_LOG1P, edit=("softplus(-real).mean()", "-torch.log1p(torch.sigmoid(real)).mean()")),
        Wrong(
            "At logits of ±800",
            edit=("g = softplus(-fake).mean()", "g = -torch.log(torch.sigmoid(fake)).mean()"),
        ),
        Wrong("The signs are right", edit=("g = softplus(-fake).mean()", "g = softplus(-fake).sum()")),
    ),
)

# --- 2.2 -------------------------------------------------------------------------------------------------

_NO_HALF = (
    "You left out a ½: the Jensen-Shannon divergence averages two divergences to the mixture (p + q)/2."
)
_LOG_TWO = "That is the value in bits: use the natural logarithm."
_SWAPPED = "The best discriminator is p/(p + q), large where real points are likely; yours is q/(p + q)."
_ZERO = "Where p or q is zero the term counts as 0, not NaN: torch.xlogy knows that."


def _check_value(value: Callable[[Tensor, Tensor], Tensor]) -> None:
    p = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    q = torch.tensor([0.1, 0.6, 0.3], dtype=torch.float64)
    m = (p + q) / 2
    jsd = (p * (p / m).log()).sum() / 2 + (q * (q / m).log()).sum() / 2
    right = -math.log(4) + 2 * jsd
    found = torch.as_tensor(value(p, q))
    expect(found.shape == (), "Return one number.")
    expect(not close(found, -math.log(4) + 4 * jsd), _NO_HALF)
    expect(not close(found, right / math.log(2)), _LOG_TWO)
    d = q / (p + q)
    expect(not close(found, (p * d.log()).sum() + (q * (1 - d).log()).sum()), _SWAPPED)
    expect(close(found, right), f"For the check's p and q it is {right:.4f}; yours is {float(found):.4f}.")
    ends = value(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]))
    expect(close(ends, 0.0), _ZERO)


_VALUE = Exercise(
    number="2.2",
    title="The value of the game",
    level=2,
    minutes=20,
    answer="value_at_best_d",
    check=_check_value,
    stub='''
def value_at_best_d(p, q):
    """V(D*, G) for data law p and generated law q, two tensors of probabilities; in nats."""
    raise NotImplementedError
''',
    solution='''
def value_at_best_d(p, q):
    """V(D*, G) for data law p and generated law q, two tensors of probabilities; in nats."""
    d = p / (p + q)
    return (torch.xlogy(p, d) + torch.xlogy(q, 1 - d)).sum()
''',
    wrong=(
        Wrong(
            _NO_HALF,
            code="""
            def value_at_best_d(p, q):
                m = (p + q) / 2
                return 2 * (torch.xlogy(p, p / m) + torch.xlogy(q, q / m)).sum() - math.log(4)
            """,
        ),
        Wrong(_LOG_TWO, edit=(".sum()", ".sum() / math.log(2)")),
        Wrong(_SWAPPED, edit=("d = p / (p + q)", "d = q / (p + q)")),
        Wrong(_ZERO, edit=("torch.xlogy(p, d) + torch.xlogy(q, 1 - d)", "p * d.log() + q * (1 - d).log()")),
        Wrong("For the check's p and q", edit=("(p + q)", "(2 * p + q)")),
    ),
)

# --- 2.3 -------------------------------------------------------------------------------------------------

_UNSQUARED = (
    "You solved λ² + γλ + a = 0. The slope enters twice, once for each player: λ² + γλ + a² = 0. (A respected "
    "paper prints it without the square.)"
)
_CONVERGES = (
    "At γ = 0 you report convergence. Without a penalty both eigenvalues are purely imaginary: it circles."
)


def _check_eigenvalues(eigenvalues: Callable[[float, float], Any]) -> None:
    for gamma, a in ((0.0, 0.5), (0.3, 0.5), (1.0, 0.5), (2.0, 0.5), (0.7, 1.3)):
        found = torch.as_tensor(eigenvalues(gamma, a)).to(torch.complex128)
        expect(found.shape == (2,), "Return the two eigenvalues.")
        flow = torch.tensor([[0.0, -a], [a, -gamma]], dtype=torch.float64)
        total, product = found.sum(), found.prod()
        if gamma == 0:
            expect(found.real.abs().max() < 1e-9 or (found.real > -1e-9).any(), _CONVERGES)
        expect(not close(product.real, a, 1e-9) or a == 1, _UNSQUARED)
        expect(
            close(total.real, -gamma, 1e-9) and close(product.real, torch.linalg.det(flow), 1e-9),
            f"At γ = {gamma}, a = {a} their sum must be −γ and their product a²: eq. (2.19).",
        )


_EIGEN = Exercise(
    number="2.3",
    title="Will it settle?",
    level=3,
    minutes=20,
    answer="eigenvalues",
    check=_check_eigenvalues,
    stub='''
def eigenvalues(gamma, a):
    """The two eigenvalues of the Dirac-GAN's flow at its equilibrium, with R1 weight gamma; complex."""
    raise NotImplementedError
''',
    solution='''
def eigenvalues(gamma, a):
    """The two eigenvalues of the Dirac-GAN's flow at its equilibrium, with R1 weight gamma; complex."""
    root = torch.sqrt(torch.tensor(gamma**2 / 4 - a**2, dtype=torch.complex128))
    return torch.stack([-gamma / 2 + root, -gamma / 2 - root])
''',
    wrong=(
        Wrong(_UNSQUARED, edit=("- a**2", "- a")),
        Wrong(
            _CONVERGES,
            edit=("[-gamma / 2 + root, -gamma / 2 - root]", "[-1 - gamma / 2 + root, -1 - gamma / 2 - root]"),
        ),
        Wrong(
            "At γ = 0.3", edit=("-gamma / 2 + root, -gamma / 2 - root", "gamma / 2 + root, gamma / 2 - root")
        ),
    ),
)

# --- 2.4 -------------------------------------------------------------------------------------------------

_NOT_SIMULTANEOUS = (
    "Your simultaneous steps stay on a closed orbit: the second player already sees the first one's move. Compute "
    "both moves from the old θ and ψ."
)
_NOT_ALTERNATING = "Your alternating steps spiral out: the generator must see the discriminator's *new* ψ."
_NO_PENALTY = (
    "With γ = 0.5 the radius must fall to nothing: the penalty takes −γψ from the discriminator's move."
)


def _check_radius(radius: Callable[[float, int, float, bool], float]) -> None:
    simultaneous = float(radius(0.2, 2000, 0.0, False))
    expect(simultaneous > 1.5, _NOT_SIMULTANEOUS)
    expect(float(radius(0.2, 2000, 0.0, True)) < 1.5, _NOT_ALTERNATING)
    expect(float(radius(0.2, 2000, 0.5, False)) < 1e-2, _NO_PENALTY)
    expect(
        3.55 < simultaneous < 3.7,
        f"After 2000 simultaneous steps of 0.2 it is 3.62; yours is {simultaneous:.2f}.",
    )


_RADIUS = Exercise(
    number="2.4",
    title="Circle, spiral, rest",
    level=2,
    minutes=20,
    answer="radius",
    check=_check_radius,
    stub='''
def radius(h, steps, gamma, alternating):
    """√(θ² + ψ²) after so many steps of size h from θ = 1, ψ = 0, with f'(t) = 1/(1 + eᵗ); D moves first."""
    raise NotImplementedError
''',
    solution='''
def radius(h, steps, gamma, alternating):
    """√(θ² + ψ²) after so many steps of size h from θ = 1, ψ = 0, with f'(t) = 1/(1 + eᵗ); D moves first."""
    theta, psi = 1.0, 0.0
    for _ in range(steps):
        slope = 1 / (1 + math.exp(theta * psi))
        new_psi = psi + h * (theta * slope - gamma * psi)
        seen = new_psi if alternating else psi
        theta = theta - h * seen / (1 + math.exp(theta * seen))
        psi = new_psi
    return math.hypot(theta, psi)
''',
    wrong=(
        Wrong(_NOT_SIMULTANEOUS, edit=("new_psi if alternating else psi", "new_psi")),
        Wrong(_NOT_ALTERNATING, edit=("new_psi if alternating else psi", "psi")),
        Wrong(_NO_PENALTY, edit=(" - gamma * psi", "")),
        Wrong("After 2000 simultaneous steps", edit=("theta, psi = 1.0", "theta, psi = 0.5")),
    ),
)

# --- 2.5 -------------------------------------------------------------------------------------------------

_NO_DETACH = (
    "The discriminator's step left gradients in the generator: detach the fakes (or make them under no_grad)."
)
_REUSED = "Both moves used the same noise: draw new noise for the generator's move."
_LEFTOVER = "The discriminator moves by old gradients, too: clear them right before its backward."
_WRONG_MOVE = (
    "The {who} did not move by the gradient of its own loss: check which loss goes to which optimiser, and that "
    "the moved discriminator judges the generator."
)


class _Recorder:
    """Stands for an optimiser: notes what it would do, and moves nothing but its own network."""

    def __init__(self, network: nn.Module, other: nn.Module) -> None:
        self.network, self.other = network, other
        self.gradients: list[Tensor] = []
        self.left_in_other: list[bool] = []

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.network.zero_grad(set_to_none)

    def step(self) -> None:
        found = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self.network.parameters()]
        self.gradients.append(torch.cat([g.flatten() for g in found]).clone())
        self.left_in_other.append(
            any(p.grad is not None and bool(p.grad.any()) for p in self.other.parameters())
        )
        with torch.no_grad():
            for p, g in zip(self.network.parameters(), found, strict=True):
                p.sub_(0.1 * g)


def _check_step(step: Callable[..., None]) -> None:
    with seeded(0):
        g, d = nn.Linear(2, 3).double(), nn.Linear(3, 1).double()
        draws: list[Tensor] = []

        def noise(n: int) -> Tensor:
            draws.append(torch.randn(n, 2, dtype=torch.float64))
            return draws[-1]

        g_optimizer, d_optimizer = _Recorder(g, d), _Recorder(d, g)
        for round_ in range(2):
            x = torch.randn(8, 3, dtype=torch.float64) + 1
            old_g = [p.detach().clone() for p in g.parameters()]
            old_d = [p.detach().clone() for p in d.parameters()]
            first_draw = len(draws)
            step(g, d, g_optimizer, d_optimizer, x, noise)
            expect(
                len(d_optimizer.gradients) == round_ + 1 and len(g_optimizer.gradients) == round_ + 1,
                "Each call must move the discriminator once and the generator once.",
            )
            expect(len(draws) - first_draw == 2, _REUSED)
            wanted_d = _d_gradient(old_d, x, draws[first_draw] @ old_g[0].T + old_g[1])
            wanted_g = _g_gradient(old_g, [p.detach() for p in d.parameters()], draws[first_draw + 1])
            if round_ == 0:
                expect(not d_optimizer.left_in_other[0], _NO_DETACH)
                expect(close(d_optimizer.gradients[0], wanted_d), _WRONG_MOVE.format(who="discriminator"))
                expect(close(g_optimizer.gradients[0], wanted_g), _WRONG_MOVE.format(who="generator"))
            else:
                expect(close(d_optimizer.gradients[1], wanted_d), _LEFTOVER)
                expect(
                    close(g_optimizer.gradients[1], wanted_g), _LEFTOVER.replace("discriminator", "generator")
                )


def _d_gradient(weights: list[Tensor], x: Tensor, fake: Tensor) -> Tensor:
    """What the discriminator should move by, computed apart from the learner's code."""
    w, b = (v.clone().requires_grad_() for v in weights)
    softplus = nn.functional.softplus
    loss = softplus(-(x @ w.T + b)).mean() + softplus(fake @ w.T + b).mean()
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, (w, b))])


def _g_gradient(weights: list[Tensor], judge: list[Tensor], z: Tensor) -> Tensor:
    """What the generator should move by."""
    w, b = (v.clone().requires_grad_() for v in weights)
    loss = nn.functional.softplus(-((z @ w.T + b) @ judge[0].T + judge[1])).mean()
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, (w, b))])


_STEP = Exercise(
    number="2.5",
    title="The step that the documents left as dots",
    level=3,
    minutes=25,
    answer="gan_step",
    check=_check_step,
    stub='''
def gan_step(generator, discriminator, g_optimizer, d_optimizer, x, noise):
    """One move of the discriminator, then one of the generator; noise(n) draws noise for n samples."""
    raise NotImplementedError
''',
    solution='''
def gan_step(generator, discriminator, g_optimizer, d_optimizer, x, noise):
    """One move of the discriminator, then one of the generator; noise(n) draws noise for n samples."""
    fake = generator(noise(len(x))).detach()
    d_loss = losses.discriminator_loss(discriminator(x), discriminator(fake))
    d_optimizer.zero_grad()
    d_loss.backward()
    d_optimizer.step()
    fake = generator(noise(len(x)))
    g_loss = losses.generator_loss(discriminator(fake))
    g_optimizer.zero_grad()
    g_loss.backward()
    g_optimizer.step()
''',
    wrong=(
        Wrong(_NO_DETACH, edit=(".detach()", "")),
        Wrong(
            _REUSED,
            code="""
            def gan_step(generator, discriminator, g_optimizer, d_optimizer, x, noise):
                fake = generator(noise(len(x)))
                d_optimizer.zero_grad()
                losses.discriminator_loss(discriminator(x), discriminator(fake.detach())).backward()
                d_optimizer.step()
                g_optimizer.zero_grad()
                losses.generator_loss(discriminator(fake)).backward()
                g_optimizer.step()
            """,
        ),
        Wrong(_LEFTOVER, edit=("    d_optimizer.zero_grad()\n", "")),
        Wrong(
            "The generator did not move by the gradient of its own loss",
            edit=(
                "losses.generator_loss(discriminator(fake))",
                "-losses.generator_loss(discriminator(fake))",
            ),
        ),
        Wrong("Each call must move", edit=("    g_optimizer.step()\n", "")),
    ),
)

# --- 2.6 -------------------------------------------------------------------------------------------------

_PIXEL_MEAN = "You average over pixels. The squared length of a gradient *sums* over its numbers."
_ON_SIGMOID = "You differentiate the probability σ(a). The penalty is on the logit a."
_NO_GRAPH = (
    "The penalty cannot be differentiated: pass create_graph=True, or the discriminator never feels it."
)


def _check_r1(penalty: Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]) -> None:
    x = random(4, 1, 3, 3)
    w = random(9, seed=1).requires_grad_()

    def linear(batch: Tensor) -> Tensor:
        return batch.flatten(1) @ w

    value = torch.as_tensor(penalty(linear, x))
    right = (w.detach() ** 2).sum() / 2
    expect(value.shape == (), "Return one number.")
    p = torch.sigmoid(linear(x))
    expect(not close(value, right / 9), _PIXEL_MEAN)
    expect(not close(value, ((p * (1 - p)) ** 2).mean() * right), _ON_SIGMOID)
    expect(not close(value, 2 * right), "Mind the ½ of eq. (2.14).")
    expect(
        close(value, right),
        f"For a linear D it is ½‖w‖² = {right:.4f}; yours is {float(value.detach()):.4f}.",
    )
    expect(value.requires_grad, _NO_GRAPH)
    (to_w,) = torch.autograd.grad(value, w, allow_unused=True)
    expect(to_w is not None and close(to_w, w), _NO_GRAPH)
    quadratic = torch.as_tensor(penalty(lambda batch: batch.flatten(1).square().sum(1), x))
    expect(
        close(quadratic, 2 * x.square().sum() / 4),
        "For D(x) = ‖x‖² the penalty must differ from picture to picture.",
    )


_R1 = Exercise(
    number="2.6",
    title="A penalty on the slope",
    level=3,
    minutes=20,
    answer="r1",
    check=_check_r1,
    stub='''
def r1(discriminator, x):
    """½ E‖∇a(x)‖², differentiable; discriminator maps (B, C, H, W) to logits (B,)."""
    raise NotImplementedError
''',
    solution='''
def r1(discriminator, x):
    """½ E‖∇a(x)‖², differentiable; discriminator maps (B, C, H, W) to logits (B,)."""
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return slope.square().flatten(1).sum(1).mean() / 2
''',
    wrong=(
        Wrong(_PIXEL_MEAN, edit=(".flatten(1).sum(1).mean()", ".mean()")),
        Wrong(_ON_SIGMOID, edit=("discriminator(x).sum()", "torch.sigmoid(discriminator(x)).sum()")),
        Wrong(_NO_GRAPH, edit=(", create_graph=True", "")),
        Wrong("Mind the ½", edit=(" / 2", "")),
        Wrong(
            "For D(x) = ‖x‖²", edit=("slope.square().flatten(1).sum(1).mean()", "slope[:1].square().sum()")
        ),
    ),
)

# --- 2.7 -------------------------------------------------------------------------------------------------

_ELEMENTWISE = "The square root is that of a matrix product, not of its entries."
_NOT_SQUARED = "The difference of the means enters squared."
_NO_CROSS = "Without the term −2 tr (Σ₁Σ₂)^½ the distance of a law to itself is not zero."


def _check_frechet(frechet: Callable[..., Any]) -> None:
    def law(seed: int) -> tuple[Tensor, Tensor]:
        a = random(3, 3, seed=seed)
        return random(3, seed=seed + 10), a @ a.T + 0.1 * torch.eye(3, dtype=torch.float64)

    (m1, s1), (m2, s2) = law(1), law(2)
    far = ((m1 - m2) ** 2).sum()
    cross = torch.linalg.eigvals(s1 @ s2).sqrt().real.sum()
    right = far + s1.trace() + s2.trace() - 2 * cross
    value = torch.as_tensor(frechet(m1, s1, m2, s2))
    expect(not value.is_complex(), "Return a real number: take the real part of the tiny imaginary rest.")
    expect(not close(value, far + s1.trace() + s2.trace()), _NO_CROSS)
    expect(not close(value, right - far + far.sqrt()), _NOT_SQUARED)
    clipped = (s1 @ s2).clamp_min(0)
    expect(not close(value, far + s1.trace() + s2.trace() - 2 * clipped.sqrt().trace()), _ELEMENTWISE)
    expect(
        close(value, right, 1e-4),
        f"For the check's two Gaussians it is {right:.4f}; yours is {float(value):.4f}.",
    )


_FRECHET = Exercise(
    number="2.7",
    title="A distance between clouds",
    level=2,
    minutes=15,
    answer="frechet",
    check=_check_frechet,
    stub='''
def frechet(mean_a, cov_a, mean_b, cov_b):
    """Fréchet distance of two Gaussians, eq. (2.21). Hint: tr A^½ is the sum of the roots of A's eigenvalues."""
    raise NotImplementedError
''',
    solution='''
def frechet(mean_a, cov_a, mean_b, cov_b):
    """Fréchet distance of two Gaussians, eq. (2.21). Hint: tr A^½ is the sum of the roots of A's eigenvalues."""
    cross = torch.linalg.eigvals(cov_a @ cov_b).sqrt().real.sum()
    return (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
''',
    wrong=(
        Wrong(_NO_CROSS, edit=(" - 2 * cross", "")),
        Wrong(_NOT_SQUARED, edit=("(mean_a - mean_b).square().sum()", "(mean_a - mean_b).norm()")),
        Wrong(
            _ELEMENTWISE,
            edit=(
                "torch.linalg.eigvals(cov_a @ cov_b).sqrt().real.sum()",
                "(cov_a @ cov_b).clamp_min(0).sqrt().trace()",
            ),
        ),
        Wrong("Return a real number", edit=(".real.sum()", ".sum()")),
        Wrong("For the check's two Gaussians", edit=("- 2 * cross", "- cross")),
    ),
)

# --- 2.8 -------------------------------------------------------------------------------------------------

_OTHER_LOSS = "That is −log D, the non-saturating loss. The text speaks of −log(1 − D)."
_OTHER_END = "The gradient on the logit has size D, not 1 − D: it is small where D is near *zero*."


def _check_flat_end(flat_end: Callable[[float], tuple[float, float]]) -> None:
    for d, low in ((0.99, False), (0.01, True)):
        loss, size = (float(v) for v in flat_end(d))
        expect(not close(loss, -math.log(d)), _OTHER_LOSS)
        expect(close(loss, -math.log(1 - d)), f"At D = {d} the loss −log(1 − D) is {-math.log(1 - d):.3f}.")
        expect(not close(size, 1 - d), _OTHER_END)
        expect(
            close(size, d),
            f"At D = {d} the gradient's size is {d}{', tiny' if low else ''}: differentiate by the logit.",
        )


_FLAT = Exercise(
    number="2.8",
    title="Find the slip: where is it flat?",
    level=1,
    minutes=10,
    answer="flat_end",
    check=_check_flat_end,
    stub='''
def flat_end(d):
    """(−log(1 − D), size of its gradient with respect to the logit a, where D = σ(a)), for a number d = D."""
    raise NotImplementedError
''',
    solution='''
def flat_end(d):
    """(−log(1 − D), size of its gradient with respect to the logit a, where D = σ(a)), for a number d = D."""
    return -math.log(1 - d), d
''',
    wrong=(
        Wrong(_OTHER_LOSS, edit=("-math.log(1 - d), d", "-math.log(d), d")),
        Wrong(_OTHER_END, edit=("-math.log(1 - d), d", "-math.log(1 - d), 1 - d")),
        Wrong("At D = 0.99 the loss", edit=("-math.log(1 - d), d", "0.0, d")),
    ),
)

# --- 2.9 -------------------------------------------------------------------------------------------------

_ONLY_REAL = "Your points are the real ones: with ε = 1 the penalty never looks between the laws."
_OUTSIDE = "Some of your points lie outside the segment: draw ε uniformly from [0, 1], not from a normal law."
_ONE_EPSILON = "One ε serves the whole batch: draw one for each sample."
_PIXEL_EPSILON = "Each pixel has an ε of its own, so your points leave the segment from real to fake."


def _check_between(between: Callable[[Tensor, Tensor], Tensor]) -> None:
    with seeded(0):
        real, fake = torch.ones(400, 1, 4, 4), torch.zeros(400, 1, 4, 4)
        points = between(real, fake)
    expect(points.shape == real.shape, f"Return points of the shape of real, {tuple(real.shape)}.")
    weight = points.flatten(1)
    expect(not torch.equal(points, real), _ONLY_REAL)
    expect(weight.std(1).max() < 1e-6, _PIXEL_EPSILON)
    expect(weight.min() >= 0 and weight.max() <= 1, _OUTSIDE)
    expect(weight[:, 0].std() > 0.05, _ONE_EPSILON)
    spread = ((weight[:, 0].sort().values - torch.linspace(0, 1, 400)).abs().max() < 0.12).item()
    expect(spread, "ε is not uniform on [0, 1].")


_BETWEEN = Exercise(
    number="2.9",
    title="Find the slip: between real and fake",
    level=2,
    minutes=10,
    answer="between",
    check=_check_between,
    stub='''
def between(real, fake):
    """Random points on the segments from fake to real, one for each pair; shapes (B, C, H, W)."""
    raise NotImplementedError
''',
    solution='''
def between(real, fake):
    """Random points on the segments from fake to real, one for each pair; shapes (B, C, H, W)."""
    epsilon = torch.rand(len(real), 1, 1, 1)
    return epsilon * real + (1 - epsilon) * fake
''',
    wrong=(
        Wrong(_ONLY_REAL, edit=("torch.rand(len(real), 1, 1, 1)", "1.0")),
        Wrong(_OUTSIDE, edit=("torch.rand(", "torch.randn(")),
        Wrong(_ONE_EPSILON, edit=("torch.rand(len(real), 1, 1, 1)", "torch.rand(1)")),
        Wrong(_PIXEL_EPSILON, edit=("torch.rand(len(real), 1, 1, 1)", "torch.rand_like(real)")),
        Wrong(
            "ε is not uniform", edit=("torch.rand(len(real), 1, 1, 1)", "torch.rand(len(real), 1, 1, 1) / 2")
        ),
    ),
)

# --- 2.10 ------------------------------------------------------------------------------------------------

_HINGE = (
    "That is the hinge loss: it stops at a margin. The Wasserstein critic's loss is linear and has no margin."
)
_ASCENT = "Your optimiser minimises, so this critic lowers its values on real pictures: turn the sign."


def _check_critic(critic_loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    real, fake = 3 + random(6).abs(), -3 - random(6, seed=1).abs()
    value = torch.as_tensor(critic_loss(real, fake))
    right = fake.mean() - real.mean()
    hinge = (1 - real).relu().mean() + (1 + fake).relu().mean()
    expect(not close(value, hinge), _HINGE)
    expect(not close(value, -right), _ASCENT)
    expect(
        close(value, right),
        f"For the check's values it is {right:.4f}, eq. (2.10); yours is {float(value):.4f}.",
    )


_CRITIC = Exercise(
    number="2.10",
    title="Find the slip: a critic, not a judge",
    level=1,
    minutes=10,
    answer="critic_loss",
    check=_check_critic,
    stub='''
def critic_loss(f_real, f_fake):
    """The Wasserstein critic's loss, to be *minimised*; f_real and f_fake are its values, shape (B,)."""
    raise NotImplementedError
''',
    solution='''
def critic_loss(f_real, f_fake):
    """The Wasserstein critic's loss, to be *minimised*; f_real and f_fake are its values, shape (B,)."""
    return f_fake.mean() - f_real.mean()
''',
    wrong=(
        Wrong(
            _HINGE,
            edit=("f_fake.mean() - f_real.mean()", "(1 - f_real).relu().mean() + (1 + f_fake).relu().mean()"),
        ),
        Wrong(_ASCENT, edit=("f_fake.mean() - f_real.mean()", "f_real.mean() - f_fake.mean()")),
        Wrong("For the check's values", edit=(".mean() - f_real.mean()", ".sum() - f_real.sum()")),
    ),
)

EXERCISES = (_SIGNS, _VALUE, _EIGEN, _RADIUS, _STEP, _R1, _FRECHET, _FLAT, _BETWEEN, _CRITIC)
