"""Exercises of chapter 2."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.exercises.engine import Exercise, Right, Wrong
from gencourse.exercises.numbers import NotYet, agree, close, expect, number, parts, plain, random, slopes

__all__ = ["EXERCISES"]

# --- 2.1 -------------------------------------------------------------------------------------------------

_G_DOWN = (
    "A descent step on your generator loss pushes the logits of fakes *down*, to worse fakes. Check the sign."
)
_SATURATES = "Your generator loss is log(1 − σ(a)): its gradient −σ(a) dies when the discriminator wins. Use −log σ(a)."
_D_SIGN = "A descent step on your discriminator loss must raise the logits of real pictures and lower those of fakes."
_DEAD = (
    "At a logit of −40 the pull of your loss has died: something in it, an ε inside a logarithm or a clamp, hides the "
    "infinity and takes the gradient away. Use softplus instead of the log of a sigmoid."
)
_LOG1P = "log(1 + D) is not log D: its pull D(1 − D)/(1 + D) vanishes where D is near 0. Write −log σ(a)."


def _check_signs(both: Callable[[Tensor, Tensor], Any]) -> None:
    def played(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        told = "Return two numbers: the discriminator's loss, the generator's loss."
        d, g = parts(both(real, fake), 2, told)
        return number(d, told), number(g, told)

    softplus = nn.functional.softplus
    for n, m in ((5, 7), (4, 3)):
        real, fake = random(n).requires_grad_(), random(m, seed=1).requires_grad_()
        d, g = played(real, fake)
        (to_fake_g,) = slopes(g, fake)
        expect((to_fake_g < 0).all(), _G_DOWN)
        expect(not close(to_fake_g, -torch.sigmoid(fake) / m), _SATURATES)
        to_real, to_fake = slopes(d, real, fake)
        expect((to_real < 0).all() and (to_fake > 0).all(), _D_SIGN)
        p = torch.sigmoid(real)
        expect(not close(to_real, -(p * (1 - p)) / (1 + p) / n), _LOG1P)
        for name, gradient, right in (
            ("discriminator's, for real pictures", to_real, -torch.sigmoid(-real) / n),
            ("discriminator's, for fakes", to_fake, torch.sigmoid(fake) / m),
            ("generator's", to_fake_g, -torch.sigmoid(-fake) / m),
        ):
            expect(
                close(gradient, right),
                f"The signs are right, but the {name} gradient is off: eqs. (2.2) and (2.6).",
            )
        values = softplus(-real).mean() + softplus(fake).mean(), softplus(-fake).mean()
        expect(
            close(d, values[0]) and close(g, values[1]),
            "The gradients are right, but a value is off: eqs. (2.2) and (2.6).",
        )
    for size in (800.0, 40.0):
        for sign in (-1, 1):
            real = torch.full((2,), sign * size).requires_grad_()
            fake = torch.full((2,), -sign * size).requires_grad_()
            d, g = played(real, fake)
            expect(
                torch.isfinite(d) and torch.isfinite(g),
                f"At logits of ±{size:.0f} your loss is not finite: use softplus instead of the log of a sigmoid.",
            )
            pulls = torch.cat([*slopes(d, real, fake), *slopes(g, fake)])
            wanted = torch.cat([-torch.sigmoid(-real), torch.sigmoid(fake), -torch.sigmoid(-fake)]) / 2
            expect(close(pulls, wanted), _DEAD)


_SIGNS = Exercise(
    number="2.1",
    title="Two losses with the right signs",
    level=2,
    minutes=15,
    answer="losses_on_logits",
    hints=(
        "For logits of ±800, what does the logarithm of a sigmoid give in float32?",
        "−log σ(a) is softplus(−a). The generator wants its fakes called real.",
        "d = softplus(-real).mean() + softplus(fake).mean()",
    ),
    check=_check_signs,
    stub='''
def losses_on_logits(real, fake):
    """(discriminator's loss, generator's non-saturating loss) from logits of shape
    (B,), to be minimised.
    """
    raise NotImplementedError
''',
    solution='''
def losses_on_logits(real, fake):
    """(discriminator's loss, generator's non-saturating loss) from logits of shape
    (B,), to be minimised.
    """
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
        Wrong("The gradients are right", edit=("return d, g", "return d + 1, g")),
        Wrong(
            _DEAD,
            edit=("g = softplus(-fake).mean()", "g = -torch.log(torch.sigmoid(fake) + 1e-12).mean()"),
        ),
        Wrong(
            _DEAD,
            edit=(
                "softplus(-real).mean()",
                "nn.functional.binary_cross_entropy(torch.sigmoid(real), torch.ones_like(real))",
            ),
        ),
        Wrong("Return two numbers", edit=("return d, g", "return d + g")),
    ),
    also_right=(
        Right(edit=("return d, g", "return [d, g]")),
        Right(edit=("return d, g", "return torch.stack([d, g])")),
        Right(
            code="""
            def losses_on_logits(real, fake):
                log_d = nn.functional.logsigmoid
                return -log_d(real).mean() - log_d(-fake).mean(), -log_d(fake).mean()
            """
        ),
        Right(
            code="""
            def losses_on_logits(real, fake):
                bce = nn.functional.binary_cross_entropy_with_logits
                d = bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))
                return d, bce(fake, torch.ones_like(fake))
            """
        ),
    ),
)

# --- 2.2 -------------------------------------------------------------------------------------------------

_NO_HALF = (
    "You left out a ½: the Jensen-Shannon divergence averages two divergences to the mixture (p + q)/2."
)
_LOG_TWO = "That is the value in bits: use the natural logarithm."
_SWAPPED = "The best discriminator is p/(p + q), large where real points are likely; yours is q/(p + q)."
_ZERO = "Where p or q is zero the term counts as 0, not NaN: torch.xlogy knows that."


def _check_value(value: Callable[[Tensor, Tensor], Any]) -> None:
    for n in (3, 5):
        p, q = (2 * random(n)).softmax(0), (2 * random(n, seed=1)).softmax(0)
        m = (p + q) / 2
        jsd = (p * (p / m).log()).sum() / 2 + (q * (q / m).log()).sum() / 2
        right = -math.log(4) + 2 * jsd
        found = number(value(p, q))
        d = q / (p + q)
        agree(
            found,
            right,
            f"For the check's p and q it is {right:.4f}; yours is {float(found.detach()):.4f}.",
            (-math.log(4) + 4 * jsd, _NO_HALF),
            (right / math.log(2), _LOG_TWO),
            ((p * d.log()).sum() + (q * (1 - d).log()).sum(), _SWAPPED),
        )
    for one, other, wanted in (
        ([1.0, 0.0], [0.0, 1.0], 0.0),
        ([0.5, 0.5, 0.0], [0.0, 0.5, 0.5], -math.log(2)),
    ):
        expect(close(number(value(torch.tensor(one), torch.tensor(other))), wanted), _ZERO)


_VALUE = Exercise(
    number="2.2",
    title="The value of the game",
    level=2,
    minutes=20,
    answer="value_at_best_d",
    hints=(
        "At one point with p and q given, which D makes p log D + q log(1 − D) largest?",
        "Put D* = p/(p + q) into the value and sum; a point with probability 0 adds nothing.",
        "return (torch.xlogy(p, d) + torch.xlogy(q, 1 - d)).sum()",
    ),
    check=_check_value,
    stub='''
def value_at_best_d(p, q):
    """V(D*, G) in nats for data law p and generated law q, tensors of probabilities."""
    raise NotImplementedError
''',
    solution='''
def value_at_best_d(p, q):
    """V(D*, G) in nats for data law p and generated law q, tensors of probabilities."""
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
        Wrong("For the check's p and q", edit=(".sum()", ".mean()")),
        Wrong("Return one number", edit=(".sum()", "")),
    ),
    also_right=(
        Right(
            code="""
            def value_at_best_d(p, q):
                m = (p + q) / 2
                return (torch.xlogy(p, p / m) + torch.xlogy(q, q / m)).sum() - math.log(4)
            """
        ),
        Right(
            code="""
            def value_at_best_d(p, q):
                total = 0.0
                for a, b in zip(p.tolist(), q.tolist()):
                    total += (a * math.log(a / (a + b)) if a else 0) + (b * math.log(b / (a + b)) if b else 0)
                return total
            """
        ),
        Right(edit=("d = p / (p + q)", "d = torch.sigmoid(p.log() - q.log())")),
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
    for gamma, a in ((0.0, 0.5), (0.3, 0.5), (1.0, 0.5), (2.0, 0.5), (0.7, 1.3), (0.4, -0.8), (0.0, -1.7)):
        found = [complex(v) for v in parts(eigenvalues(gamma, a), 2, "Return the two eigenvalues.")]
        flow = torch.tensor([[0.0, -a], [a, -gamma]], dtype=torch.float64)
        right = torch.linalg.eigvals(flow).tolist()
        if gamma == 0:
            expect(max(v.real for v in found) > -1e-3, _CONVERGES)
        unsquared = (gamma**2 / 4 - abs(a) + 0j) ** 0.5, (gamma**2 / 4 - a + 0j) ** 0.5
        for root in unsquared:
            expect(_apart(found, [-gamma / 2 + root, -gamma / 2 - root]) > 1e-3, _UNSQUARED)
        # a double root is known to the square root of the precision only
        expect(
            _apart(found, right) < (1e-3 if gamma == 2 * abs(a) else 1e-5),
            f"At γ = {gamma}, a = {a} they must be the two roots of λ² + γλ + a² = 0, eq. (2.19).",
        )


def _apart(some: list[complex], others: list[complex]) -> float:
    """How far two pairs of numbers are apart, in whichever order they come."""
    (a, b), (c, d) = some, others
    return min(max(abs(a - c), abs(b - d)), max(abs(a - d), abs(b - c)))


_EIGEN = Exercise(
    number="2.3",
    title="Will it settle?",
    level=3,
    minutes=20,
    answer="eigenvalues",
    hints=(
        "Near the rest point f' hardly changes: which matrix moves (θ, ψ)?",
        "Its trace is −γ and its determinant a². Under the root stands a quarter of γ², which may be less than a².",
        "root = torch.sqrt(torch.tensor(gamma**2 / 4 - a**2, dtype=torch.complex128))",
    ),
    check=_check_eigenvalues,
    stub='''
def eigenvalues(gamma, a):
    """The two eigenvalues of the Dirac-GAN's flow at its equilibrium, with R1 weight
    gamma; complex.
    """
    raise NotImplementedError
''',
    solution='''
def eigenvalues(gamma, a):
    """The two eigenvalues of the Dirac-GAN's flow at its equilibrium, with R1 weight
    gamma; complex.
    """
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
        # sum and product have the right real parts here
        Wrong("At γ = 0.0", edit=("-gamma / 2 - root]", "-gamma / 2 - root + 0.1j]")),
        Wrong("At γ = 0.0", edit=("-gamma / 2 - root]", "-gamma / 2 + root]")),
        Wrong("Return the two eigenvalues", edit=("[-gamma / 2 + root, -gamma / 2 - root]", "[root]")),
    ),
    also_right=(
        Right(edit=("torch.complex128", "torch.complex64")),
        Right(
            code="""
            def eigenvalues(gamma, a):
                import cmath

                root = cmath.sqrt(gamma**2 - 4 * a**2)
                return (-gamma - root) / 2, (-gamma + root) / 2
            """
        ),
        Right(
            code="""
            def eigenvalues(gamma, a):
                return torch.linalg.eigvals(torch.tensor([[0.0, -a], [a, -gamma]]))
            """
        ),
        Right(
            code="""
            def eigenvalues(gamma, a):
                import numpy

                return list(numpy.roots([1, gamma, a**2]))
            """
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
_STALE = (
    "When steps alternate, the generator must feel the slope f'(θψ) at the *new* ψ: yours has the new ψ, and the slope "
    "of the old one."
)
_DOUBLED = "Your penalty is twice as strong: ½γψ² has the slope γψ."


def _check_radius(radius: Callable[[float, int, float, bool], Any]) -> None:
    for h, steps in ((0.2, 1), (0.3, 2), (0.1, 3), (0.2, 40), (0.3, 25), (0.2, 2000)):
        for gamma in (0.0, 0.5, 0.2):
            for alternating in (False, True):
                value = plain(radius(h, steps, gamma, alternating))
                right = _walk(h, steps, gamma, alternating)
                if close(value, right, 1e-3):
                    continue
                both_new = close(value, _walk(h, steps, gamma, True)) or close(
                    value, _walk(h, steps, gamma, True, True)
                )
                expect(alternating or not both_new, _NOT_SIMULTANEOUS)
                expect(not (alternating and close(value, _walk(h, steps, gamma, False))), _NOT_ALTERNATING)
                expect(not (alternating and close(value, _walk(h, steps, gamma, True, True))), _STALE)
                expect(not close(value, _walk(h, steps, 0.0, alternating)), _NO_PENALTY)
                expect(not close(value, _walk(h, steps, 2 * gamma, alternating)), _DOUBLED)
                order = "alternating" if alternating else "simultaneous"
                raise NotYet(
                    f"After {steps} {order} steps of {h} with γ = {gamma} it is {right:.4f}; yours is {value:.4f}."
                )


def _walk(h: float, steps: int, gamma: float, alternating: bool, stale: bool = False) -> float:
    """The radius, step by step; with `stale` the generator feels the slope at the discriminator's old ψ."""
    theta, psi = 1.0, 0.0
    for _ in range(steps):
        old = psi
        psi = old + h * (theta / (1 + math.exp(theta * old)) - gamma * old)
        met = psi if alternating else old
        theta -= h * met / (1 + math.exp(theta * (old if stale else met)))
    return math.hypot(theta, psi)


