"""Exercises of chapter 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.data import load
from gencourse.evaluation import MeanPicture, reconstruction_error
from gencourse.exercises.engine import Exercise, Right, Wrong
from gencourse.exercises.numbers import agree, close, expect, number, parts, random, slopes
from gencourse.losses import squared_error
from gencourse.training import adam

__all__ = ["EXERCISES"]

# --- 1.1 -------------------------------------------------------------------------------------------------

_NOT_THE_WEIGHTS = (
    "The weights are not unique, eq. (1.10): compare W_d W_e with the projector, not the weights."
)
_CENTRE = "Principal components are those of centred data: subtract the mean of x first."
_TWO = "You compare with two directions whatever k is: it is the number of rows of w_e, len(w_e)."


def _check_distance_to_pca(distance: Callable[[Tensor, Tensor, Tensor], Any]) -> None:
    for n, d, k in ((400, 6, 2), (300, 5, 1), (200, 7, 4)):
        x = random(n, d) * (4 * 0.6 ** torch.arange(d))
        x = x @ torch.linalg.qr(random(d, d, seed=1)).Q
        centred = x - x.mean(0)
        directions = torch.linalg.svd(centred, full_matrices=False).Vh.T
        basis = directions[:, :k]
        mix = random(k, k, seed=2) + 3 * torch.eye(k)
        w_e, w_d = random(k, d, seed=3), random(d, k, seed=4)

        def measure(w_e: Tensor, w_d: Tensor, x: Tensor) -> Tensor:
            return number(distance(w_e, w_d, x))

        value, right = measure(w_e, w_d, centred), torch.linalg.norm(w_d @ w_e - basis @ basis.T)
        two = torch.linalg.norm(w_d @ w_e - directions[:, :2] @ directions[:, :2].T)
        correct = close(value, right)
        expect(correct or not close(value, two), _TWO)
        expect(
            close(measure(mix @ basis.T, basis @ torch.linalg.inv(mix), centred), 0.0, 1e-3), _NOT_THE_WEIGHTS
        )
        expect(close(measure(basis.T, basis, x + 10 * random(d, seed=5)), 0.0, 1e-3), _CENTRE)
        expect(correct, f"For random weights the distance is {right:.4f}: check the norm.")


_DISTANCE = Exercise(
    number="1.1",
    title="Has it found the principal components?",
    level=2,
    minutes=20,
    answer="distance_to_pca",
    hints=(
        "Two autoencoders with different weights can make the same reconstructions: what do they share?",
        "Compare the product W_d W_e with the projector on the principal directions; these come from centred data.",
        "u = torch.linalg.svd(centred, full_matrices=False).Vh[: len(w_e)].T",
    ),
    check=_check_distance_to_pca,
    stub='''
def distance_to_pca(w_e, w_d, x):
    """Frobenius norm of W_d W_e − U_k U_kᵀ; w_e is (k, D), w_d is (D, k), x holds one
    picture a row.
    """
    raise NotImplementedError
''',
    solution='''
def distance_to_pca(w_e, w_d, x):
    """Frobenius norm of W_d W_e − U_k U_kᵀ; w_e is (k, D), w_d is (D, k), x holds one
    picture a row.
    """
    centred = x - x.mean(0)
    u = torch.linalg.svd(centred, full_matrices=False).Vh[: len(w_e)].T
    return torch.linalg.norm(w_d @ w_e - u @ u.T)
''',
    wrong=(
        Wrong(_NOT_THE_WEIGHTS, edit=("w_d @ w_e - u @ u.T", "w_e - u.T")),
        Wrong(_CENTRE, edit=("x - x.mean(0)", "x")),
        Wrong("For random weights the distance is", edit=("@ u.T)", "@ u.T) ** 2")),
        Wrong("For random weights the distance is", edit=("@ u.T)", "@ u.T, ord=2)")),
        Wrong(_TWO, edit=("[: len(w_e)]", "[:2]")),
    ),
    also_right=(
        Right(
            code="""
            def distance_to_pca(w_e, w_d, x):
                vectors = torch.linalg.eigh(torch.cov(x.T)).eigenvectors.flip(1)[:, : w_d.shape[1]]
                return (w_d @ w_e - vectors @ vectors.T).square().sum().sqrt().item()
            """
        ),
        Right(
            code="""
            def distance_to_pca(w_e, w_d, x):
                from sklearn.decomposition import PCA

                u = torch.as_tensor(PCA(len(w_e)).fit(x.numpy()).components_)
                return (w_d @ w_e - u.T @ u).norm()
            """
        ),
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
_SIGMA_IS_STUCK = (
    "The value is right, but its gradient does not reach σ as it should, so σ cannot be learned: keep log_sigma a "
    "tensor all the way (torch.exp, not math.exp or .item())."
)
_PICTURE_IS_STUCK = "The value is right, but its gradient does not reach x̂ as it should: do not detach it."


def _check_gaussian_nll(nll: Callable[[Tensor, Tensor, Tensor], Any]) -> None:
    for shape, log_sigma in (((3, 1, 4, 5), -0.7), ((4, 7), 0.4), ((2, 3, 2, 6), 0.9)):
        x, x_hat = random(*shape), random(*shape, seed=1).requires_grad_()
        squared, d = ((x - x_hat) ** 2).sum() / len(x), math.prod(shape[1:])
        s = torch.tensor(log_sigma, requires_grad=True)
        right = -torch.distributions.Normal(x_hat, s.exp()).log_prob(x).sum() / len(x)
        found = torch.as_tensor(nll(x_hat, x, s))
        value = number(found, f"Return one number; yours has shape {tuple(found.shape)}.")
        agree(
            value,
            right,
            f"At log σ = {log_sigma} it should be {right:.4f}; yours is {float(value.detach()):.4f}.",
            (right / d, _PIXEL_MEAN),
            (right - d * s, _NO_LOG_SIGMA),
            (right + squared / (2 * torch.exp(2 * s)), _NO_HALF),
        )
        expect(close(slopes(value, s)[0], slopes(right, s)[0]), _SIGMA_IS_STUCK)
        expect(close(slopes(value, x_hat)[0], slopes(right, x_hat)[0]), _PICTURE_IS_STUCK)


_NLL = Exercise(
    number="1.2",
    title="Squared error as a likelihood",
    level=2,
    minutes=15,
    answer="gaussian_nll",
    hints=(
        "What does the normaliser of a Gaussian contribute when σ is not fixed?",
        "Write the minus log-density of one pixel with all three terms, then sum over pixels.",
        "per_pixel = squared + log_sigma + math.log(2 * math.pi) / 2",
    ),
    check=_check_gaussian_nll,
    stub='''
def gaussian_nll(x_hat, x, log_sigma):
    """−log N(x; x_hat, σ²I): sum over pixels, mean over the batch; x is (B, ...)."""
    raise NotImplementedError
''',
    solution='''
def gaussian_nll(x_hat, x, log_sigma):
    """−log N(x; x_hat, σ²I): sum over pixels, mean over the batch; x is (B, ...)."""
    squared = (x - x_hat) ** 2 / (2 * torch.exp(2 * log_sigma))
    per_pixel = squared + log_sigma + math.log(2 * math.pi) / 2
    return per_pixel.sum() / len(x)
''',
    wrong=(
        Wrong(_NO_LOG_SIGMA, edit=(" + log_sigma", "")),
        Wrong(_PIXEL_MEAN, edit=("per_pixel.sum() / len(x)", "per_pixel.mean()")),
        Wrong(_NO_HALF, edit=("(2 * torch.exp(2 * log_sigma))", "torch.exp(2 * log_sigma)")),
        Wrong("At log σ", edit=(" + math.log(2 * math.pi) / 2", "")),
        Wrong("Return one number", edit=("per_pixel.sum()", "per_pixel.flatten(1).sum(1)")),
        Wrong(_SIGMA_IS_STUCK, edit=("torch.exp(2 * log_sigma)", "math.exp(2 * log_sigma)")),
        Wrong(
            _SIGMA_IS_STUCK,
            code="""
            def gaussian_nll(x_hat, x, log_sigma):
                log_sigma = log_sigma.item()
                squared = (x - x_hat) ** 2 / (2 * math.exp(2 * log_sigma))
                return (squared + log_sigma + math.log(2 * math.pi) / 2).sum() / len(x)
            """,
        ),
        Wrong(_PICTURE_IS_STUCK, edit=("(x - x_hat) ** 2", "(x - x_hat.detach()) ** 2")),
        Wrong("At log σ", edit=("per_pixel.sum() / len(x)", "per_pixel.sum() / 3")),
    ),
    also_right=(
        Right(
            code="""
            def gaussian_nll(x_hat, x, log_sigma):
                return -torch.distributions.Normal(x_hat, log_sigma.exp()).log_prob(x).flatten(1).sum(1).mean()
            """
        ),
        Right(
            code="""
            def gaussian_nll(x_hat, x, log_sigma):
                d = x[0].numel()
                squared = (x - x_hat).square().flatten(1).sum(1).mean()
                return squared / (2 * torch.exp(log_sigma) ** 2) + d * (log_sigma.reshape(1) + 0.9189385332)
            """
        ),
    ),
)

# --- 1.3 -------------------------------------------------------------------------------------------------

_NOT_ZERO = "Zero is reached only for black and white pixels. Put x̂ = x into eq. (1.5) for a grey one."
_BITS = "That is the entropy in bits: use the natural logarithm, the course counts in nats."
_ONE_SIDE = "The cross-entropy has two terms, −x log x̂ and −(1 − x) log(1 − x̂): you have one of them."
_ENDS = "At x = 0 and x = 1 the floor is 0, and 0 · log 0 counts as 0: torch.xlogy knows that."


def _check_floor(floor: Callable[[Tensor], Any]) -> None:
    grey = torch.tensor([0.1, 0.3, 0.5, 0.8, 0.02, 0.97])
    for t in (grey, torch.rand(2, 1, 3, 5) * 0.98 + 0.01):
        value = torch.as_tensor(floor(t))
        nats = -(t * t.log() + (1 - t) * (1 - t).log())
        expect(value.shape == t.shape, f"Return one floor for each pixel, shape {tuple(t.shape)}.")
        level, wanted, yours = (v.flatten()[1].item() for v in (t, nats, value))
        agree(
            value,
            nats,
            f"At x = {level:.2g} the floor is {wanted:.4f} nats; yours is {yours:.4f}.",
            (torch.zeros_like(t), _NOT_ZERO),
            (nats / math.log(2), _BITS),
            (-t * t.log(), _ONE_SIDE),
            (-(1 - t) * (1 - t).log(), _ONE_SIDE),
        )
    expect(close(floor(torch.tensor([0.0, 1.0, 0.0])), torch.zeros(3)), _ENDS)


_FLOOR = Exercise(
    number="1.3",
    title="How low can cross-entropy go?",
    level=1,
    minutes=10,
    answer="floor",
    hints=(
        "Which prediction makes the cross-entropy of a grey pixel least, and is it zero there?",
        "Put the pixel itself in for the prediction. At 0 and 1, 0 · log 0 counts as 0.",
        "return -(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x))",
    ),
    check=_check_floor,
    stub='''
def floor(x):
    """Least cross-entropy of each pixel of x, in nats, over all predictions; same shape
    as x.
    """
    raise NotImplementedError
''',
    solution='''
def floor(x):
    """Least cross-entropy of each pixel of x, in nats, over all predictions; same shape
    as x.
    """
    return -(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x))
''',
    wrong=(
        Wrong(_NOT_ZERO, edit=("-(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x))", "torch.zeros_like(x)")),
        Wrong(_BITS, edit=("1 - x))", "1 - x)) / math.log(2)")),
        Wrong(_ONE_SIDE, edit=(" + torch.xlogy(1 - x, 1 - x)", "")),
        Wrong(_ENDS, code="def floor(x):\n    return -(x * x.log() + (1 - x) * (1 - x).log())"),
        Wrong("At x = 0.3", edit=("return -", "return ")),
        Wrong("Return one floor for each pixel", edit=("1 - x))", "1 - x)).mean()")),
    ),
    also_right=(
        Right(code="def floor(x):\n    return nn.functional.binary_cross_entropy(x, x, reduction='none')"),
        Right(code="def floor(x):\n    return torch.distributions.Bernoulli(probs=x).entropy()"),
        Right(code="def floor(x):\n    return torch.special.entr(x) + torch.special.entr(1 - x)"),
        Right(
            code="""
            def floor(x):
                x = x.clamp(1e-7, 1 - 1e-7)
                return -(x * x.log() + (1 - x) * torch.log1p(-x))
            """
        ),
    ),
)

# --- 1.4 -------------------------------------------------------------------------------------------------

_IDENTITY = "You return the noisy point itself. That is what a denoiser learns when its target is noisy, too."
_SIGMA_NOT_SQUARED = "The noise has variance σ², so it is σ², not σ, that adds to the covariance."


def _check_denoise(denoise: Callable[[Tensor, Tensor, float], Any]) -> None:
    for n, d, sigma in ((5, 2, 0.8), (4, 3, 1.7), (7, 4, 0.3)):
        root = random(d, d, seed=1)
        cov, eye = root @ root.T + 0.2 * torch.eye(d), torch.eye(d)
        y = random(n, d)
        value = torch.as_tensor(denoise(y, cov, sigma))
        expect(value.shape == y.shape, f"Return one point for each row of y, shape {tuple(y.shape)}.")
        noisy = cov + sigma**2 * eye
        agree(
            value,
            y @ torch.linalg.inv(noisy) @ cov,
            "E[x|y] is the shrinkage Σ(Σ + σ²I)⁻¹ y, eq. (1.12), applied to every row.",
            (y, _IDENTITY),
            (y @ torch.linalg.inv(cov + sigma * eye) @ cov, _SIGMA_NOT_SQUARED),
            tolerance=1e-3,
        )
        score = (value - y) / sigma**2
        expect(
            close(score, -y @ torch.linalg.inv(noisy), 1e-2),
            "Tweedie, eq. (1.13), does not hold for your answer.",
        )


_DENOISE = Exercise(
    number="1.4",
    title="The best denoiser of a Gaussian",
    level=3,
    minutes=20,
    answer="denoise",
    hints=(
        "In which directions should a noisy point be trusted, in those of large or of small variance?",
        "For jointly Gaussian x and y the mean is linear in y: multiply by Cov(x, y) Cov(y)⁻¹.",
        "w = cov @ torch.linalg.inv(cov + sigma**2 * torch.eye(len(cov), dtype=cov.dtype))",
    ),
    check=_check_denoise,
    stub='''
def denoise(y, cov, sigma):
    """E[x|y] for x ~ N(0, cov) and y = x + σ·noise; y is (B, D), one noisy point a row.
    """
    raise NotImplementedError
''',
    solution='''
def denoise(y, cov, sigma):
    """E[x|y] for x ~ N(0, cov) and y = x + σ·noise; y is (B, D), one noisy point a row.
    """
    w = cov @ torch.linalg.inv(cov + sigma**2 * torch.eye(len(cov), dtype=cov.dtype))
    return y @ w.T
''',
    wrong=(
        Wrong(_IDENTITY, edit=("return y @ w.T", "return y")),
        Wrong(_SIGMA_NOT_SQUARED, edit=("sigma**2", "sigma")),
        Wrong(_IDENTITY, edit=(" + sigma**2 * torch.eye(len(cov), dtype=cov.dtype)", "")),
        Wrong("E[x|y] is the shrinkage", edit=("y @ w.T", "y @ torch.linalg.inv(w).T")),
        Wrong("Return one point", edit=("y @ w.T", "w @ y[0]")),
        Wrong(
            "E[x|y] is the shrinkage",
            code="""
            def denoise(y, cov, sigma):
                return y * cov.diagonal() / (cov.diagonal() + sigma**2)
            """,
        ),
    ),
    also_right=(
        Right(edit=("torch.eye(len(cov), dtype=cov.dtype)", "torch.eye(y.shape[1])")),
        Right(
            code="""
            def denoise(y, cov, sigma):
                return torch.linalg.solve(cov + sigma**2 * torch.eye(len(cov)), cov @ y.T, left=True).T
            """
        ),
        Right(
            code="""
            def denoise(y, cov, sigma):
                noisy = cov + sigma**2 * torch.eye(len(cov))
                return y - sigma**2 * torch.linalg.solve(noisy, y.T).T
            """
        ),
    ),
)

# --- 1.5 -------------------------------------------------------------------------------------------------

_ONE_PIXEL = (
    "Each output pixel depends on its own input pixel only: flatten the picture before the first Linear."
)
_AFFINE = (
    "The whole network is one affine map, PCA at best, but for what stands behind its last layer: put a "
    "non-linearity between the layers."
)
_CODE_SIZE = "The code of a picture has {n} numbers: the exercise asks for 32."
_TOO_MANY = "There are {n} parameters: stay below one million."
_NOT_LEARNING = (
    "After a short training it is no better than the mean picture: check the output's range and the loss."
)


def _check_repair(make: Callable[[], Any]) -> None:
    encoder, decoder = parts(make(), 2, "Return two modules: encoder, decoder.")
    modules = isinstance(encoder, nn.Module) and isinstance(decoder, nn.Module)
    expect(modules, "Return two modules: encoder, decoder.")
    train, test = load("mnist").take(4096), load("mnist", split="test").take(512)
    for module in (encoder, decoder):
        module.eval()
    x = train.take(4).x
    with torch.no_grad():
        z = encoder(x)
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
        expect(z[0].numel() == 32, _CODE_SIZE.format(n=z[0].numel()))
    expect(not _is_affine(lambda x: decoder(encoder(x)), train.take(8).x), _AFFINE)
    parameters = list({id(p): p for p in (*encoder.parameters(), *decoder.parameters())}.values())
    size = sum(p.numel() for p in parameters)
    expect(size < 1_000_000, _TOO_MANY.format(n=f"{size:,}"))
    for module in (encoder, decoder):
        module.train()
    optimizer = adam(parameters, 2e-3, (0.9, 0.999))
    for _ in range(3):
        for x, _y in train.batches(64, generator=torch.Generator().manual_seed(torch.initial_seed())):
            optimizer.zero_grad()
            squared_error(decoder(encoder(x)), x).backward()
            optimizer.step()
    for module in (encoder, decoder):
        module.eval()
    error = reconstruction_error(lambda x: decoder(encoder(x)), test)
    mean = reconstruction_error(MeanPicture(train).reconstruct, test)
    expect(error < 0.8 * mean, _NOT_LEARNING)


def _is_affine(network: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    """Whether each output pixel depends on the picture along one and the same direction, as behind one affine map.

    That does not change when a function is applied to each output by itself, a sigmoid for example.
    """
    x = x.clone().requires_grad_()
    out = network(x).flatten(1)
    pixels = out.shape[1] // 2 + torch.arange(-60, 60, 8)
    for pixel in pixels:
        (slope,) = slopes(out[:, pixel].sum(), x)
        slope = slope.flatten(1)
        slope = slope[slope.norm(dim=1) > 1e-12]
        if len(slope) > 1:
            unit = slope / slope.norm(dim=1, keepdim=True)
            if (unit @ unit[0]).abs().min() < 0.999:
                return False
    return True


_REPAIR_SOLUTION = '''
def make_autoencoder():
    """Encoder and decoder for pictures (B, 1, 28, 28), with a code of 32 numbers."""
    encoder = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 32)
    )
    pixels = nn.Linear(128, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28))
    decoder = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), *pixels)
    return encoder, decoder
'''

_REPAIR = Exercise(
    number="1.5",
    title="Repair the recipes",
    level=3,
    minutes=20,
    answer="make_autoencoder",
    hints=(
        "What can two linear layers in a row do that one cannot?",
        "Flatten, go through a hidden layer with a non-linearity, come back the same way, end between 0 and 1.",
        "pixels = nn.Linear(128, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28))",
    ),
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
        Wrong(
            _AFFINE,
            code="""
            def make_autoencoder():
                encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 32))
                decoder = nn.Sequential(nn.Linear(32, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28)))
                return encoder, decoder
            """,
        ),
        Wrong(_CODE_SIZE.format(n=2090), edit=("32", "2090")),
        Wrong(_CODE_SIZE.format(n=64), edit=("32", "64")),
        Wrong("There are 10,", edit=("128", "6400")),
        Wrong(_NOT_LEARNING, edit=("nn.Sigmoid()", "nn.Softmax(dim=1)")),
        Wrong("The output has shape", edit=(", nn.Unflatten(1, (1, 28, 28))", "")),
        Wrong("Return two modules", edit=("return encoder, decoder", "return encoder")),
    ),
    also_right=(
        Right(edit=("return encoder, decoder", "return [encoder, decoder]")),
        Right(edit=("nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 32)", "nn.Linear(784, 32)")),
        Right(
            code="""
            def make_autoencoder():
                encoder = nn.Sequential(
                    nn.Conv2d(1, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(),
                    nn.Flatten(), nn.Linear(1568, 32),
                )
                decoder = nn.Sequential(
                    nn.Linear(32, 1568), nn.ReLU(), nn.Unflatten(1, (32, 7, 7)),
                    nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 1, 4, 2, 1),
                )
                return encoder, decoder
            """
        ),
    ),
    seconds=180,
)

# --- 1.6 -------------------------------------------------------------------------------------------------

_TRAIN_SCORES = (
    "Your decisions change when the training scores change. A model reconstructs what it was trained on better than "
    "anything else, so those scores are too low to draw the line: use the validation scores alone."
)
_TEST_SCORES = (
    "Your decision about one picture changes when the other test pictures change: the threshold was chosen on "
    "test data. Use the validation scores."
)
_FIXED_RATE = (
    "Your share of false alarms is the same whatever false_alarms says: draw the line where it asks."
)


def _check_alarm(alarm: Callable[[Tensor, Tensor, Tensor, float], Any]) -> None:
    def draw(n: int, seed: int, shift: float = 0.0) -> Tensor:
        return random(n, seed=seed).square() + shift  # skew, as scores are

    train, validation, normal = draw(3000, 1) / 2, draw(4000, 2), draw(5000, 3)
    few, many = draw(40, 4, shift=20.0), draw(8000, 5, shift=20.0)
    found: list[float] = []
    for asked in (0.05, 0.2, 0.01):
        first = torch.as_tensor(alarm(train, validation, torch.cat([normal, few]), asked))
        expect(
            first.dtype == torch.bool and first.shape == (5040,),
            "Return true or false for each test picture: a bool tensor as long as test_scores.",
        )
        second = torch.as_tensor(alarm(train, validation, torch.cat([normal, many]), asked))
        expect(torch.equal(first[:5000], second[:5000]), _TEST_SCORES)
        third = torch.as_tensor(alarm(3 + train, validation, torch.cat([normal, few]), asked))
        expect(torch.equal(first, third), _TRAIN_SCORES)
        found.append(first[:5000].double().mean().item())
        expect(len(found) == 1 or abs(found[-1] - found[0]) > 0.005, _FIXED_RATE)
        spread = (asked * (1 - asked) * (1 / 4000 + 1 / 5000)) ** 0.5
        expect(
            abs(found[-1] - asked) < 5 * spread,
            f"You asked for {100 * asked:g} % false alarms and get {100 * found[-1]:.1f} %: check the quantile.",
        )
        caught = first[5000:].double().mean()
        expect(caught > 0.8, "The alarm misses most anomalies: a high score means strange.")


_ALARM = Exercise(
    number="1.6",
    title="Where to draw the line",
    level=2,
    minutes=15,
    answer="alarm",
    hints=(
        "On which pictures is an autoencoder's error too small to set a threshold with?",
        "Set the threshold where the wanted share of held-out normal scores lies above it.",
        "return test_scores > torch.quantile(validation_scores, 1 - false_alarms)",
    ),
    check=_check_alarm,
    stub='''
def alarm(train_scores, validation_scores, test_scores, false_alarms):
    """True for each test picture to be called an anomaly; train and validation pictures
    are all normal.
    """
    raise NotImplementedError
''',
    solution='''
def alarm(train_scores, validation_scores, test_scores, false_alarms):
    """True for each test picture to be called an anomaly; train and validation pictures
    are all normal.
    """
    return test_scores > torch.quantile(validation_scores, 1 - false_alarms)
''',
    wrong=(
        Wrong(_TRAIN_SCORES, edit=("torch.quantile(validation_scores", "torch.quantile(train_scores")),
        Wrong(_TEST_SCORES, edit=("torch.quantile(validation_scores", "torch.quantile(test_scores")),
        Wrong("You asked for 5 % false alarms", edit=("1 - false_alarms", "1 - false_alarms / 10")),
        Wrong(
            _TRAIN_SCORES,
            edit=("validation_scores, 1 -", "torch.cat([train_scores, validation_scores]), 1 -"),
        ),
        Wrong(_FIXED_RATE, edit=("1 - false_alarms", "0.95")),
        Wrong("You asked for 5 % false alarms and get 9", edit=("1 - false_alarms", "false_alarms")),
        Wrong(
            "You asked for",
            edit=(
                "torch.quantile(validation_scores, 1 - false_alarms)",
                "validation_scores.mean() + validation_scores.std() "
                "* torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor(1 - false_alarms))",
            ),
        ),
        Wrong(
            "The alarm misses most anomalies",
            edit=("> torch.quantile(validation_scores, 1 - ", "< torch.quantile(validation_scores, "),
        ),
        Wrong("Return true or false", edit=("test_scores > ", "test_scores - ")),
    ),
    also_right=(
        Right(edit=("test_scores >", "test_scores >=")),
        Right(
            code="""
            def alarm(train_scores, validation_scores, test_scores, false_alarms):
                line = validation_scores.sort().values[round((1 - false_alarms) * len(validation_scores)) - 1]
                return [bool(score > line) for score in test_scores]
            """
        ),
        Right(
            code="""
            def alarm(train_scores, validation_scores, test_scores, false_alarms):
                below = torch.searchsorted(validation_scores.sort().values, test_scores)
                return 1 - below / len(validation_scores) <= false_alarms
            """
        ),
    ),
)

# --- 1.7 -------------------------------------------------------------------------------------------------

_RECONSTRUCTIONS = (
    "You accept the identity map, which reconstructs perfectly and turns noise into noise. Decode draws from "
    "N(0, I) and compare those with the data."
)
_TOO_STRICT = "You reject a pair whose decoded draws from N(0, I) really have the law of the data."
_CODES = (
    "You look at the codes. Here they are N(0, I) and the decoder draws something else all the same: decode draws "
    "and compare those with x."
)
_LINE = "You accept draws that a two-sample test tells from data three times in four: draw the line at 0.6."


def _check_is_generative(judge: Callable[[Any, Any, Tensor], Any]) -> None:
    ring = random(1000, 2)
    ring = 3 * ring / ring.norm(dim=1, keepdim=True)
    expect(not judge(lambda x: x, lambda z: z, ring), _RECONSTRUCTIONS)
    # codes of 2 numbers, data of 3
    a = torch.tensor([[2.0, 0.0], [1.0, 0.5], [0.3, -1.0]])
    cloud = random(1000, 2, seed=1) @ a.T

    def encode(x: Tensor) -> Tensor:
        return x @ torch.linalg.pinv(a).T

    expect(judge(encode, lambda z: z @ a.T, cloud), _TOO_STRICT)
    expect(not judge(encode, lambda z: 2 * z.abs() @ a.T, cloud), _CODES)
    expect(judge(lambda x: 5 + 3 * encode(x), lambda z: z @ a.T, cloud), _TOO_STRICT)
    expect(not judge(encode, lambda z: (z + 0.9) @ a.T, cloud), _LINE)


_GENERATIVE = Exercise(
    number="1.7",
    title="Can it sample?",
    level=3,
    minutes=20,
    answer="is_generative",
    hints=(
        "Where did the decoder ever see a code, and does noise fall there?",
        "Decode noise of the codes' shape and ask how well a judge tells it from data.",
        "z = torch.randn(encode(x).shape)",
    ),
    check=_check_is_generative,
    stub='''
def is_generative(encode, decode, x):
    """Whether decoded draws from N(0, I) pass for data; x is (N, D). Use
    evaluation.two_sample_accuracy.
    """
    raise NotImplementedError
''',
    solution='''
def is_generative(encode, decode, x):
    """Whether decoded draws from N(0, I) pass for data; x is (N, D). Use
    evaluation.two_sample_accuracy.
    """
    z = torch.randn(encode(x).shape)
    return evaluation.two_sample_accuracy(decode(z), x) < 0.6
''',
    wrong=(
        Wrong(_RECONSTRUCTIONS, edit=("z = torch.randn(encode(x).shape)", "z = encode(x)")),
        Wrong(_RECONSTRUCTIONS, code="def is_generative(encode, decode, x):\n    return True"),
        Wrong(_TOO_STRICT, code="def is_generative(encode, decode, x):\n    return False"),
        Wrong(_TOO_STRICT, edit=("< 0.6", "< 0.4")),
        Wrong(
            _CODES,
            edit=(
                "z = torch.randn(encode(x).shape)\n    return",
                "z = torch.randn(encode(x).shape)\n    x = decode(encode(x))\n    return",
            ),
        ),
        Wrong(
            _CODES,
            code="""
            def is_generative(encode, decode, x):
                z = encode(x)
                return evaluation.two_sample_accuracy(z, torch.randn(z.shape)) < 0.6
            """,
        ),
        Wrong(_LINE, edit=("< 0.6", "< 0.8")),
    ),
    also_right=(
        Right(edit=("decode(z), x", "x, decode(z)")),
        Right(edit=("torch.randn(encode(x).shape)", "torch.randn_like(encode(x))")),
        Right(
            code="""
            def is_generative(encode, decode, x):
                z = torch.randn(500, encode(x[:1]).shape[1])
                return bool(evaluation.two_sample_accuracy(decode(z), x[:500]) <= 0.6)
            """
        ),
    ),
)

EXERCISES = (_DISTANCE, _NLL, _FLOOR, _DENOISE, _REPAIR, _ALARM, _GENERATIVE)
