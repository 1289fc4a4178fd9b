"""Exercises of chapter 4."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.evaluation import cluster_result, parzen_log_likelihood
from gencourse.exercises.engine import Exercise, Right, Wrong
from gencourse.exercises.numbers import NotYet, close, expect, number, parts, random, slopes
from gencourse.training import seeded

__all__ = ["EXERCISES"]

# --- 4.1 -------------------------------------------------------------------------------------------------

_CODES_AS_REAL = "You call the codes real. In an AAE real is a draw from the prior, and E(x) is the fake."
_NO_GAME = "Your encoder helps the discriminator: it must raise the logits of its codes, the opposite of what D does."
_BOTH_FROM_E = (
    "Your discriminator's loss does not look at the prior's logits: then nothing ties the codes to the prior."
)
_WRONG_LOGITS = "Your encoder's loss does not look at its own codes: it is about the logits of E(x)."
_FADING = (
    "Your encoder's loss is log(1 − σ(a)): its gradient dies when the discriminator wins. Use −log σ(a)."
)


def _check_orientation(both: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
    prior, code = random(6).requires_grad_(), random(5, seed=1).requires_grad_()
    made = both(prior, code)
    if not (isinstance(made, tuple) and len(made) == 2):
        raise NotYet("Return two numbers: the discriminator's loss, the encoder's loss.")
    d, e = made
    on_prior, on_code = torch.autograd.grad(d, (prior, code), retain_graph=True, allow_unused=True)
    (from_encoder,) = torch.autograd.grad(e, code, retain_graph=True, allow_unused=True)
    expect(on_prior is not None and bool(on_prior.any()), _BOTH_FROM_E)
    expect(not ((on_prior > 0).all() and on_code is not None and (on_code < 0).all()), _CODES_AS_REAL)
    expect(from_encoder is not None, _WRONG_LOGITS)
    assert from_encoder is not None
    expect((from_encoder < 0).all(), _NO_GAME)
    expect(not close(from_encoder, -torch.sigmoid(code) / 5), _FADING)
    for name, found, right in (
        ("discriminator's, on the prior's draws", on_prior, -torch.sigmoid(-prior) / 6),
        ("discriminator's, on codes", on_code, torch.sigmoid(code) / 5),
        ("encoder's", from_encoder, -torch.sigmoid(-code) / 5),
    ):
        signs = found is not None and torch.equal(found.sign(), right.sign())
        expect(signs, f"The {name} gradient has the wrong sign: ask where a descent step moves each logit.")
        expect(
            found is not None and close(found, right),
            f"The orientation is right, but the {name} gradient is off: eqs. (4.3) and (4.4).",
        )


_ORIENTATION = Exercise(
    number="4.1",
    title="Who is real?",
    level=1,
    minutes=10,
    answer="latent_losses",
    check=_check_orientation,
    stub='''
def latent_losses(prior_logits, code_logits):
    """(discriminator's loss, encoder's loss), to be minimised; logits of draws z ~ p(z), (N,), and of E(x), (B,)."""
    raise NotImplementedError
''',
    solution='''
def latent_losses(prior_logits, code_logits):
    """(discriminator's loss, encoder's loss), to be minimised; logits of draws z ~ p(z), (N,), and of E(x), (B,)."""
    softplus = nn.functional.softplus
    d = softplus(-prior_logits).mean() + softplus(code_logits).mean()
    e = softplus(-code_logits).mean()
    return d, e
''',
    wrong=(
        Wrong(
            _CODES_AS_REAL,
            edit=(
                "softplus(-prior_logits).mean() + softplus(code_logits).mean()",
                "softplus(prior_logits).mean() + softplus(-code_logits).mean()",
            ),
        ),
        Wrong(_BOTH_FROM_E, edit=("softplus(-prior_logits)", "softplus(-code_logits)")),
        Wrong(_NO_GAME, edit=("e = softplus(-code_logits)", "e = softplus(code_logits)")),
        Wrong(_FADING, edit=("e = softplus(-code_logits)", "e = -softplus(code_logits)")),
        Wrong(_WRONG_LOGITS, edit=("e = softplus(-code_logits)", "e = softplus(-prior_logits)")),
        Wrong(
            "The discriminator's, on the prior's draws gradient has the wrong sign",
            edit=("softplus(-prior_logits)", "softplus(prior_logits)"),
        ),
        Wrong(
            "The orientation is right", edit=("softplus(code_logits).mean()", "softplus(code_logits).sum()")
        ),
    ),
)

# --- 4.2 -------------------------------------------------------------------------------------------------

_ORDER = "Move, once each and in this order: encoder with decoder, the discriminator, the encoder alone."
_NO_DETACH = (
    "The discriminator's phase left gradients in the encoder: detach the codes (or make them under no_grad)."
)
_DECODER_TOO = "Your third phase moves the decoder, too: the game is between encoder and discriminator."
_STALE = "The encoder has moved since you computed the codes: encode x again after the first phase."
_LEFTOVER = "The {who} moves by gradients of an earlier phase, too: clear them right before its backward."
_WRONG_MOVE = (
    "The {who} did not move down its own loss: check which loss it gets, eqs. (4.1), (4.3) and (4.4)."
)


class _Phase:
    """Stands for an optimiser: notes the gradient it was handed and the one it should have been."""

    def __init__(self, game: _Game, name: str, own: tuple[str, ...]) -> None:
        self.game, self.name, self.own = game, name, own

    def zero_grad(self, set_to_none: bool = True) -> None:
        for name in self.own:
            self.game.networks[name].zero_grad(set_to_none)

    def step(self) -> None:
        self.game.record(self)


class _Game:
    """Three linear networks, their optimisers, and what each move should be, worked out by hand."""

    def __init__(self) -> None:
        self.networks: dict[str, nn.Module] = {
            "encoder": nn.Linear(3, 2).double(),
            "decoder": nn.Linear(2, 3).double(),
            "discriminator": nn.Linear(2, 1).double(),
        }
        self.phases = [
            _Phase(self, "autoencoder", ("encoder", "decoder")),
            _Phase(self, "discriminator", ("discriminator",)),
            _Phase(self, "encoder", ("encoder",)),
        ]
        self.moves: list[str] = []
        self.left: dict[
            str, bool
        ] = {}  # whether an optimiser found gradients in networks that are not its own
        self.given: list[Tensor] = []
        self.wanted: list[Tensor] = []
        self.stale: list[Tensor] = []
        self.x = self.prior = torch.empty(0)
        self.first = self._weights()

    def play(self, step: Callable[..., None], x: Tensor, prior: Tensor) -> None:
        self.x, self.prior, self.first = x, prior, self._weights()
        self.moves, self.given, self.wanted, self.stale = [], [], [], []
        step(*self.networks.values(), *self.phases, x, prior)

    def record(self, phase: _Phase) -> None:
        self.moves.append(phase.name)
        parameters = [p for name in phase.own for p in self.networks[name].parameters()]
        given = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        self.given.append(torch.cat([g.flatten() for g in given]).clone())
        self.wanted.append(self._gradient(phase, self._weights()))
        # the same with the codes that the encoder gave before this round began
        old = self._weights() | {"encoder": self.first["encoder"]}
        self.stale.append(self._gradient(phase, old))
        if phase.name == "discriminator":
            encoder = self.networks["encoder"].parameters()
            fresh = self._gradient(self.phases[0], self.first)[:8]
            found = torch.cat(
                [torch.zeros(p.numel()) if p.grad is None else p.grad.flatten() for p in encoder]
            )
            # what phase one left there is no fault
            self.left["encoder"] = bool(found.any()) and not close(found, fresh)
        with torch.no_grad():
            for p, g in zip(parameters, given, strict=True):
                p.sub_(0.1 * g)

    def _weights(self) -> dict[str, list[Tensor]]:
        return {name: [p.detach().clone() for p in net.parameters()] for name, net in self.networks.items()}

    def _gradient(self, phase: _Phase, weights: dict[str, list[Tensor]]) -> Tensor:
        w = {name: [v.clone().requires_grad_() for v in values] for name, values in weights.items()}

        def apply(name: str, rows: Tensor) -> Tensor:
            return rows @ w[name][0].T + w[name][1]

        softplus, z = nn.functional.softplus, apply("encoder", self.x)
        if phase.name == "autoencoder":
            loss = (apply("decoder", z) - self.x).square().sum() / len(self.x)
        elif phase.name == "discriminator":
            loss = softplus(-apply("discriminator", self.prior)).mean()
            loss = loss + softplus(apply("discriminator", z.detach())).mean()
        else:
            loss = softplus(-apply("discriminator", z)).mean()
        own = [v for name in phase.own for v in w[name]]
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, own)])


def _check_phases(step: Callable[..., None]) -> None:
    with seeded(0):
        game = _Game()
        for round_ in range(2):
            x, prior = torch.randn(8, 3, dtype=torch.float64) + 1, torch.randn(8, 2, dtype=torch.float64)
            game.play(step, x, prior)
            expect(game.moves != ["autoencoder", "discriminator", "autoencoder"], _DECODER_TOO)
            expect(game.moves == ["autoencoder", "discriminator", "encoder"], _ORDER)
            expect(not game.left["encoder"], _NO_DETACH)
            for who, given, wanted, stale in zip(
                game.moves, game.given, game.wanted, game.stale, strict=True
            ):
                if not close(given, wanted):
                    expect(who == "autoencoder" or not close(given, stale), _STALE)
                    first = game.given[0][: len(given)]
                    expect(who != "encoder" or not close(given, wanted + first), _LEFTOVER.format(who=who))
                    expect(round_ == 0, _LEFTOVER.format(who=who))
                    raise NotYet(_WRONG_MOVE.format(who=who))


_PHASES = Exercise(
    number="4.2",
    title="Three phases, three moves",
    level=3,
    minutes=25,
    answer="aae_step",
    check=_check_phases,
    stub='''
def aae_step(encoder, decoder, discriminator, ae_optimizer, d_optimizer, e_optimizer, x, prior_z):
    """One mini-batch x (B, D) of an AAE with draws prior_z; ae_optimizer owns E and Dec, e_optimizer E alone."""
    raise NotImplementedError
''',
    solution='''
def aae_step(encoder, decoder, discriminator, ae_optimizer, d_optimizer, e_optimizer, x, prior_z):
    """One mini-batch x (B, D) of an AAE with draws prior_z; ae_optimizer owns E and Dec, e_optimizer E alone."""
    ae_loss = losses.squared_error(decoder(encoder(x)), x)
    ae_optimizer.zero_grad()
    ae_loss.backward()
    ae_optimizer.step()
    z = encoder(x).detach()
    d_loss = losses.discriminator_loss(discriminator(prior_z), discriminator(z))
    d_optimizer.zero_grad()
    d_loss.backward()
    d_optimizer.step()
    e_loss = losses.generator_loss(discriminator(encoder(x)))
    e_optimizer.zero_grad()
    e_loss.backward()
    e_optimizer.step()
''',
    wrong=(
        Wrong(_NO_DETACH, edit=("encoder(x).detach()", "encoder(x)")),
        Wrong(
            _DECODER_TOO,
            edit=(
                "e_optimizer.zero_grad()\n    e_loss.backward()\n    e_optimizer.step()",
                "ae_optimizer.zero_grad()\n    e_loss.backward()\n    ae_optimizer.step()",
            ),
        ),
        Wrong(_ORDER, edit=("    e_optimizer.step()\n", "")),
        Wrong(
            _STALE,
            code="""
            def aae_step(encoder, decoder, discriminator, ae_optimizer, d_optimizer, e_optimizer, x, prior_z):
                z = encoder(x)
                ae_optimizer.zero_grad()
                losses.squared_error(decoder(z), x).backward()
                ae_optimizer.step()
                d_optimizer.zero_grad()
                losses.discriminator_loss(discriminator(prior_z), discriminator(z.detach())).backward()
                d_optimizer.step()
                e_optimizer.zero_grad()
                losses.generator_loss(discriminator(encoder(x))).backward()
                e_optimizer.step()
            """,
        ),
        Wrong(_LEFTOVER.format(who="encoder"), edit=("    e_optimizer.zero_grad()\n", "")),
        Wrong(_LEFTOVER.format(who="discriminator"), edit=("    d_optimizer.zero_grad()\n", "")),
        Wrong(
            _WRONG_MOVE.format(who="discriminator"),
            edit=("discriminator(prior_z), discriminator(z)", "discriminator(z), discriminator(prior_z)"),
        ),
        Wrong(
            _WRONG_MOVE.format(who="encoder"),
            edit=("losses.generator_loss(discriminator(encoder(x)))", "-discriminator(encoder(x)).mean()"),
        ),
    ),
)

# --- 4.3 -------------------------------------------------------------------------------------------------

_SAME_PENALTY = (
    "You give the VAE and the AAE one penalty. The VAE's is larger by the information that codes carry about "
    "pictures, eq. (4.7)."
)
_EVEN = "The average runs over pictures as often as they occur: weight each row by p_data."
_BITS = "That is the value in bits: use the natural logarithm."
_TURNED = "You took KL(p‖q). The penalty is KL(q‖p): the average is over codes, not over the prior."


def _check_split(split: Callable[[Tensor, Tensor, Tensor], Any]) -> None:
    data = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    q = torch.tensor([[0.7, 0.2, 0.1, 0.0], [0.1, 0.6, 0.2, 0.1], [0.2, 0.1, 0.1, 0.6]], dtype=torch.float64)
    prior = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)

    def kl(a: Tensor, b: Tensor) -> Tensor:
        return (torch.xlogy(a, a) - torch.xlogy(a, b)).sum(-1)

    aggregated = data @ q
    vae, aae, information = (
        (data * kl(q, prior)).sum(),
        kl(aggregated, prior),
        (data * kl(q, aggregated)).sum(),
    )
    found = torch.as_tensor([float(v) for v in split(data, q, prior)], dtype=torch.float64)
    expect(found.shape == (3,), "Return three numbers: the VAE's penalty, the AAE's, the information.")
    expect(
        torch.isfinite(found).all(),
        "One entry of q is 0: its term counts as 0, not NaN. torch.xlogy knows that.",
    )
    expect(not close(found[0], aae) and not close(found[1], vae), _SAME_PENALTY)
    right = torch.stack([vae, aae, information])
    expect(not close(found, right / math.log(2)), _BITS)
    even = q.mean(0)
    expect(not close(found[0], kl(q, prior).mean()) and not close(found[1], kl(even, prior)), _EVEN)
    expect(not close(found[1], kl(prior, aggregated)), _TURNED)
    for name, value, wanted in zip(
        ("VAE's penalty", "AAE's penalty", "information"), found, right, strict=True
    ):
        expect(
            close(value, wanted),
            f"For the check's tables the {name} is {wanted:.4f}; yours is {value:.4f}.",
        )


_SPLIT = Exercise(
    number="4.3",
    title="What the AAE does not pay for",
    level=3,
    minutes=25,
    answer="penalties",
    check=_check_split,
    stub='''
def penalties(p_data, q, prior):
    """(E_x KL(q(z|x)‖p), KL(q(z)‖p), I(x; z)) in nats; p_data (X,), rows q[x] = q(z|x) of shape (X, Z), prior (Z,)."""
    raise NotImplementedError
''',
    solution='''
def penalties(p_data, q, prior):
    """(E_x KL(q(z|x)‖p), KL(q(z)‖p), I(x; z)) in nats; p_data (X,), rows q[x] = q(z|x) of shape (X, Z), prior (Z,)."""
    aggregated = p_data @ q
    vae = p_data @ (torch.xlogy(q, q) - torch.xlogy(q, prior)).sum(1)
    aae = (torch.xlogy(aggregated, aggregated) - torch.xlogy(aggregated, prior)).sum()
    information = p_data @ (torch.xlogy(q, q) - torch.xlogy(q, aggregated)).sum(1)
    return vae, aae, information
''',
    wrong=(
        Wrong(_SAME_PENALTY, edit=("return vae, aae", "return aae, aae")),
        Wrong(_SAME_PENALTY, edit=("return vae, aae", "return vae, vae")),
        Wrong(
            _EVEN,
            edit=(
                "vae = p_data @ (torch.xlogy(q, q) - torch.xlogy(q, prior)).sum(1)",
                "vae = (torch.xlogy(q, q) - torch.xlogy(q, prior)).sum(1).mean()",
            ),
        ),
        Wrong(_EVEN, edit=("aggregated = p_data @ q", "aggregated = q.mean(0)")),
        Wrong(
            _BITS,
            edit=(
                "return vae, aae, information",
                "return tuple(v / math.log(2) for v in (vae, aae, information))",
            ),
        ),
        Wrong(
            _TURNED,
            edit=(
                "torch.xlogy(aggregated, aggregated) - torch.xlogy(aggregated, prior)",
                "torch.xlogy(prior, prior) - torch.xlogy(prior, aggregated)",
            ),
        ),
        Wrong(
            "One entry of q is 0", edit=("torch.xlogy(q, q) - torch.xlogy(q, prior)", "q * (q / prior).log()")
        ),
        Wrong(
            "For the check's tables the information",
            edit=("return vae, aae, information", "return vae, aae, vae"),
        ),
    ),
)

# --- 4.4 -------------------------------------------------------------------------------------------------

_IGNORES_X = (
    "You accepted an encoder that draws from the prior and never looks at x. Its codes match perfectly and say "
    "nothing: look at the reconstruction, too."
)
_MARGINS = (
    "You accepted codes whose coordinates are each right and together wrong. Mean and variance by coordinate are "
    "not enough: use a two-sample test on whole codes."
)
_NO_MATCH = "You accepted codes that are far from the prior because the reconstruction is good. Look at both."
_REFUSED = (
    "You refused codes that follow the prior and reconstruct well. The test's accuracy scatters around 0.5."
)
_SEEN = "You accepted codes that a two-sample test tells apart in most cases: draw the line near 0.6."


def _check_match(matched: Callable[[Tensor, Tensor, float, float], bool]) -> None:
    prior, z = random(700, 2, seed=1), random(700, 2)
    dependent = z.clone()
    dependent[:, 1] = z[:, 1].abs() * z[:, 0].sign()
    expect(matched(z, prior, 15.0, 29.0), _REFUSED)
    expect(matched(random(700, 2, seed=2), random(700, 2, seed=3), 28.0, 29.0), _REFUSED)
    expect(not matched(z, prior, 52.0, 29.0), _IGNORES_X)
    expect(not matched(z + 4, prior, 15.0, 29.0), _NO_MATCH)
    expect(not matched(1.8 * z + 0.8, prior, 15.0, 29.0), _SEEN)
    expect(not matched(dependent, prior, 15.0, 29.0), _MARGINS)


_MATCH = Exercise(
    number="4.4",
    title="Does it match, and does it still see?",
    level=3,
    minutes=20,
    answer="matched",
    check=_check_match,
    stub='''
def matched(z, prior_z, error, pca_error):
    """Whether an AAE works: codes (N, d) pass for draws of the prior (N, d), and its squared error beats PCA's."""
    raise NotImplementedError