_RADIUS = Exercise(
    number="2.4",
    title="Circle, spiral, rest",
    level=2,
    minutes=20,
    answer="radius",
    hints=(
        "When the generator moves, which ψ does it look at, the old or the new one?",
        "Compute the new ψ first. Alternating steps use it for θ, simultaneous steps use the old one.",
        "seen = new_psi if alternating else psi",
    ),
    check=_check_radius,
    stub='''
def radius(h, steps, gamma, alternating):
    """√(θ² + ψ²) after so many steps of size h from θ = 1, ψ = 0.

    f'(t) = 1/(1 + eᵗ); D moves first.
    """
    raise NotImplementedError
''',
    solution='''
def radius(h, steps, gamma, alternating):
    """√(θ² + ψ²) after so many steps of size h from θ = 1, ψ = 0.

    f'(t) = 1/(1 + eᵗ); D moves first.
    """
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
        Wrong("After 1 simultaneous steps", edit=("theta, psi = 1.0", "theta, psi = 1.1")),
        Wrong(_STALE, edit=("h * seen / (1 + math.exp(theta * seen))", "h * seen * slope")),
        Wrong(_DOUBLED, edit=("- gamma * psi", "- 2 * gamma * psi")),
        Wrong("After 1 simultaneous steps", edit=("range(steps)", "range(steps + 1)")),
    ),
    also_right=(
        Right(
            code="""
            def radius(h, steps, gamma, alternating):
                state = torch.tensor([1.0, 0.0])
                for _ in range(steps):
                    theta, psi = state
                    psi = psi + h * (theta * torch.sigmoid(-theta * psi) - gamma * psi)
                    met = psi if alternating else state[1]
                    state = torch.stack([theta - h * met * torch.sigmoid(-theta * met), psi])
                return state.norm()
            """
        ),
    ),
)

# --- 2.5 -------------------------------------------------------------------------------------------------

_ORDER = "The discriminator moves first, the generator second."
_ONCE = "Each call must move the discriminator once and the generator once."
_OWN_NOISE = "Your fakes are not made from the noise that you were given: draw it with noise(n)."
_LEFTOVER = "The {who} moves by gradients that were left there, too: clear them right before its backward."
_OLD_JUDGE = "The generator was judged by the discriminator as it was before its move: ask the *moved* one."
_WRONG_MOVE = (
    "The {who} did not move by the gradient of its own loss: look at which loss goes where, and its sign."
)


def _check_step(step: Callable[..., None]) -> None:
    g, d = nn.Linear(2, 3), nn.Linear(3, 1)
    drawn: list[Tensor] = []
    fed: list[Tensor] = []  # what went into the generator
    moves: list[
        tuple[str, Tensor, Tensor, int]
    ] = []  # who, by what, what lay in the generator then, len(fed)
    g.register_forward_pre_hook(lambda _, inputs: fed.append(inputs[0].detach().clone()))

    def noise(n: int) -> Tensor:
        drawn.append(torch.randn(n, 2))
        return drawn[-1].clone()

    def optimizer(name: str, network: nn.Module) -> torch.optim.Optimizer:
        made = torch.optim.SGD(network.parameters(), lr=0.1)
        made.register_step_pre_hook(
            lambda *_: moves.append((name, _gradient(network), _gradient(g), len(fed)))
        )
        return made

    g_optimizer, d_optimizer = optimizer("generator", g), optimizer("discriminator", d)
    for size in (8, 5):
        x = torch.randn(size, 3) + 1
        old_g, old_d, left_d = _weights(g), _weights(d), _gradient(d)
        for note in (drawn, fed, moves):
            note.clear()
        step(g, d, g_optimizer, d_optimizer, x, noise)
        order = [name for name, *_ in moves]
        expect(order != ["generator", "discriminator"], _ORDER)
        expect(order == ["discriminator", "generator"], _ONCE)
        (_, by_d, left_g, before), (_, by_g, *_) = moves
        rows = torch.cat(drawn) if drawn else torch.zeros(0, 2)
        ours = (torch.cat(fed)[:, None] == rows).all(2).any(1) if fed else torch.tensor(False)
        expect(ours.all(), _OWN_NOISE)

        wanted = [_d_gradient(old_d, x, z @ old_g[0].T + old_g[1]) for z in _batches(fed[:before], size)]
        if not any(close(by_d, w) for w in wanted):
            expect(not any(close(by_d - left_d, w) for w in wanted), _LEFTOVER.format(who="discriminator"))
            raise NotYet(_WRONG_MOVE.format(who="discriminator"))
        wanted = [_g_gradient(old_g, _weights(d), z) for z in _batches(fed, size)]
        if not any(close(by_g, w) for w in wanted):
            stale = [_g_gradient(old_g, old_d, z) for z in _batches(fed, size)]
            expect(not any(close(by_g, w) for w in stale), _OLD_JUDGE)
            expect(not any(close(by_g - left_g, w) for w in wanted), _LEFTOVER.format(who="generator"))
            raise NotYet(_WRONG_MOVE.format(who="generator"))


def _weights(network: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in network.parameters()]


def _gradient(network: nn.Module) -> Tensor:
    """The gradients that lie in a network, zero where there is none."""
    return torch.cat(
        [(torch.zeros_like(p) if p.grad is None else p.grad.clone()).flatten() for p in network.parameters()]
    )


def _batches(fed: list[Tensor], size: int) -> list[Tensor]:
    """Noise of every batch of fakes that the learner may mean: as fed in, cut to size, or all of it together."""
    cut = [z[i : i + size] for z in fed for i in range(0, len(z), size)]
    return [*fed, *cut, torch.cat(fed)] if fed else []


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
    hints=(
        "Which network may the discriminator's loss move, and what stops it from moving the other?",
        "Detach the fakes for the first move; for the second judge fakes again, with the moved discriminator.",
        "fake = generator(noise(len(x))).detach()",
    ),
    check=_check_step,
    stub='''
def gan_step(generator, discriminator, g_optimizer, d_optimizer, x, noise):
    """One move of the discriminator, then one of the generator; noise(n) draws noise
    for n samples.
    """
    raise NotImplementedError
''',
    solution='''
def gan_step(generator, discriminator, g_optimizer, d_optimizer, x, noise):
    """One move of the discriminator, then one of the generator; noise(n) draws noise
    for n samples.
    """
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
        Wrong(_LEFTOVER.format(who="discriminator"), edit=("    d_optimizer.zero_grad()\n", "")),
        Wrong(_LEFTOVER.format(who="generator"), edit=("    g_optimizer.zero_grad()\n", "")),
        Wrong(
            _WRONG_MOVE.format(who="generator"),
            edit=(
                "losses.generator_loss(discriminator(fake))",
                "-losses.generator_loss(discriminator(fake))",
            ),
        ),
        Wrong(
            _WRONG_MOVE.format(who="discriminator"),
            edit=("discriminator(x), discriminator(fake)", "discriminator(fake), discriminator(x)"),
        ),
        Wrong(_ONCE, edit=("    g_optimizer.step()\n", "")),
        Wrong(_OWN_NOISE, edit=("noise(len(x))", "torch.randn(len(x), 2)")),
        Wrong(
            _ORDER,
            code="""
            def gan_step(generator, discriminator, g_optimizer, d_optimizer, x, noise):
                g_optimizer.zero_grad()
                losses.generator_loss(discriminator(generator(noise(len(x))))).backward()
                g_optimizer.step()
                d_optimizer.zero_grad()
                fake = generator(noise(len(x))).detach()
                losses.discriminator_loss(discriminator(x), discriminator(fake)).backward()
                d_optimizer.step()
            """,
        ),
        Wrong(
            _OLD_JUDGE,
            code="""
            def gan_step(generator, discriminator, g_optimizer, d_optimizer, x, noise):
                fake = generator(noise(len(x)))
                g_loss = losses.generator_loss(discriminator(fake))
                g_optimizer.zero_grad()
                g_loss.backward(retain_graph=True)
                d_loss = losses.discriminator_loss(discriminator(x), discriminator(fake.detach()))
                d_optimizer.zero_grad()
                d_loss.backward()
                d_optimizer.step()
                g_optimizer.step()
            """,
        ),
    ),
    also_right=(
        Right(edit=(".detach()", "")),  # what reaches the generator is cleared before its own move
        Right(
            code="""
            def gan_step(generator, discriminator, g_optimizer, d_optimizer, x, noise):
                for_d, for_g = noise(2 * len(x)).chunk(2)
                with torch.no_grad():
                    fake = generator(for_d)
                discriminator.zero_grad()
                losses.discriminator_loss(discriminator(x), discriminator(fake)).backward()
                d_optimizer.step()
                generator.zero_grad()
                losses.generator_loss(discriminator(generator(for_g))).backward()
                g_optimizer.step()
            """
        ),
        Right(
            code="""
            def gan_step(generator, discriminator, g_optimizer, d_optimizer, x, noise):
                for_g, fake = noise(len(x)), generator(noise(len(x))).detach()
                on_real, on_fake = discriminator(torch.cat([x, fake])).chunk(2)
                d_optimizer.zero_grad()
                losses.discriminator_loss(on_real, on_fake).backward()
                d_optimizer.step()
                g_optimizer.zero_grad()
                losses.generator_loss(discriminator(generator(for_g))).backward()
                g_optimizer.step()
            """
        ),
        # the same fakes for both moves: a choice that many programs make
        Right(
            code="""
            def gan_step(generator, discriminator, g_optimizer, d_optimizer, x, noise):
                fake = generator(noise(len(x)))
                d_optimizer.zero_grad()
                losses.discriminator_loss(discriminator(x), discriminator(fake.detach())).backward()
                d_optimizer.step()
                g_optimizer.zero_grad()
                losses.generator_loss(discriminator(fake)).backward()
                g_optimizer.step()
            """
        ),
        Right(
            code="""
            def gan_step(generator, discriminator, g_optimizer, d_optimizer, x, noise):
                fake = generator(noise(2 * len(x)))
                loss = losses.discriminator_loss(discriminator(x), discriminator(fake[: len(x)]))
                g_optimizer.zero_grad(), d_optimizer.zero_grad()
                loss.backward(inputs=list(discriminator.parameters()), retain_graph=True)
                d_optimizer.step()
                losses.generator_loss(discriminator(fake[len(x) :])).backward(inputs=list(generator.parameters()))
                g_optimizer.step()
            """
        ),
    ),
    returns=False,
)

