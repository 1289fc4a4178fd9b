"""Exercises of chapter 4."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.evaluation import cluster_result, parzen_log_likelihood
from gencourse.exercises.engine import Exercise, Right, Wrong
from gencourse.exercises.numbers import NotYet, agree, close, expect, number, parts, plain, random, slopes

__all__ = ["EXERCISES"]

# --- 4.1 -------------------------------------------------------------------------------------------------

_CODES_AS_REAL = "You call the codes real. In an AAE real is a draw from the prior, and E(x) is the fake."
_NO_GAME = "Your encoder helps the discriminator: it must raise the logits of its codes, the opposite of what D does."
_BOTH_FROM_E = (
    "Your discriminator's loss does not look at the prior's logits: then nothing ties the codes to the prior."
)
_WRONG_LOGITS = "Your encoder's loss does not look at its own codes: it is about the logits of E(x)."
_DEAD = (
    "Where the discriminator is very wrong or very sure, at logits of ±40, the pull of your losses has died: use "
    "softplus, not the log of a sigmoid."
)
_FADING = (
    "Your encoder's loss is log(1 − σ(a)): its gradient dies when the discriminator wins. Use −log σ(a)."
)


def _check_orientation(both: Callable[[Tensor, Tensor], Any]) -> None:
    def played(prior: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        told = "Return two numbers: the discriminator's loss, the encoder's loss."
        d, e = parts(both(prior, code), 2, told)
        return number(d, told), number(e, told)

    softplus = nn.functional.softplus
    for n, m in ((6, 5), (3, 7)):
        prior, code = random(n).requires_grad_(), random(m, seed=1).requires_grad_()
        d, e = played(prior, code)
        on_prior, on_code = slopes(d, prior, code)
        (from_encoder,) = slopes(e, code)
        expect(on_prior.any(), _BOTH_FROM_E)
        expect(not ((on_prior > 0).all() and (on_code < 0).all()), _CODES_AS_REAL)
        expect(from_encoder.any(), _WRONG_LOGITS)
        expect(not (from_encoder > 0).all(), _NO_GAME)
        expect(not close(from_encoder, -torch.sigmoid(code) / m), _FADING)
        for name, found, right in (
            ("discriminator's, on the prior's draws", on_prior, -torch.sigmoid(-prior) / n),
            ("discriminator's, on codes", on_code, torch.sigmoid(code) / m),
            ("encoder's", from_encoder, -torch.sigmoid(-code) / m),
        ):
            signs = torch.equal(found.sign(), right.sign())
            expect(
                signs, f"The {name} gradient has the wrong sign: ask where a descent step moves each logit."
            )
            expect(
                close(found, right),
                f"The orientation is right, but the {name} gradient is off: eqs. (4.3) and (4.4).",
            )
        values = softplus(-prior).mean() + softplus(code).mean(), softplus(-code).mean()
        expect(
            close(d, values[0]) and close(e, values[1]),
            "The gradients are right, but a value is off: eqs. (4.3) and (4.4).",
        )
    prior, code = torch.full((2,), -40.0).requires_grad_(), torch.full((2,), 40.0).requires_grad_()
    found_out = torch.full((2,), -40.0).requires_grad_()
    pulls = [*slopes(played(prior, code)[0], prior, code), *slopes(played(prior, found_out)[1], found_out)]
    expect(close(torch.cat(pulls), torch.tensor([-0.5, -0.5, 0.5, 0.5, -0.5, -0.5])), _DEAD)


_ORIENTATION = Exercise(
    number="4.1",
    title="Who is real?",
    level=1,
    minutes=10,
    answer="latent_losses",
    hints=(
        "In an AAE, is a code of a picture the real side or the fake side?",
        "Draws from the prior are real. The encoder wants its codes called real.",
        "d = softplus(-prior_logits).mean() + softplus(code_logits).mean()",
    ),
    check=_check_orientation,
    stub='''
def latent_losses(prior_logits, code_logits):
    """(discriminator's loss, encoder's loss), to be minimised; logits of draws z ~
    p(z), (N,), and of E(x), (B,).
    """
    raise NotImplementedError
''',
    solution='''
def latent_losses(prior_logits, code_logits):
    """(discriminator's loss, encoder's loss), to be minimised; logits of draws z ~
    p(z), (N,), and of E(x), (B,).
    """
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
        Wrong("The gradients are right", edit=("return d, e", "return d, e + 1")),
        Wrong(
            _DEAD,
            edit=("e = softplus(-code_logits)", "e = -torch.log(torch.sigmoid(code_logits) + 1e-12)"),
        ),
        Wrong("Return two numbers", edit=("return d, e", "return e")),
    ),
    also_right=(
        Right(edit=("return d, e", "return [d, e]")),
        Right(
            code="""
            def latent_losses(prior_logits, code_logits):
                d = losses.discriminator_loss(prior_logits, code_logits)
                return torch.stack([d, losses.generator_loss(code_logits)])
            """
        ),
        Right(
            code="""
            def latent_losses(prior_logits, code_logits):
                log_d = nn.functional.logsigmoid
                return -log_d(prior_logits).mean() - log_d(-code_logits).mean(), -log_d(code_logits).mean()
            """
        ),
    ),
)

# --- 4.2 -------------------------------------------------------------------------------------------------

_ORDER = "Move, once each and in this order: encoder with decoder, the discriminator, the encoder alone."
_DECODER_TOO = "Your third phase moves the decoder, too: the game is between encoder and discriminator."
_STALE = "The encoder has moved since you computed the codes: encode x again after the first phase."
_LEFTOVER = "The {who} moves by gradients of an earlier phase, too: clear them right before its backward."
_WRONG_MOVE = (
    "The {who} did not move down its own loss: check which loss it gets, eqs. (4.1), (4.3) and (4.4)."
)
_OWNERS = {
    "autoencoder": ("encoder", "decoder"),
    "discriminator": ("discriminator",),
    "encoder": ("encoder",),
}


class _Game:
    """Three linear networks, their optimisers, and a note of every move."""

    def __init__(self, pixels: int, code: int) -> None:
        self.networks: dict[str, nn.Module] = {
            "encoder": nn.Linear(pixels, code),
            "decoder": nn.Linear(code, pixels),
            "discriminator": nn.Linear(code, 1),
        }
        self.moves: list[str] = []
        self.given: list[Tensor] = []  # the gradient that each move was handed
        self.left: list[Tensor] = []  # what lay in the same networks at the move before
        self.weights: list[dict[str, list[Tensor]]] = []  # all weights, as each move found them
        self.x = self.prior = torch.empty(0)
        self.first = self._weights()
        self.before = self._gradients()
        self.optimizers = [self._optimizer(who) for who in _OWNERS]

    def _optimizer(self, who: str) -> torch.optim.Optimizer:
        made = torch.optim.SGD([p for name in _OWNERS[who] for p in self.networks[name].parameters()], lr=0.1)
        made.register_step_pre_hook(lambda *_: self._note(who))
        return made

    def _note(self, who: str) -> None:
        self.moves.append(who)
        self.given.append(self._lying(self._gradients(), who))
        self.left.append(self._lying(self.before, who))
        self.weights.append(self._weights())
        self.before = self._gradients()

    def _gradients(self) -> dict[str, Tensor]:
        return {
            name: torch.cat(
                [
                    (torch.zeros_like(p) if p.grad is None else p.grad.clone()).flatten()
                    for p in net.parameters()
                ]
            )
            for name, net in self.networks.items()
        }

    def _weights(self) -> dict[str, list[Tensor]]:
        return {name: [p.detach().clone() for p in net.parameters()] for name, net in self.networks.items()}

    @staticmethod
    def _lying(gradients: dict[str, Tensor], who: str) -> Tensor:
        return torch.cat([gradients[name] for name in _OWNERS[who]])

    def play(self, step: Callable[..., None], x: Tensor, prior: Tensor) -> None:
        for note in (self.moves, self.given, self.left, self.weights):
            note.clear()
        self.x, self.prior, self.before, self.first = x, prior, self._gradients(), self._weights()
        step(*self.networks.values(), *self.optimizers, x, prior)

    def wanted(self, who: str, weights: dict[str, list[Tensor]]) -> Tensor:
        """What a player should move by at these weights, worked out apart from the learner's code."""
        w = {name: [v.clone().requires_grad_() for v in values] for name, values in weights.items()}

        def apply(name: str, rows: Tensor) -> Tensor:
            return rows @ w[name][0].T + w[name][1]

        softplus, z = nn.functional.softplus, apply("encoder", self.x)
        if who == "autoencoder":
            loss = (apply("decoder", z) - self.x).square().sum() / len(self.x)
        elif who == "discriminator":
            loss = softplus(-apply("discriminator", self.prior)).mean()
            loss = loss + softplus(apply("discriminator", z.detach())).mean()
        else:
            loss = softplus(-apply("discriminator", z)).mean()
        own = [v for name in _OWNERS[who] for v in w[name]]
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, own)])