''',
    solution='''
def matched(z, prior_z, error, pca_error):
    """Whether an AAE works: codes (N, d) pass for draws of the prior (N, d), and its squared error beats PCA's."""
    return evaluation.two_sample_accuracy(z, prior_z) <= 0.6 and error < pca_error
''',
    wrong=(
        Wrong(_IGNORES_X, edit=(" and error < pca_error", "")),
        Wrong(_NO_MATCH, edit=("evaluation.two_sample_accuracy(z, prior_z) <= 0.6 and ", "")),
        Wrong(
            _MARGINS,
            edit=(
                "evaluation.two_sample_accuracy(z, prior_z) <= 0.6",
                "(z.mean(0) - prior_z.mean(0)).abs().max() < 0.2 "
                "and (z.std(0) / prior_z.std(0) - 1).abs().max() < 0.2",
            ),
        ),
        Wrong(_REFUSED, edit=("<= 0.6", "<= 0.4")),
        Wrong(_SEEN, edit=("<= 0.6", "<= 0.9")),
    ),
)

# --- 4.5 -------------------------------------------------------------------------------------------------

_LEAK = (
    "You accepted codes that still hold the label. A decoder that listens to y is not enough: a probe from z to the "
    "label must stay near chance."
)
_FOLDED = (
    "You accepted codes in which the label is folded so that no straight line finds it: use a probe with a hidden "
    "layer, evaluation.label_probe."
)
_DEAF = "You accepted a decoder that does not listen to y: decode each code with another label and ask the classifier."
_HONEST = "You refused a model whose codes hold style alone and whose decoder draws the class that y says."


def _check_separates(separates: Callable[..., bool]) -> None:
    n, classes = 900, 3
    y = torch.arange(n) % classes
    style = random(n, 2).float()
    x = torch.cat([nn.functional.one_hot(y, classes).float(), style], dim=1)

    def classify(pictures: Tensor) -> Tensor:
        return pictures[:, :classes].argmax(1)

    def told(z: Tensor, label: Tensor) -> Tensor:
        return torch.cat([nn.functional.one_hot(label, classes).float(), z[:, :2]], dim=1)

    def deaf(z: Tensor, label: Tensor) -> Tensor:
        return torch.cat([torch.full((len(z), classes), 1 / classes), z[:, :2]], dim=1)

    def folded(pictures: Tensor) -> Tensor:
        # the label is the ring that the code lies on: every ring has the same centre
        radius = 1 + pictures[:, :classes].argmax(1, keepdim=True)
        return pictures[:, classes:] / pictures[:, classes:].norm(dim=1, keepdim=True) * radius

    expect(separates(lambda p: p[:, classes:], told, classify, x, y), _HONEST)
    expect(not separates(lambda p: p[:, classes:], deaf, classify, x, y), _DEAF)
    expect(not separates(lambda p: p.flip(1), told, classify, x, y), _LEAK)
    expect(not separates(folded, told, classify, x, y), _FOLDED)


_SEPARATES = Exercise(
    number="4.5",
    title="Style without content",
    level=4,
    minutes=30,
    answer="separates",
    check=_check_separates,
    stub='''