# --- 2.6 -------------------------------------------------------------------------------------------------

_PIXEL_MEAN = "You average over pixels. The squared length of a gradient *sums* over its numbers."
_ON_SIGMOID = "You differentiate the probability σ(a). The penalty is on the logit a."
_MEAN_LOGIT = (
    "You differentiate the mean over the batch, so that every slope is divided by B: differentiate the sum."
)
_NO_GRAPH = (
    "The penalty cannot be differentiated: pass create_graph=True, or the discriminator never feels it."
)


def _check_r1(penalty: Callable[[Callable[[Tensor], Tensor], Tensor], Any]) -> None:
    for shape in ((4, 1, 3, 5), (3, 2, 2, 2)):
        x, size = random(*shape), math.prod(shape[1:])
        w = random(size, seed=1).requires_grad_()

        def linear(batch: Tensor, w: Tensor = w) -> Tensor:
            return batch.flatten(1) @ w

        value = number(penalty(linear, x))
        right = (w.detach() ** 2).sum() / 2
        p = torch.sigmoid(linear(x))
        agree(
            value,
            right,
            f"For a linear D it is ½‖w‖² = {right:.4f}; yours is {float(value.detach()):.4f}.",
            (right / size, _PIXEL_MEAN),
            (((p * (1 - p)) ** 2).mean() * right, _ON_SIGMOID),
            (2 * right, "Mind the ½ of eq. (2.14)."),
            (right / len(x) ** 2, _MEAN_LOGIT),
        )
        expect(value.requires_grad, _NO_GRAPH)
        expect(close(slopes(value, w)[0], w), _NO_GRAPH)

        def curved(batch: Tensor, w: Tensor = w) -> Tensor:
            return (batch.flatten(1) * w).square().sum(1) / 2

        value = number(penalty(curved, x))
        each = (x.flatten(1) * w**2).square().sum(1) / 2
        expect(
            close(value, each.mean(), 1e-3),
            "For D(x) = ½‖w ⊙ x‖² the penalty must differ from picture to picture.",
        )
        expect(close(slopes(value, w)[0], slopes(each.mean(), w)[0], 1e-3), _NO_GRAPH)