def _check_phases(step: Callable[..., None]) -> None:
    game = _Game(4, 2)
    for n, m in ((8, 8), (5, 7)):
        game.play(step, torch.randn(n, 4) + 1, torch.randn(m, 2))
        expect(game.moves != ["autoencoder", "discriminator", "autoencoder"], _DECODER_TOO)
        expect(game.moves == ["autoencoder", "discriminator", "encoder"], _ORDER)
        for who, given, left, weights in zip(game.moves, game.given, game.left, game.weights, strict=True):
            wanted = game.wanted(who, weights)
            if close(given, wanted):
                continue
            stale = game.wanted(who, weights | {"encoder": game.first["encoder"]})
            expect(who == "autoencoder" or not close(given, stale), _STALE)
            expect(not close(given - left, wanted), _LEFTOVER.format(who=who))
            raise NotYet(_WRONG_MOVE.format(who=who))


_PHASES = Exercise(
    number="4.2",
    title="Three phases, three moves",
    level=3,
    minutes=25,
    answer="aae_step",
    hints=(
        "After the reconstruction step, are the codes that you computed before still the encoder's?",
        "Three moves: reconstruct, judge fresh detached codes, then fool the judge with codes that carry a gradient.",
        "e_loss = losses.generator_loss(discriminator(encoder(x)))",
    ),
    check=_check_phases,
    stub='''
def aae_step(
    encoder, decoder, discriminator, ae_optimizer, d_optimizer, e_optimizer, x, prior_z
):
    """One mini-batch x (B, D) of an AAE with draws prior_z; ae_optimizer owns E and
    Dec, e_optimizer E alone.
    """
    raise NotImplementedError
''',
    solution='''
def aae_step(
    encoder, decoder, discriminator, ae_optimizer, d_optimizer, e_optimizer, x, prior_z
):
    """One mini-batch x (B, D) of an AAE with draws prior_z; ae_optimizer owns E and
    Dec, e_optimizer E alone.
    """
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
        Wrong(_LEFTOVER.format(who="autoencoder"), edit=("    ae_optimizer.zero_grad()\n", "")),
        Wrong(_LEFTOVER.format(who="discriminator"), edit=("    d_optimizer.zero_grad()\n", "")),
        Wrong(
            _WRONG_MOVE.format(who="discriminator"),
            edit=("discriminator(prior_z), discriminator(z)", "discriminator(z), discriminator(prior_z)"),
        ),
        Wrong(
            _WRONG_MOVE.format(who="encoder"),
            edit=("losses.generator_loss(discriminator(encoder(x)))", "-discriminator(encoder(x)).mean()"),
        ),
        Wrong(
            _WRONG_MOVE.format(who="autoencoder"),
            edit=(
                "losses.squared_error(decoder(encoder(x)), x)",
                "(decoder(encoder(x)) - x).square().mean()",
            ),
        ),
        Wrong(
            _ORDER,
            code="""
            def aae_step(encoder, decoder, discriminator, ae_optimizer, d_optimizer, e_optimizer, x, prior_z):
                d_optimizer.zero_grad()
                z = encoder(x).detach()
                losses.discriminator_loss(discriminator(prior_z), discriminator(z)).backward()
                d_optimizer.step()
                ae_optimizer.zero_grad()
                losses.squared_error(decoder(encoder(x)), x).backward()
                ae_optimizer.step()
                e_optimizer.zero_grad()
                losses.generator_loss(discriminator(encoder(x))).backward()
                e_optimizer.step()
            """,
        ),
    ),
    also_right=(
        Right(edit=("encoder(x).detach()", "encoder(x)")),  # cleared before the encoder's own move
        # the encoder has not moved since the discriminator's phase: the same codes serve both
        Right(
            code="""
            def aae_step(encoder, decoder, discriminator, ae_optimizer, d_optimizer, e_optimizer, x, prior_z):
                for network in (encoder, decoder):
                    network.zero_grad()
                (decoder(encoder(x)) - x).square().sum(1).mean().backward()
                ae_optimizer.step()
                z = encoder(x)
                discriminator.zero_grad()
                losses.discriminator_loss(discriminator(prior_z), discriminator(z.detach())).backward()
                d_optimizer.step()
                encoder.zero_grad()
                losses.generator_loss(discriminator(z)).backward()
                e_optimizer.step()
            """
        ),
        Right(
            code="""
            def aae_step(encoder, decoder, discriminator, ae_optimizer, d_optimizer, e_optimizer, x, prior_z):
                def move(optimizer, loss, *networks):
                    weights = [p for network in networks for p in network.parameters()]
                    for p, slope in zip(weights, torch.autograd.grad(loss, weights)):
                        p.grad = slope
                    optimizer.step()

                move(ae_optimizer, losses.squared_error(decoder(encoder(x)), x), encoder, decoder)
                judged = discriminator(prior_z), discriminator(encoder(x))
                move(d_optimizer, losses.discriminator_loss(*judged), discriminator)
                move(e_optimizer, losses.generator_loss(discriminator(encoder(x))), encoder)
            """
        ),
    ),
    returns=False,
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
    def kl(a: Tensor, b: Tensor) -> Tensor:
        return (torch.xlogy(a, a) - torch.xlogy(a, b)).sum(-1)

    for rows, codes in ((3, 4), (5, 3)):
        data, prior = (1.5 * random(rows)).softmax(0), random(codes, seed=1).softmax(0)
        q = (1.5 * random(rows, codes, seed=2)).softmax(1)
        q[0, -1] = 0
        q[0] /= q[0].sum()
        aggregated, even = data @ q, q.mean(0)
        vae, aae, information = (
            (data * kl(q, prior)).sum(),
            kl(aggregated, prior),
            (data * kl(q, aggregated)).sum(),
        )
        told = "Return three numbers: the VAE's penalty, the AAE's, the information."
        found = torch.stack([number(v, told).detach() for v in parts(split(data, q, prior), 3, told)])
        expect(
            torch.isfinite(found).all(),
            "One entry of q is 0: its term counts as 0, not NaN. torch.xlogy knows that.",
        )
        right = torch.stack([vae, aae, information])
        if close(found, right):
            continue
        expect(not close(found[0], aae) and not close(found[1], vae), _SAME_PENALTY)
        expect(not close(found, right / math.log(2)), _BITS)
        expect(not close(found[0], kl(q, prior).mean()) and not close(found[1], kl(even, prior)), _EVEN)
        expect(not close(found[1], kl(prior, aggregated)), _TURNED)
        for name, value, wanted in zip(
            ("VAE's penalty", "AAE's penalty", "information"), found, right, strict=True
        ):
            agree(value, wanted, f"For the check's tables the {name} is {wanted:.4f}; yours is {value:.4f}.")


_SPLIT = Exercise(
    number="4.3",
    title="What the AAE does not pay for",
    level=3,
    minutes=25,
    answer="penalties",
    hints=(
        "What is left of the VAE's penalty when the codes of all pictures together follow the prior?",
        "Average q(z|x) over the data first for the AAE's term; the information is the difference of the two.",
        "aggregated = p_data @ q",
    ),
    check=_check_split,
    stub='''
def penalties(p_data, q, prior):
    """(E_x KL(q(z|x)‖p), KL(q(z)‖p), I(x; z)) in nats; p_data (X,), rows q[x] = q(z|x)
    of shape (X, Z), prior (Z,).
    """
    raise NotImplementedError
''',
    solution='''
def penalties(p_data, q, prior):
    """(E_x KL(q(z|x)‖p), KL(q(z)‖p), I(x; z)) in nats; p_data (X,), rows q[x] = q(z|x)
    of shape (X, Z), prior (Z,).
    """
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
        Wrong("Return three numbers", edit=("return vae, aae, information", "return vae, aae")),
        Wrong(
            "For the check's tables the information",
            edit=("return vae, aae, information", "return vae, aae, aae - vae"),
        ),
    ),
    also_right=(
        Right(edit=("return vae, aae, information", "return [vae, aae, vae - aae]")),
        Right(
            code="""
            def penalties(p_data, q, prior):
                def kl(a, b):
                    return sum(x * math.log(x / y) for x, y in zip(a.tolist(), b.tolist()) if x > 0)

                aggregated = (p_data[:, None] * q).sum(0)
                weights = p_data.tolist()
                vae = sum(w * kl(row, prior) for w, row in zip(weights, q))
                return vae, kl(aggregated, prior), sum(w * kl(row, aggregated) for w, row in zip(weights, q))
            """
        ),
        Right(
            code="""
            def penalties(p_data, q, prior):
                joint, z = p_data[:, None] * q, p_data @ q
                entropy = torch.special.entr
                information = entropy(p_data).sum() + entropy(z).sum() - entropy(joint).sum()
                aae = -entropy(z).sum() - (z * prior.log()).sum()
                return torch.stack([information + aae, aae, information])
            """
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
_MOMENTS = (
    "You accepted codes on a circle. Their means, spreads and correlations are those of the prior, and yet none lies "
    "near the middle: use a two-sample test on whole codes."
)
_WORSE_THAN_PCA = "You accepted an error that is not below that of principal components: it must be."
_NO_MATCH = "You accepted codes that are far from the prior because the reconstruction is good. Look at both."
_REFUSED = (
    "You refused codes that follow the prior and reconstruct well. The test's accuracy scatters around 0.5."
)
_SEEN = "You accepted codes that a two-sample test tells apart in most cases: draw the line near 0.6."


def _check_match(matched: Callable[[Tensor, Tensor, float, float], Any]) -> None:
    for n, d in ((1500, 2), (1500, 3)):
        prior, z = random(n + 100, d, seed=1), random(n, d)
        dependent = z.clone()
        dependent[:, 1] = z[:, 1].abs() * z[:, 0].sign()
        expect(matched(z, prior, 15.0, 29.0), _REFUSED)
        expect(matched(random(n, d, seed=2), random(n, d, seed=3), 2.8, 2.9), _REFUSED)
        expect(not matched(z, prior, 52.0, 29.0), _IGNORES_X)
        expect(not matched(z, prior, 30.0, 29.0) and not matched(z, prior, 29.0, 29.0), _WORSE_THAN_PCA)
        expect(not matched(z + 4, prior, 15.0, 29.0), _NO_MATCH)
        expect(not matched(1.8 * z + 0.8, prior, 15.0, 29.0), _SEEN)
        expect(not matched(dependent, prior, 15.0, 29.0), _MARGINS)
        if d == 2:
            circle = 2**0.5 * z / z.norm(dim=1, keepdim=True)
            expect(not matched(circle, prior, 15.0, 29.0), _MOMENTS)


_MATCH = Exercise(
    number="4.4",
    title="Does it match, and does it still see?",
    level=3,
    minutes=20,
    answer="matched",
    hints=(
        "Codes drawn from the prior without looking at the picture match perfectly: what do they fail at?",
        "Ask a held-out judge about whole codes, not coordinates, and require an error below PCA's as well.",
        "return evaluation.two_sample_accuracy(z, prior_z) <= 0.6 and error < pca_error",
    ),
    check=_check_match,
    stub='''
def matched(z, prior_z, error, pca_error):
    """Whether an AAE works: codes (N, d) pass for draws of the prior (N, d), and its
    squared error beats PCA's.
    """
    raise NotImplementedError
''',
    solution='''
def matched(z, prior_z, error, pca_error):
    """Whether an AAE works: codes (N, d) pass for draws of the prior (N, d), and its
    squared error beats PCA's.
    """
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
        Wrong(_WORSE_THAN_PCA, edit=("error < pca_error", "error < 1.5 * pca_error")),
        Wrong(
            _MOMENTS,
            edit=(
                "evaluation.two_sample_accuracy(z, prior_z) <= 0.6",
                "(z.mean(0) - prior_z.mean(0)).abs().max() < 0.2 "
                "and (torch.cov(z.T) - torch.cov(prior_z.T)).abs().max() < 0.3",
            ),
        ),
    ),
    also_right=(
        Right(edit=("<= 0.6 and error < pca_error", "< 0.6 and pca_error - error > 0")),
        Right(edit=("(z, prior_z)", "(prior_z, z)")),
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
_MEMORISED = (
    "You refused a model whose codes hold style alone. Score the probe on rows that it has not learned from: with long "
    "codes it finds a label in any noise it has seen."
)
_UNEVEN = (
    "You refused a model whose codes hold style alone. Where one class is common, chance is that class's share, not "
    "one over the number of classes."
)
_DEAF = "You accepted a decoder that does not listen to y: decode each code with another label and ask the classifier."
_HONEST = "You refused a model whose codes hold style alone and whose decoder draws the class that y says."


def _check_separates(separates: Callable[..., Any]) -> None:
    n = 1500
    for classes, width in ((3, 2), (4, 3)):
        y = torch.arange(n) % classes
        style = random(n, width)
        x = torch.cat([nn.functional.one_hot(y, classes).float(), style], dim=1)

        def classify(pictures: Tensor, classes: int = classes) -> Tensor:
            return pictures[:, :classes].argmax(1)

        def told(z: Tensor, label: Tensor, classes: int = classes, width: int = width) -> Tensor:
            return torch.cat([nn.functional.one_hot(label, classes).float(), z[:, :width]], dim=1)

        def deaf(z: Tensor, label: Tensor, classes: int = classes, width: int = width) -> Tensor:
            return torch.cat([torch.full((len(z), classes), 1 / classes), z[:, :width]], dim=1)

        def style_of(pictures: Tensor, classes: int = classes) -> Tensor:
            return pictures[:, classes:]

        def folded(pictures: Tensor, classes: int = classes) -> Tensor:
            # the label is the ring that the code lies on: every ring has the same centre
            radius = 1 + pictures[:, :classes].argmax(1, keepdim=True)
            return pictures[:, classes:] / pictures[:, classes:].norm(dim=1, keepdim=True) * radius

        expect(separates(style_of, told, classify, x, y), _HONEST)
        expect(not separates(style_of, deaf, classify, x, y), _DEAF)
        for obeyed in (classes - 1, 2):  # a decoder that obeys for the first labels only

            def sometimes(z: Tensor, label: Tensor, obeyed: int = obeyed) -> Tensor:
                return told(z, torch.where(label < obeyed, label, 0))

            expect(not separates(style_of, sometimes, classify, x, y), _DEAF)
        expect(not separates(lambda p: p.flip(1), told, classify, x, y), _LEAK)
        expect(not separates(folded, told, classify, x, y), _FOLDED)

    wide = torch.cat([x[:300, :classes], random(300, 400, seed=1)], dim=1)
    expect(separates(style_of, told, classify, wide, y[:300]), _MEMORISED)
    y = (torch.arange(n) % 10 >= 7).long() * (1 + torch.arange(n) % 3)
    x = torch.cat([nn.functional.one_hot(y, classes).float(), style], dim=1)
    expect(separates(style_of, told, classify, x, y), _UNEVEN)


_SEPARATES = Exercise(
    number="4.5",
    title="Style without content",
    level=4,
    minutes=30,
    answer="separates",
    hints=(
        "How accurate is a classifier that guesses, and can a linear one find a folded label?",
        "Ask for another class than the picture's and see whether it is drawn; probe the codes, against chance.",
        "other = (y + 1) % (int(y.max()) + 1)",
    ),
    check=_check_separates,
    stub='''
def separates(encode, decode, classify, x, y):
    """Whether decode(z, label) draws the class it is told and z = encode(x) holds no
    label; x (N, ...), y (N,).
    """
    raise NotImplementedError
''',
    solution='''
def separates(encode, decode, classify, x, y):
    """Whether decode(z, label) draws the class it is told and z = encode(x) holds no
    label; x (N, ...), y (N,).
    """
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
        Wrong(_MEMORISED, edit=("z[half:], y[half:]", "z[:half], y[:half]")),
        Wrong(_MEMORISED, edit=("z[:half], y[:half], z[half:], y[half:]", "z, y, z, y")),
        Wrong(_UNEVEN, edit=("torch.bincount(y).max() / len(y)", "1 / (int(y.max()) + 1)")),
        Wrong(_DEAF, edit=("obeyed > 0.8", "obeyed > 0.4")),
    ),
    also_right=(
        Right(edit=("chance + 0.15", "chance + 0.1")),
        Right(
            code="""
            def separates(encode, decode, classify, x, y):
                z, order = encode(x), torch.randperm(len(x))
                first, second = order[: len(x) // 2], order[len(x) // 2 :]
                known = evaluation.label_probe(z[first], y[first], z[second], y[second])
                asked = y[torch.randperm(len(y))]
                obeyed = (classify(decode(z, asked)) == asked).float().mean()
                return obeyed > 0.9 and known < y.bincount().max() / len(y) + 0.15
            """
        ),
    ),
    seconds=120,
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
    for n, k, classes in ((300, 12, 6), (240, 7, 3), (200, 4, 5)):
        q = (3 * random(n, k)).softmax(1)
        y = (q @ random(k, classes, seed=1).softmax(1) + 0.1 * random(n, classes, seed=2)).argmax(1)
        order = torch.randperm(k)
        right = cluster_result(q, y).error
        for table in (q, q[:, order]):
            found = error_of(table, y)
            error, clusters = (plain(v, _HIDDEN_K) for v in parts(found, 2, _HIDDEN_K))
            expect(clusters == k, "The second number is K, how many clusters there are.")
            if close(error, right):
                continue
            expect(not close(error, 1 - right), _ACCURACY)
            counts = torch.zeros(k, classes)
            counts.index_put_((table.argmax(1), y), torch.ones(n), accumulate=True)
            expect(not close(error, 1 - counts.max(1).values.sum() / n), _VOTE)
            expect(not close(error, 1 - _best_matching(counts) / n), _MATCHING)
            raise NotYet(f"For the check's posteriors it is {right:.4f}, eq. (4.19); yours is {error:.4f}.")


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
    hints=(
        "How many labels does the protocol look at for one cluster?",
        "Name each cluster by the label of the one point that is most certain of it; then count mistakes.",
        "names = labels[posteriors.argmax(0)]",
    ),
    check=_check_clustering,
    stub='''
def clustering_error(posteriors, labels):
    """(error by the AAE paper's protocol, K) from q(y|x) of test points, (N, K), and
    their classes (N,).
    """
    raise NotImplementedError
''',
    solution='''
def clustering_error(posteriors, labels):
    """(error by the AAE paper's protocol, K) from q(y|x) of test points, (N, K), and
    their classes (N,).
    """
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
        Wrong("The second number is K", edit=("posteriors.shape[1]\n", "int(labels.max()) + 1\n")),
        Wrong("The second number is K", edit=("posteriors.shape[1]\n", "12\n")),
    ),
    also_right=(
        Right(edit=("return error.item(), posteriors.shape[1]", "return [error, posteriors.shape[1]]")),
        Right(
            code="""
            def clustering_error(posteriors, labels):
                wrong = 0
                for row, label in zip(posteriors, labels):
                    best = posteriors[:, row.argmax()].argmax()
                    wrong += int(labels[best] != label)
                return wrong / len(labels), len(posteriors.T)
            """
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
    told = "Return two numbers: σ and the mean log-density in nats."
    sigmas = (8.0, 0.25, 1.0, 0.5, 2.0)
    # one sample at the origin: the density is N(0, σ²I), known in closed form; 400 numbers as in a picture
    origin, point = torch.zeros(1, 400), torch.full((3, 400), 40.0)
    far = number(parts(parzen(origin, point, point, sigmas), 2, told)[1], told)
    expect(math.isfinite(float(far)), _UNDERFLOW)
    for n, d in ((60, 3), (35, 5)):
        samples, validation, test = random(n, d), 0.6 * random(40, d, seed=1), 3 * random(30, d, seed=2)

        def value(sigma: float, samples: Tensor = samples, test: Tensor = test) -> float:
            return parzen_log_likelihood(samples, test, sigma).mean().item()

        best = max(sigmas, key=lambda s: parzen_log_likelihood(samples, validation, s).mean().item())
        tuned = max(sigmas, key=value)
        found = parts(parzen(samples, validation, test, sigmas), 2, told)
        sigma, density = (plain(v, told) for v in found)
        if sigma == best and close(density, value(best), 1e-3):
            continue
        normaliser = d / 2 * math.log(2 * math.pi * sigma**2)
        expect(sigma not in sigmas or not close(density, value(sigma) + normaliser), _NO_NORMALISER)
        expect(sigma != tuned, _TUNED_ON_TEST)
        expect(sigma == best, f"On the check's validation points σ = {best} is likeliest; you chose {sigma}.")
        agree(
            density,
            value(best),
            f"With σ = {best} the test points have {value(best):.3f} nats on average; you found {density:.3f}.",
            (value(best) + math.log(n), _NO_COUNT),
        )


_PARZEN = Exercise(
    number="4.7",
    title="The number in the old tables",
    level=3,
    minutes=25,
    answer="parzen",
    hints=(
        "If σ is chosen on the test set, what is the number an estimate of?",
        "Choose σ by the validation set; average the log of the mean density over the points, not the density.",
        "sigma = max(sigmas, key=lambda s: mean_log_density(validation, s))",
    ),
    check=_check_parzen,
    stub='''
def parzen(samples, validation, test, sigmas):
    """(σ out of sigmas chosen honestly, mean log-density of test in nats) of Gaussians
    around samples (N, d).
    """
    raise NotImplementedError
''',
    solution='''
def parzen(samples, validation, test, sigmas):
    """(σ out of sigmas chosen honestly, mean log-density of test in nats) of Gaussians
    around samples (N, d).
    """
    n, d = samples.shape

    def mean_log_density(points, sigma):
        exponents = -torch.cdist(points, samples).square() / (2 * sigma**2)
        log_scale = d / 2 * math.log(2 * math.pi * sigma**2)
        log_density = torch.logsumexp(exponents, dim=1) - math.log(n) - log_scale
        return log_density.mean().item()

    sigma = max(sigmas, key=lambda s: mean_log_density(validation, s))
    return sigma, mean_log_density(test, sigma)
''',
    wrong=(
        Wrong(_UNDERFLOW, edit=("torch.logsumexp(exponents, dim=1)", "exponents.exp().sum(1).log()")),
        Wrong(_TUNED_ON_TEST, edit=("mean_log_density(validation, s)", "mean_log_density(test, s)")),
        Wrong(_NO_COUNT, edit=(" - math.log(n)", "")),
        Wrong(_NO_NORMALISER, edit=(" - log_scale", "")),
        Wrong("On the check's validation points", edit=("sigma = max(", "sigma = min(")),
        Wrong("With σ = ", edit=("log_density.mean()", "log_density.sum()")),
        Wrong("On the check's validation points", edit=("d / 2 * math.log", "3 / 2 * math.log")),
        Wrong(
            "Return two numbers",
            edit=("return sigma, mean_log_density(test, sigma)", "return mean_log_density(test, sigma)"),
        ),
    ),
    also_right=(
        Right(
            code="""
            def parzen(samples, validation, test, sigmas):
                found = {s: evaluation.parzen_log_likelihood(samples, validation, s).mean() for s in sigmas}
                sigma = max(found, key=found.get)
                return [sigma, evaluation.parzen_log_likelihood(samples, test, sigma).mean()]
            """
        ),
        Right(
            code="""
            def parzen(samples, validation, test, sigmas):
                def score(points, s):
                    gaussians = torch.distributions.Independent(torch.distributions.Normal(samples, s), 1)
                    return (gaussians.log_prob(points[:, None]).logsumexp(1) - math.log(len(samples))).mean()

                scores = torch.stack([score(validation, s) for s in sigmas])
                sigma = sigmas[int(scores.argmax())]
                return sigma, score(test, sigma).item()
            """
        ),
    ),
)

EXERCISES = (_ORIENTATION, _PHASES, _SPLIT, _MATCH, _SEPARATES, _CLUSTERING, _PARZEN)