def separates(encode, decode, classify, x, y):
    """Whether decode(z, label) draws the class it is told and z = encode(x) holds no label; x (N, ...), y (N,)."""
    raise NotImplementedError
''',
    solution='''
def separates(encode, decode, classify, x, y):
    """Whether decode(z, label) draws the class it is told and z = encode(x) holds no label; x (N, ...), y (N,)."""
    z, half = encode(x), len(x) // 2
    other = (y + 1) % (int(y.max()) + 1)
    obeyed = (classify(decode(z, other)) == other).float().mean()
    known = evaluation.label_probe(z[:half], y[:half], z[half:], y[half:])
    chance = torch.bincount(y).max() / len(y)
    return bool(obeyed > 0.8 and known < chance + 0.15)
''',
    wrong=(
        Wrong(_LEAK, edit=(" and known < chance + 0.15", "")),
        Wrong(_DEAF, edit=("obeyed > 0.8 and ", "")),
        Wrong(_FOLDED, edit=("evaluation.label_probe", "evaluation.linear_probe")),
        Wrong(_HONEST, edit=("known < chance + 0.15", "known < 0.1")),
    ),
)

# --- 4.6 -------------------------------------------------------------------------------------------------

_HIDDEN_K = "State K beside the error: return two numbers. With as many clusters as points the error is 0."
_VOTE = (
    "You named each cluster after its commonest class. That looks at every label; the paper's protocol looks at one "
    "point a cluster, the one with the largest q(y = k|x)."
)
_MATCHING = "You matched clusters to classes one to one. The protocol lets several clusters share a class."
_ACCURACY = "That is the accuracy: return the share of points whose cluster is named after another class."


def _check_clustering(error_of: Callable[[Tensor, Tensor], Any]) -> None:
    for seed in range(3):
        q = (3 * random(300, 12, seed=seed)).softmax(1)
        y = (q[:, :6] + q[:, 6:] + 0.6 * random(300, 6, seed=seed + 9)).argmax(1)
        order = torch.randperm(12, generator=torch.Generator().manual_seed(seed))
        right = cluster_result(q, y).error
        for table in (q, q[:, order]):
            found = error_of(table, y)
            if not (isinstance(found, tuple) and len(found) == 2):
                raise NotYet(_HIDDEN_K)
            error, clusters = float(found[0]), int(found[1])
            expect(clusters == 12, "The second number is K, how many clusters there are.")
            expect(not close(error, 1 - right), _ACCURACY)
            member = table.argmax(1)
            counts = torch.zeros(12, 6).index_put_((member, y), torch.ones(300), accumulate=True)
            correct = close(error, right)
            expect(correct or not close(error, 1 - counts.max(1).values.sum() / 300), _VOTE)
            expect(correct or not close(error, 1 - _best_matching(counts) / 300), _MATCHING)
            expect(
                correct,
                f"For the check's posteriors it is {right:.4f}, eq. (4.19); yours is {error:.4f}.",
            )


def _best_matching(counts: Tensor) -> float:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(-counts.numpy())
    return float(counts[rows, columns].sum())


_CLUSTERING = Exercise(
    number="4.6",
    title="An error with its K",
    level=2,
    minutes=20,
    answer="clustering_error",
    check=_check_clustering,
    stub='''