_R1 = Exercise(
    number="2.6",
    title="A penalty on the slope",
    level=3,
    minutes=20,
    answer="r1",
    hints=(
        "The penalty is made small by gradients: of what must the slope itself be a function?",
        "Take the slope with respect to the pictures and keep its graph; square and sum over pixels before the mean.",
        "(slope,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)",
    ),
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
            "For D(x) = ½‖w ⊙ x‖²",
            edit=("slope.square().flatten(1).sum(1).mean()", "slope[:1].square().sum()"),
        ),
        Wrong(_MEAN_LOGIT, edit=("discriminator(x).sum()", "discriminator(x).mean()")),
        Wrong(
            "For a linear D it is",
            edit=(".square().flatten(1).sum(1).mean()", ".flatten(1).norm(dim=1).mean()"),
        ),
        Wrong("For a linear D it is", edit=(".flatten(1).sum(1).mean()", ".sum() / 3")),
    ),
    also_right=(
        Right(edit=("x.detach().requires_grad_()", "x.clone().requires_grad_(True)")),
        Right(
            code="""
            def r1(discriminator, x):
                total = 0.0
                for one in x:
                    one = one[None].detach().requires_grad_()
                    (slope,) = torch.autograd.grad(discriminator(one).squeeze(), one, create_graph=True)
                    total = total + slope.pow(2).sum() / 2
                return total / len(x)
            """
        ),
        Right(
            code="""
            def r1(discriminator, x):
                slope = torch.func.grad(lambda batch: discriminator(batch).sum())(x)
                return 0.5 * slope.flatten(1).norm(dim=1).square().mean()
            """
        ),
    ),
)

