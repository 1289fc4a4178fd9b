"""Exercises of chapter 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.data import load
from gencourse.evaluation import MeanPicture, reconstruction_error
from gencourse.exercises.engine import Exercise, NotYet, Wrong, expect
from gencourse.exercises.numbers import close, random
from gencourse.losses import squared_error
from gencourse.training import adam, seeded

__all__ = ["EXERCISES"]


# --- 1.1 -------------------------------------------------------------------------------------------------

_NOT_THE_WEIGHTS = (
    "The weights are not unique, eq. (1.10): compare W_d W_e with the projector, not the weights."
)
_CENTRE = "Principal components are those of centred data: subtract the mean of x first."


def _check_distance_to_pca(distance: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    x = random(400, 6) * torch.tensor([3.0, 2.0, 1.5, 0.5, 0.3, 0.1], dtype=torch.float64)
    x = x @ torch.linalg.qr(random(6, 6, seed=1)).Q
    centred = x - x.mean(0)
    basis = torch.linalg.svd(centred, full_matrices=False).Vh[:2].T
    mix = torch.tensor([[2.0, 1.0], [-1.0, 0.5]], dtype=torch.float64)
    expect(
        close(distance(mix @ basis.T, basis @ torch.linalg.inv(mix), centred), 0.0, 1e-6),
        _NOT_THE_WEIGHTS,
    )
    shifted = x + 10 * random(6, seed=2)
    expect(close(distance(basis.T, basis, shifted), 0.0, 1e-6), _CENTRE)
    w_e, w_d = random(2, 6, seed=3), random(6, 2, seed=4)
    right = torch.linalg.norm(w_d @ w_e - basis @ basis.T)
    expect(
        close(distance(w_e, w_d, x), right),
        f"For random weights the distance is {right:.4f}: check the norm.",
    )


_DISTANCE = Exercise(
    number="1.1",
    title="Has it found the principal components?",
    level=2,
    minutes=20,
    answer="distance_to_pca",
    check=_check_distance_to_pca,
    stub='''
def distance_to_pca(w_e, w_d, x):
    """Frobenius norm of W_d W_e − U_k U_kᵀ; w_e is (k, D), w_d is (D, k), x holds one picture a row."""
    raise NotImplementedError
''',
    solution='''
def distance_to_pca(w_e, w_d, x):
    """Frobenius norm of W_d W_e − U_k U_kᵀ; w_e is (k, D), w_d is (D, k), x holds one picture a row."""
    centred = x - x.mean(0)
    u = torch.linalg.svd(centred, full_matrices=False).Vh[: len(w_e)].T
    return torch.linalg.norm(w_d @ w_e - u @ u.T)
''',
    wrong=(
        Wrong(_NOT_THE_WEIGHTS, edit=("w_d @ w_e - u @ u.T", "w_e - u.T")),
        Wrong(_CENTRE, edit=("x - x.mean(0)", "x")),
        Wrong("For random weights the distance is", edit=("@ u.T)", "@ u.T) ** 2")),
    ),
)

# --- 1.2 -------------------------------------------------------------------------------------------------

_NO_LOG_SIGMA = (
    "Without D log σ the loss has no minimum: a growing σ makes every error cheap. Write out eq. (1.2)."
)
_PIXEL_MEAN = (
    "The value is too small by the number of pixels D: sum over pixels, average only over the batch."
)
_NO_HALF = "The squared error is divided by 2σ², not by σ²."


def _check_gaussian_nll(nll: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    x, x_hat = random(3, 1, 4, 5), random(3, 1, 4, 5, seed=1)
    squared, d = ((x - x_hat) ** 2).sum() / 3, 20
    for log_sigma in (-0.7, 0.4):
        s = torch.tensor(log_sigma, dtype=torch.float64)
        right = -torch.distributions.Normal(x_hat, s.exp()).log_prob(x).sum() / 3
        value = torch.as_tensor(nll(x_hat, x, s))
        expect(value.shape == (), f"Return one number; yours has shape {tuple(value.shape)}.")
        expect(not close(value, right / d), _PIXEL_MEAN)
        expect(not close(value, right - d * s), _NO_LOG_SIGMA)
        expect(not close(value, right + squared / (2 * torch.exp(2 * s))), _NO_HALF)
        expect(
            close(value, right),
            f"At log σ = {log_sigma} it should be {right:.4f}; yours is {float(value):.4f}.",
        )


_NLL = Exercise(
    number="1.2",
    title="Squared error as a likelihood",
    level=2,
    minutes=15,
    answer="gaussian_nll",
    check=_check_gaussian_nll,
    stub='''
def gaussian_nll(x_hat, x, log_sigma):
    """−log N(x; x_hat, σ²I): sum over pixels, mean over the batch; x is (B, ...)."""
    raise NotImplementedError
''',
    solution='''
def gaussian_nll(x_hat, x, log_sigma):
    """−log N(x; x_hat, σ²I): sum over pixels, mean over the batch; x is (B, ...)."""
    per_pixel = (x - x_hat) ** 2 / (2 * torch.exp(2 * log_sigma)) + log_sigma + math.log(2 * math.pi) / 2
    return per_pixel.sum() / len(x)
''',
    wrong=(
        Wrong(_NO_LOG_SIGMA, edit=(" + log_sigma", "")),
        Wrong(_PIXEL_MEAN, edit=("per_pixel.sum() / len(x)", "per_pixel.mean()")),
        Wrong(_NO_HALF, edit=("(2 * torch.exp(2 * log_sigma))", "torch.exp(2 * log_sigma)")),
        Wrong("At log σ", edit=(" + math.log(2 * math.pi) / 2", "")),
        Wrong("Return one number", edit=("per_pixel.sum()", "per_pixel.flatten(1).sum(1)")),
    ),
)

# --- 1.3 -------------------------------------------------------------------------------------------------

_NOT_ZERO = "Zero is reached only for black and white pixels. Put x̂ = x into eq. (1.5) for a grey one."
_BITS = "That is the entropy in bits: use the natural logarithm, the course counts in nats."
_ONE_SIDE = "The cross-entropy has two terms, −x log x̂ and −(1 − x) log(1 − x̂): you have one of them."
_ENDS = "At x = 0 and x = 1 the floor is 0, and 0 · log 0 counts as 0: torch.xlogy knows that."


def _check_floor(floor: Callable[[Tensor], Tensor]) -> None:
    t = torch.tensor([0.1, 0.3, 0.5, 0.8], dtype=torch.float64)
    value = torch.as_tensor(floor(t))
    nats = -(t * t.log() + (1 - t) * (1 - t).log())
    expect(value.shape == t.shape, f"Return one floor for each pixel, shape {tuple(t.shape)}.")
    expect(not close(value, torch.zeros(4)), _NOT_ZERO)
    expect(not close(value, nats / math.log(2)), _BITS)
    expect(not close(value, -t * t.log()), _ONE_SIDE)
    expect(close(value, nats), f"At x = 0.3 the floor is {nats[1]:.4f} nats; yours is {float(value[1]):.4f}.")
    expect(close(floor(torch.tensor([0.0, 1.0], dtype=torch.float64)), torch.zeros(2)), _ENDS)


_FLOOR = Exercise(
    number="1.3",
    title="How low can cross-entropy go?",
    level=1,
    minutes=10,
    answer="floor",
    check=_check_floor,
    stub='''
def floor(x):
    """Least cross-entropy of each pixel of x, in nats, over all predictions; same shape as x."""
    raise NotImplementedError
''',
    solution='''
def floor(x):
    """Least cross-entropy of each pixel of x, in nats, over all predictions; same shape as x."""
    return -(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x))
''',
    wrong=(
        Wrong(_NOT_ZERO, edit=("-(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x))", "torch.zeros_like(x)")),
        Wrong(_BITS, edit=("1 - x))", "1 - x)) / math.log(2)")),
        Wrong(_ONE_SIDE, edit=(" + torch.xlogy(1 - x, 1 - x)", "")),
        Wrong(_ENDS, code="def floor(x):\n    return -(x * x.log() + (1 - x) * (1 - x).log())"),
    ),
)

# --- 1.4 -------------------------------------------------------------------------------------------------

_IDENTITY = "You return the noisy point itself. That is what a denoiser learns when its target is noisy, too."
_SIGMA_NOT_SQUARED = "The noise has variance σ², so it is σ², not σ, that adds to the covariance."
_NO_NOISE = "You divide by the covariance of the clean data. The observed y has covariance Σ + σ²I."


def _check_denoise(denoise: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    cov = torch.tensor([[3.0, 0.6], [0.6, 0.5]], dtype=torch.float64)
    y, sigma = random(5, 2), 0.8
    eye = torch.eye(2, dtype=torch.float64)
    value = torch.as_tensor(denoise(y, cov, sigma))
    expect(value.shape == y.shape, f"Return one point for each row of y, shape {tuple(y.shape)}.")
    expect(not close(value, y), _IDENTITY)
    expect(not close(value, y @ torch.linalg.inv(cov + sigma * eye) @ cov), _SIGMA_NOT_SQUARED)
    noisy = cov + sigma**2 * eye
    right = y @ torch.linalg.inv(noisy) @ cov
    expect(close(value, right), "E[x|y] is the shrinkage Σ(Σ + σ²I)⁻¹ y, eq. (1.12), applied to every row.")
    score = (value - y) / sigma**2
    expect(close(score, -y @ torch.linalg.inv(noisy)), "Tweedie, eq. (1.13), does not hold for your answer.")


_DENOISE = Exercise(
    number="1.4",
    title="The best denoiser of a Gaussian",
    level=3,
    minutes=20,
    answer="denoise",
    check=_check_denoise,
    stub='''
def denoise(y, cov, sigma):
    """E[x|y] for x ~ N(0, cov) and y = x + σ·noise; y is (B, D), one noisy point a row."""
    raise NotImplementedError
''',
    solution='''
def denoise(y, cov, sigma):
    """E[x|y] for x ~ N(0, cov) and y = x + σ·noise; y is (B, D), one noisy point a row."""
    w = cov @ torch.linalg.inv(cov + sigma**2 * torch.eye(len(cov), dtype=cov.dtype))
    return y @ w.T
''',
    wrong=(
        Wrong(_IDENTITY, edit=("return y @ w.T", "return y")),
        Wrong(_SIGMA_NOT_SQUARED, edit=("sigma**2", "sigma")),
        Wrong(_IDENTITY, edit=(" + sigma**2 * torch.eye(len(cov), dtype=cov.dtype)", "")),
        Wrong("E[x|y] is the shrinkage", edit=("y @ w.T", "y @ torch.linalg.inv(w).T")),
        Wrong("Return one point", edit=("y @ w.T", "w @ y[0]")),
    ),
)

# --- 1.5 -------------------------------------------------------------------------------------------------

_ONE_PIXEL = (
    "Each output pixel depends on its own input pixel only: flatten the picture before the first Linear."
)
_AFFINE = "The whole network is one affine map, PCA at best: put a non-linearity between the layers."
_CODE_TOO_LONG = "The code has {n} numbers: squeeze the picture into at most 64."
_TOO_MANY = "There are {n} parameters: stay below one million."
_NOT_LEARNING = (
    "After a short training it is no better than the mean picture: check the output's range and the loss."
)


def _check_repair(make: Callable[[], tuple[nn.Module, nn.Module]]) -> None:
    with seeded(0):
        made = make()
        if not (isinstance(made, tuple) and len(made) == 2):
            raise NotYet("Return two modules: encoder, decoder.")
        encoder, decoder = made
        train, test = load("mnist").take(4096), load("mnist", split="test").take(512)
        x = train.take(4).x
        with torch.no_grad():
            z = encoder(x)
            code_size = z[0].numel()
            x_hat = decoder(z)
            expect(
                x_hat.shape == x.shape,
                f"The output has shape {tuple(x_hat.shape)}, the input {tuple(x.shape)}.",
            )
            poked = x.clone()
            poked[:, :, 14, 14] += 1
            elsewhere = (decoder(encoder(poked)) - x_hat).abs()
            elsewhere[:, :, 14, 14] = 0
            expect(elsewhere.max() > 1e-7, _ONE_PIXEL)
            expect(code_size <= 64, _CODE_TOO_LONG.format(n=code_size))
            middle, ends = decoder(encoder((x[:1] + x[1:2]) / 2)), (x_hat[:1] + x_hat[1:2]) / 2
            spread = (x_hat[0] - x_hat[1]).abs().max()
            expect((middle - ends).abs().max() > 1e-3 * spread, _AFFINE)
        parameters = [*encoder.parameters(), *decoder.parameters()]
        size = sum(p.numel() for p in parameters)
        expect(size < 1_000_000, _TOO_MANY.format(n=f"{size:,}"))
        optimizer = adam(parameters, 2e-3, (0.9, 0.999))
        for _ in range(3):
            for x, _y in train.batches(64):
                optimizer.zero_grad()
                squared_error(decoder(encoder(x)), x).backward()
                optimizer.step()
    error = reconstruction_error(lambda x: decoder(encoder(x)), test)
    mean = reconstruction_error(MeanPicture(train).reconstruct, test)
    expect(error < 0.8 * mean, _NOT_LEARNING)


_REPAIR_SOLUTION = '''
def make_autoencoder():
    """Encoder and decoder for pictures (B, 1, 28, 28), with a code of 32 numbers."""
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 32))
    decoder = nn.Sequential(
        nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28))
    )
    return encoder, decoder
'''

_REPAIR = Exercise(
    number="1.5",
    title="Repair the recipes",
    level=3,
    minutes=20,
    answer="make_autoencoder",
    check=_check_repair,
    stub='''
def make_autoencoder():
    """Encoder and decoder for pictures (B, 1, 28, 28), with a code of 32 numbers."""
    raise NotImplementedError
''',
    solution=_REPAIR_SOLUTION,
    wrong=(
        Wrong(
            _ONE_PIXEL,
            code="""
            def make_autoencoder():
                encoder = nn.Sequential(nn.Unflatten(3, (28, 1)), nn.Linear(1, 64), nn.ReLU(), nn.Linear(64, 32))
                decoder = nn.Sequential(
                    nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 1), nn.Sigmoid(), nn.Flatten(3)
                )
                return encoder, decoder
            """,
        ),
        Wrong(
            _AFFINE,
            code="""
            def make_autoencoder():
                encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.Linear(128, 32))
                decoder = nn.Sequential(
                    nn.Linear(32, 128), nn.Linear(128, 784), nn.Unflatten(1, (1, 28, 28))
                )
                return encoder, decoder
            """,
        ),
        Wrong("The code has 2090 numbers", edit=("32", "2090")),
        Wrong("There are 10,", edit=("128", "6400")),
        Wrong(_NOT_LEARNING, edit=("nn.Sigmoid()", "nn.Softmax(dim=1)")),
        Wrong("The output has shape", edit=(", nn.Unflatten(1, (1, 28, 28))", "")),
    ),
)

# --- 1.6 -------------------------------------------------------------------------------------------------

_TRAIN_SCORES = (
    "You raise too many false alarms: a model reconstructs what it was trained on better than anything else, so "
    "its training scores are too low to draw the line. Use the validation scores."
)
_TEST_SCORES = (
    "Your decision about one picture changes when the other test pictures change: the threshold was chosen on "
    "test data. Use the validation scores."
)


def _check_alarm(alarm: Callable[[Tensor, Tensor, Tensor, float], Tensor]) -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(n: int, shift: float) -> Tensor:
        return torch.randn(n, generator=generator) + shift

    train, validation, normal = draw(4000, 4.0), draw(4000, 5.0), draw(4000, 5.0)
    few, many = draw(40, 8.0), draw(8000, 8.0)
    first = torch.as_tensor(alarm(train, validation, torch.cat([normal, few]), 0.05))
    expect(
        first.dtype == torch.bool and first.shape == (4040,),
        "Return true or false for each test picture: a bool tensor as long as test_scores.",
    )
    second = torch.as_tensor(alarm(train, validation, torch.cat([normal, many]), 0.05))
    expect(torch.equal(first[:4000], second[:4000]), _TEST_SCORES)
    rate = first[:4000].float().mean().item()
    expect(rate < 0.1, _TRAIN_SCORES)
    expect(rate > 0.02, f"You asked for 5 % false alarms and get {100 * rate:.1f} %: check the quantile.")
    expect(first[4000:].float().mean() > 0.8, "The alarm misses most anomalies: a high score means strange.")


_ALARM = Exercise(
    number="1.6",
    title="Where to draw the line",
    level=2,
    minutes=15,
    answer="alarm",
    check=_check_alarm,
    stub='''
def alarm(train_scores, validation_scores, test_scores, false_alarms):
    """True for each test picture to be called an anomaly; train and validation pictures are all normal."""
    raise NotImplementedError
''',
    solution='''
def alarm(train_scores, validation_scores, test_scores, false_alarms):
    """True for each test picture to be called an anomaly; train and validation pictures are all normal."""
    return test_scores > torch.quantile(validation_scores, 1 - false_alarms)
''',
    wrong=(
        Wrong(_TRAIN_SCORES, edit=("torch.quantile(validation_scores", "torch.quantile(train_scores")),
        Wrong(_TEST_SCORES, edit=("torch.quantile(validation_scores", "torch.quantile(test_scores")),
        Wrong("You asked for 5 % false alarms", edit=("1 - false_alarms", "1 - false_alarms / 10")),
        Wrong(_TRAIN_SCORES, edit=("1 - false_alarms", "false_alarms")),
        Wrong("Return true or false", edit=("test_scores > ", "test_scores - ")),
    ),
)

# --- 1.7 -------------------------------------------------------------------------------------------------

_RECONSTRUCTIONS = (
    "You accept the identity map, which reconstructs perfectly and turns noise into noise. Decode draws from "
    "N(0, I) and compare those with the data."
)
_TOO_STRICT = "You reject a pair whose codes really are N(0, I): its decoded draws have the law of the data."


def _check_is_generative(judge: Callable[[Any, Any, Tensor], bool]) -> None:
    ring = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    ring = 3 * ring / ring.norm(dim=1, keepdim=True)
    expect(not judge(lambda x: x, lambda z: z, ring), _RECONSTRUCTIONS)
    a = torch.tensor([[2.0, 0.0], [1.0, 0.5]])
    cloud = torch.randn(2000, 2, generator=torch.Generator().manual_seed(1)) @ a.T
    expect(judge(lambda x: x @ torch.linalg.inv(a).T, lambda z: z @ a.T, cloud), _TOO_STRICT)


_GENERATIVE = Exercise(
    number="1.7",
    title="Can it sample?",
    level=3,
    minutes=20,
    answer="is_generative",
    check=_check_is_generative,
    stub='''
def is_generative(encode, decode, x):
    """Whether decoded draws from N(0, I) pass for data; x is (N, D). Use evaluation.two_sample_accuracy."""
    raise NotImplementedError
''',
    solution='''
def is_generative(encode, decode, x):
    """Whether decoded draws from N(0, I) pass for data; x is (N, D). Use evaluation.two_sample_accuracy."""
    z = torch.randn(encode(x).shape)
    return evaluation.two_sample_accuracy(decode(z), x) < 0.6
''',
    wrong=(
        Wrong(_RECONSTRUCTIONS, edit=("z = torch.randn(encode(x).shape)", "z = encode(x)")),
        Wrong(_RECONSTRUCTIONS, code="def is_generative(encode, decode, x):\n    return True"),
        Wrong(_TOO_STRICT, code="def is_generative(encode, decode, x):\n    return False"),
        Wrong(_TOO_STRICT, edit=("< 0.6", "< 0.4")),
    ),
)

EXERCISES = (_DISTANCE, _NLL, _FLOOR, _DENOISE, _REPAIR, _ALARM, _GENERATIVE)