def clustering_error(posteriors, labels):
    """(error by the AAE paper's protocol, K) from q(y|x) of test points, (N, K), and their classes (N,)."""
    raise NotImplementedError
''',
    solution='''
def clustering_error(posteriors, labels):
    """(error by the AAE paper's protocol, K) from q(y|x) of test points, (N, K), and their classes (N,)."""
    names = labels[posteriors.argmax(0)]
    error = (names[posteriors.argmax(1)] != labels).float().mean()
    return error.item(), posteriors.shape[1]
''',
    wrong=(
        Wrong(_HIDDEN_K, edit=("return error.item(), posteriors.shape[1]", "return error.item()")),
        Wrong(
            _VOTE,
            edit=(
                "names = labels[posteriors.argmax(0)]",
                "names = torch.stack([torch.bincount(labels[posteriors.argmax(1) == k], minlength=1).argmax() "
                "for k in range(posteriors.shape[1])])",
            ),
        ),
        Wrong(
            _MATCHING,
            code="""
            def clustering_error(posteriors, labels):
                from scipy.optimize import linear_sum_assignment
                k = posteriors.shape[1]
                table = torch.zeros(k, int(labels.max()) + 1)
                table.index_put_((posteriors.argmax(1), labels), torch.ones(len(labels)), accumulate=True)
                rows, columns = linear_sum_assignment(-table.numpy())
                return 1 - table[rows, columns].sum().item() / len(labels), k
            """,
        ),
        Wrong(_ACCURACY, edit=("!= labels", "== labels")),
        Wrong(
            "For the check's posteriors",
            edit=("labels[posteriors.argmax(0)]", "labels[posteriors.argmin(0)]"),
        ),
    ),
)

# --- 4.7 -------------------------------------------------------------------------------------------------

_UNDERFLOW = "Your densities underflow: e^(−‖x − x_i‖²/2σ²) is 0 for pictures. Sum with torch.logsumexp."
_TUNED_ON_TEST = (
    "You chose σ on the test points. Choose it on the validation points, then use the test points once."
)
_NO_COUNT = "You added the Gaussians up; the estimate is their mean: subtract log N."
_NO_NORMALISER = "The Gaussians lack their factor (2πσ²)^(−d/2): without it a larger σ always looks better."


def _check_parzen(parzen: Callable[[Tensor, Tensor, Tensor, Sequence[float]], Any]) -> None:
    sigmas = (0.25, 0.5, 1.0, 2.0, 8.0)
    # one sample at the origin: the density is N(0, σ²I), known in closed form; 400 numbers as in a picture
    origin, point = torch.zeros(1, 400).double(), torch.full((3, 400), 40.0).double()
    found = parzen(origin, point, point, sigmas)
    expect(
        isinstance(found, tuple) and len(found) == 2,
        "Return two numbers: σ and the mean log-density in nats.",
    )
    expect(math.isfinite(float(found[1])), _UNDERFLOW)
    samples, validation, test = random(60, 3), 0.6 * random(40, 3, seed=1), 3 * random(40, 3, seed=2)

    def value(sigma: float) -> float:
        return parzen_log_likelihood(samples, test, sigma).mean().item()

    best = max(sigmas, key=lambda s: parzen_log_likelihood(samples, validation, s).mean().item())
    tuned = max(sigmas, key=value)
    sigma, density = (float(v) for v in parzen(samples, validation, test, sigmas))
    for s in sigmas:
        expect(not close(density, value(s) + math.log(60)), _NO_COUNT)
        expect(not close(density, value(s) + 1.5 * math.log(2 * math.pi * s**2)), _NO_NORMALISER)
    expect(sigma != tuned, _TUNED_ON_TEST)
    expect(sigma == best, f"On the check's validation points σ = {best} is likeliest; you chose {sigma}.")
    expect(
        close(density, value(best)),
        f"With σ = {best} the test points have {value(best):.3f} nats on average; you found {density:.3f}.",
    )


_PARZEN = Exercise(
    number="4.7",
    title="The number in the old tables",
    level=3,
    minutes=25,
    answer="parzen",
    check=_check_parzen,
    stub='''