# --- 2.7 -------------------------------------------------------------------------------------------------

_ELEMENTWISE = "The square root is that of a matrix product, not of its entries."
_NOT_SQUARED = "The difference of the means enters squared."
_NO_CROSS = "Without the term −2 tr (Σ₁Σ₂)^½ the distance of a law to itself is not zero."


def _check_frechet(frechet: Callable[..., Any]) -> None:
    def law(d: int, seed: int) -> tuple[Tensor, Tensor]:
        a = random(d, d, seed=seed)
        return random(d, seed=seed + 10), a @ a.T + 0.3 * torch.eye(d)

    for d in (3, 5):
        (m1, s1), (m2, s2) = law(d, 1), law(d, 2)
        far, spread = ((m1 - m2) ** 2).sum(), s1.trace() + s2.trace()
        cross = torch.linalg.eigvals(s1.double() @ s2.double()).sqrt().real.sum()
        right = far + spread - 2 * cross
        value = torch.as_tensor(frechet(m1, s1, m2, s2))
        expect(not value.is_complex(), "Return a real number: take the real part of the tiny imaginary rest.")
        value = number(value)
        elementwise = (s1 @ s2).clamp_min(0).sqrt().trace()
        agree(
            value,
            right,
            f"For the check's two Gaussians it is {right:.4f}; yours is {float(value.detach()):.4f}.",
            (far + spread, _NO_CROSS),
            (right - far + far.sqrt(), _NOT_SQUARED),
            (far + spread - 2 * elementwise, _ELEMENTWISE),
            tolerance=1e-3,
        )
        expect(
            close(number(frechet(m1, s1, m1, s1)), 0.0, 1e-2 * float(spread)),
            "The distance of a law to itself is zero.",
        )


_FRECHET = Exercise(
    number="2.7",
    title="A distance between clouds",
    level=2,
    minutes=15,
    answer="frechet",
    hints=(
        "If the covariances are equal, what must their part of the distance be?",
        "The trace of the square root is the sum of the roots of the eigenvalues of the product.",
        "cross = torch.linalg.eigvals(cov_a @ cov_b).sqrt().real.sum()",
    ),
    check=_check_frechet,
    stub='''
def frechet(mean_a, cov_a, mean_b, cov_b):
    """Fréchet distance of two Gaussians, eq. (2.21). Hint: tr A^½ is the sum of the
    roots of A's eigenvalues.
    """
    raise NotImplementedError
''',
    solution='''
def frechet(mean_a, cov_a, mean_b, cov_b):
    """Fréchet distance of two Gaussians, eq. (2.21). Hint: tr A^½ is the sum of the
    roots of A's eigenvalues.
    """
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
        Wrong(
            "For the check's two Gaussians",
            edit=(
                "torch.linalg.eigvals(cov_a @ cov_b).sqrt().real",
                "(cov_a.diagonal() * cov_b.diagonal()).sqrt()",
            ),
        ),
        Wrong("For the check's two Gaussians", edit=(".square().sum()", ".square().mean()")),
    ),
    also_right=(
        Right(
            code="""
            def frechet(mean_a, cov_a, mean_b, cov_b):
                values, vectors = torch.linalg.eigh(cov_a)
                root = vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.T
                cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp_min(0).sqrt().sum()
                return (torch.dist(mean_a, mean_b) ** 2 + torch.trace(cov_a + cov_b) - 2 * cross).item()
            """
        ),
        Right(
            code="""
            def frechet(mean_a, cov_a, mean_b, cov_b):
                from scipy.linalg import sqrtm

                cross = sqrtm((cov_a @ cov_b).numpy()).real.trace()
                return ((mean_a - mean_b) ** 2).sum() + cov_a.trace() + cov_b.trace() - 2 * float(cross)
            """
        ),
    ),
)

# --- 2.8 -------------------------------------------------------------------------------------------------

_OTHER_LOSS = "That is −log D, the non-saturating loss. The text speaks of −log(1 − D)."
_BY_PROBABILITY = "That is the slope with respect to D. Differentiate by the logit a, where D = σ(a)."
_OTHER_END = "The gradient on the logit has size D, not 1 − D: it is small where D is near *zero*."


def _check_flat_end(flat_end: Callable[[float], Any]) -> None:
    for d in (0.99, 0.01, 0.3, 0.75):
        told = "Return two numbers: the loss, the size of its gradient."
        loss, size = (plain(v, told) for v in parts(flat_end(d), 2, told))
        wanted = -math.log(1 - d)
        agree(loss, wanted, f"At D = {d} the loss −log(1 − D) is {wanted:.3f}.", (-math.log(d), _OTHER_LOSS))
        agree(
            size,
            d,
            f"At D = {d} the gradient's size is {d}{', tiny' if d < 0.1 else ''}: differentiate by the logit.",
            (1 - d, _OTHER_END),
            (1 / (1 - d), _BY_PROBABILITY),
        )


_FLAT = Exercise(
    number="2.8",
    title="Find the slip: where is it flat?",
    level=1,
    minutes=10,
    answer="flat_end",
    hints=(
        "Whose gradient goes through D(x') in this loss, and where is it near zero?",
        "Write −log(1 − σ(a)) as softplus(a); its slope is σ(a).",
        "return -math.log(1 - d), d",
    ),
    check=_check_flat_end,
    stub='''
def flat_end(d):
    """(−log(1 − D), size of its gradient with respect to the logit a, where D = σ(a)),
    for a number d = D.
    """
    raise NotImplementedError
''',
    solution='''
def flat_end(d):
    """(−log(1 − D), size of its gradient with respect to the logit a, where D = σ(a)),
    for a number d = D.
    """
    return -math.log(1 - d), d
''',
    wrong=(
        Wrong(_OTHER_LOSS, edit=("-math.log(1 - d), d", "-math.log(d), d")),
        Wrong(_OTHER_END, edit=("-math.log(1 - d), d", "-math.log(1 - d), 1 - d")),
        Wrong("At D = 0.99 the loss", edit=("-math.log(1 - d), d", "0.0, d")),
        Wrong(
            _BY_PROBABILITY,
            edit=("-math.log(1 - d), d", "-math.log(1 - d), 1 / (1 - d)"),
        ),
        Wrong("At D = 0.99 the gradient's size", edit=("-math.log(1 - d), d", "-math.log(1 - d), -d")),
    ),
    also_right=(
        Right(edit=("-math.log(1 - d), d", "[-math.log1p(-d), d]")),
        Right(
            code="""
            def flat_end(d):
                a = torch.tensor(math.log(d / (1 - d)), requires_grad=True)
                loss = -torch.log(1 - torch.sigmoid(a))
                (slope,) = torch.autograd.grad(loss, a)
                return loss, slope.abs()
            """
        ),
    ),
)

# --- 2.9 -------------------------------------------------------------------------------------------------

_ONLY_REAL = "Your points are the real ones: with ε = 1 the penalty never looks between the laws."
_OUTSIDE = "Some of your points lie outside the segment: draw ε uniformly from [0, 1], not from a normal law."
_NOT_BETWEEN = (
    "Some of your points do not lie on the line from fake to real: the weights of the two must add up to 1."
)
_NOT_RANDOM = "You return the same points at every call: draw ε anew."
_ONE_EPSILON = "One ε serves the whole batch: draw one for each sample."
_PIXEL_EPSILON = "Each pixel has an ε of its own, so your points leave the segment from real to fake."


def _check_between(between: Callable[[Tensor, Tensor], Any]) -> None:
    for shape in ((2000, 1, 2, 3), (2000, 3, 2, 1)):
        real = random(*shape)
        away = 1 + random(*shape, seed=1).abs()  # from real to fake; no number of it is near zero
        fake = real - away
        points = torch.as_tensor(between(real, fake))
        expect(points.shape == real.shape, f"Return points of the shape of real, {shape}.")
        expect(not torch.equal(points, real), _ONLY_REAL)
        weight = ((points - fake) / away).flatten(1).double()
        if weight.std(1).max() > 1e-3:
            inside = weight.min() > -1e-3 and weight.max() < 1 + 1e-3
            expect(not inside, _PIXEL_EPSILON)
            raise NotYet(_NOT_BETWEEN)
        expect(weight.min() > -1e-3 and weight.max() < 1 + 1e-3, _OUTSIDE)
        expect(weight[:, 0].std() > 0.05, _ONE_EPSILON)
        order = weight[:, 0].sort().values
        expect((order - torch.linspace(0, 1, 2000)).abs().max() < 0.05, "ε is not uniform on [0, 1].")
        expect(not torch.equal(points, torch.as_tensor(between(real, fake))), _NOT_RANDOM)


_BETWEEN = Exercise(
    number="2.9",
    title="Find the slip: between real and fake",
    level=2,
    minutes=10,
    answer="between",
    hints=(
        "Which points lie on the segment from a fake to a real picture, and how many ε does one pair need?",
        "One uniform ε for each pair, shaped so that all its pixels share it.",
        "epsilon = torch.rand(len(real), 1, 1, 1)",
    ),
    check=_check_between,
    stub='''
def between(real, fake):
    """Random points on the segments from fake to real, one for each pair; shapes (B, C,
    H, W).
    """
    raise NotImplementedError
''',
    solution='''
def between(real, fake):
    """Random points on the segments from fake to real, one for each pair; shapes (B, C,
    H, W).
    """
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
        Wrong(_NOT_BETWEEN, edit=(" + (1 - epsilon) * fake", "")),
        Wrong(_NOT_BETWEEN, edit=("(1 - epsilon)", "(1 + epsilon)")),
        Wrong(_NOT_BETWEEN, edit=("(1 - epsilon) * fake", "epsilon * fake")),
        Wrong(
            _NOT_RANDOM,
            edit=("torch.rand(len(real), 1, 1, 1)", "torch.linspace(0, 1, len(real))[:, None, None, None]"),
        ),
        Wrong(
            "Return points of the shape of real",
            edit=("    return ", "    return torch.rand(3, 4) * 0 + 1  # "),
        ),
    ),
    also_right=(
        Right(edit=("epsilon * real + (1 - epsilon) * fake", "(1 - epsilon) * real + epsilon * fake")),
        Right(
            edit=("epsilon * real + (1 - epsilon) * fake", "torch.lerp(fake, real, epsilon.expand_as(real))")
        ),
        Right(
            edit=("torch.rand(len(real), 1, 1, 1)", "torch.empty(len(real)).uniform_().reshape(-1, 1, 1, 1)")
        ),
    ),
)