def parzen(samples, validation, test, sigmas):
    """(σ out of sigmas chosen honestly, mean log-density of test in nats) of Gaussians around samples (N, d)."""
    raise NotImplementedError
''',
    solution='''
def parzen(samples, validation, test, sigmas):
    """(σ out of sigmas chosen honestly, mean log-density of test in nats) of Gaussians around samples (N, d)."""
    n, d = samples.shape

    def mean_log_density(points, sigma):
        exponents = -torch.cdist(points, samples).square() / (2 * sigma**2)
        log_density = torch.logsumexp(exponents, dim=1) - math.log(n) - d / 2 * math.log(2 * math.pi * sigma**2)
        return log_density.mean().item()

    sigma = max(sigmas, key=lambda s: mean_log_density(validation, s))
    return sigma, mean_log_density(test, sigma)
''',
    wrong=(
        Wrong(_UNDERFLOW, edit=("torch.logsumexp(exponents, dim=1)", "exponents.exp().sum(1).log()")),
        Wrong(_TUNED_ON_TEST, edit=("mean_log_density(validation, s)", "mean_log_density(test, s)")),
        Wrong(_NO_COUNT, edit=(" - math.log(n)", "")),
        Wrong(_NO_NORMALISER, edit=(" - d / 2 * math.log(2 * math.pi * sigma**2)", "")),
        Wrong("On the check's validation points", edit=("sigma = max(", "sigma = min(")),
        Wrong("With σ = ", edit=("log_density.mean()", "log_density.sum()")),
    ),
)

EXERCISES = (_ORIENTATION, _PHASES, _SPLIT, _MATCH, _SEPARATES, _CLUSTERING, _PARZEN)