# --- 2.10 ------------------------------------------------------------------------------------------------

_HINGE = (
    "That is the hinge loss: it stops at a margin. The Wasserstein critic's loss is linear and has no margin."
)
_ASCENT = "Your optimiser minimises, so this critic lowers its values on real pictures: turn the sign."


def _check_critic(critic_loss: Callable[[Tensor, Tensor], Any]) -> None:
    for n, m, shift in ((6, 9, 0.0), (5, 4, 3.0), (4, 6, -3.0)):
        real, fake = (2 * random(n) + shift).requires_grad_(), (2 * random(m, seed=1)).requires_grad_()
        value = number(critic_loss(real, fake))
        right = fake.mean() - real.mean()
        hinge = (1 - real).relu().mean() + (1 + fake).relu().mean()
        agree(
            value,
            right,
            f"For the check's values it is {right:.4f}, eq. (2.10); yours is {float(value.detach()):.4f}.",
            (hinge, _HINGE),
            (-right, _ASCENT),
        )
        found, wanted = torch.cat(slopes(value, real, fake)), torch.cat(slopes(right, real, fake))
        expect(
            close(found, wanted), "The value is right, but its gradient does not reach the critic's values."
        )


_CRITIC = Exercise(
    number="2.10",
    title="Find the slip: a critic, not a judge",
    level=1,
    minutes=10,
    answer="critic_loss",
    hints=(
        "Does a critic's value have a threshold beyond which a sample no longer counts?",
        "The critic makes E f(x) − E f(G(z)) large. You are asked for something to be made small.",
        "return f_fake.mean() - f_real.mean()",
    ),
    check=_check_critic,
    stub='''
def critic_loss(f_real, f_fake):
    """The Wasserstein critic's loss, to be *minimised*; f_real and f_fake are its
    values, shape (B,).
    """
    raise NotImplementedError
''',
    solution='''
def critic_loss(f_real, f_fake):
    """The Wasserstein critic's loss, to be *minimised*; f_real and f_fake are its
    values, shape (B,).
    """
    return f_fake.mean() - f_real.mean()
''',
    wrong=(
        Wrong(
            _HINGE,
            edit=("f_fake.mean() - f_real.mean()", "(1 - f_real).relu().mean() + (1 + f_fake).relu().mean()"),
        ),
        Wrong(_ASCENT, edit=("f_fake.mean() - f_real.mean()", "f_real.mean() - f_fake.mean()")),
        Wrong("For the check's values", edit=(".mean() - f_real.mean()", ".sum() - f_real.sum()")),
        Wrong(
            "For the check's values",
            edit=("f_fake.mean() - f_real.mean()", "(f_fake.mean() - f_real.mean()).relu()"),
        ),
        Wrong(
            "The value is right, but",
            edit=("f_fake.mean() - f_real.mean()", "f_fake.mean() - f_real.mean().item()"),
        ),
    ),
    also_right=(
        Right(edit=("f_fake.mean() - f_real.mean()", "-(f_real.mean() - f_fake.mean())")),
        Right(
            edit=("f_fake.mean() - f_real.mean()", "f_fake.sum() / len(f_fake) - f_real.sum() / len(f_real)")
        ),
    ),
)

EXERCISES = (_SIGNS, _VALUE, _EIGEN, _RADIUS, _STEP, _R1, _FRECHET, _FLAT, _BETWEEN, _CRITIC)
