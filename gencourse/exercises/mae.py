"""Exercises of chapter 5."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.exercises.engine import Exercise, Right, Wrong
from gencourse.exercises.numbers import NotYet, close, expect, number, parts, random, slopes
from gencourse.losses import normalise_patches
from gencourse.networks import patchify
from gencourse.training import seeded

__all__ = ["EXERCISES"]

# --- 5.1 -------------------------------------------------------------------------------------------------

_SCRAMBLED = (
    "The shape is right, but your patches hold pixels from all over the picture: reshape alone cannot cut squares. "
    "Split H and W, permute, then merge."
)
_COLUMNS_FIRST = "Your patches are squares, but numbered column after column: go row after row, eq. (5.4)."
_CHANNELS_FIRST = (
    "Your patches are right, but within a patch the channels come first: eq. (5.4) has them last."
)
_TURNED = "Within a patch you have columns before rows: the squares are mirrored along their diagonal."


def _check_patches(cut: Callable[[Tensor, int], Tensor]) -> None:
    x = random(2, 3, 8, 12)
    found = cut(x, 4)
    expect(
        isinstance(found, Tensor) and found.shape == (2, 6, 48),
        "For pictures (2, 3, 8, 12) and size 4 return shape (2, 6, 48): six patches of 4·4·3 numbers.",
    )
    right = patchify(x, 4)
    squares = right.unflatten(2, (4, 4, 3))
    expect(not close(found, squares.permute(0, 1, 4, 2, 3).flatten(2)), _CHANNELS_FIRST)
    expect(not close(found, squares.transpose(2, 3).flatten(2)), _TURNED)
    expect(not close(found, right.unflatten(1, (2, 3)).transpose(1, 2).flatten(1, 2)), _COLUMNS_FIRST)
    expect(close(found, right), _SCRAMBLED)


_PATCHES = Exercise(
    number="5.1",
    title="Cut a picture into patches",
    level=2,
    minutes=15,
    answer="patches_of",
    check=_check_patches,
    stub='''
def patches_of(images, size):
    """Pictures (B, C, H, W) to patches (B, N, size·size·C), row after row; in a patch rows, columns, channels."""
    raise NotImplementedError
''',
    solution='''
def patches_of(images, size):
    """Pictures (B, C, H, W) to patches (B, N, size·size·C), row after row; in a patch rows, columns, channels."""
    B, C, H, W = images.shape
    cut = images.reshape(B, C, H // size, size, W // size, size)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(B, -1, size * size * C)
''',
    wrong=(
        Wrong(_SCRAMBLED, edit=("cut.permute(0, 2, 4, 3, 5, 1)", "cut")),
        Wrong(_CHANNELS_FIRST, edit=("(0, 2, 4, 3, 5, 1)", "(0, 2, 4, 1, 3, 5)")),
        Wrong(_COLUMNS_FIRST, edit=("(0, 2, 4, 3, 5, 1)", "(0, 4, 2, 3, 5, 1)")),
        Wrong(_TURNED, edit=("(0, 2, 4, 3, 5, 1)", "(0, 2, 4, 5, 3, 1)")),
        Wrong("For pictures (2, 3, 8, 12)", edit=("size * size * C)", "C, size * size)")),
    ),
)

# --- 5.2 -------------------------------------------------------------------------------------------------

_CUT_OFF = "int() cuts off: (1 − 0.9)·10 is 0.99… in floating point, so you keep nothing. Use round."
_ONE_FOR_ALL = "All pictures of the batch get the same mask: draw one row of random numbers for each."
_COIN = "The number of hidden patches varies: you toss a coin for each. Sort random numbers instead and cut."
_REPEATS = "Some patch is drawn twice, so too few are hidden: draw without replacement."
_NOT_UNIFORM = "Some patches are hidden more often than others: every subset must be equally likely."
_TURNED_ROUND = "Your mask marks the patches that are kept: 1 is for the removed ones."


def _check_masking(mask_of: Callable[[int, int, float], Tensor]) -> None:
    def draw(batch: int, count: int, ratio: float) -> Tensor:
        made = torch.as_tensor(mask_of(batch, count, ratio))
        expect(made.shape == (batch, count), f"Return a mask of shape {(batch, count)}.")
        expect(bool(((made == 0) | (made == 1)).all()), "Return a mask of zeros and ones.")
        return made.double()

    with seeded(0):
        made = draw(4000, 16, 0.75)
        number = made.sum(1)
        expect(not (number == 4).all(), _TURNED_ROUND)
        if not (number == number[0]).all():
            expect(number.max() <= 12, _COIN)
            raise NotYet(_REPEATS)
        expect(
            number[0] == 12, f"Of 16 patches 12 are to be hidden at ratio 0.75; you hide {int(number[0])}."
        )
        expect(not (made == made[0]).all(), _ONE_FOR_ALL)
        share = made.mean(0)
        pair = (made[:, :-1] * made[:, 1:]).mean(0)  # (12/16)·(11/15) for any two
        even = (share - 0.75).abs().max() < 0.04 and (pair - 0.55).abs().max() < 0.04
        expect(even, _NOT_UNIFORM)
        expect(draw(3, 10, 0.9).sum() == 27, _CUT_OFF)
        expect(draw(3, 100, 0.9).sum() == 270, _CUT_OFF)


_MASKING = Exercise(
    number="5.2",
    title="Hide exactly so many",
    level=2,
    minutes=15,
    answer="mask_of",
    check=_check_masking,
    stub='''
def mask_of(batch, count, ratio):
    """Random masks (batch, count): 1 where a patch is removed, 0 where it is kept; round((1 − ratio)·count) kept."""
    raise NotImplementedError
''',
    solution='''
def mask_of(batch, count, ratio):
    """Random masks (batch, count): 1 where a patch is removed, 0 where it is kept; round((1 − ratio)·count) kept."""
    kept = round((1 - ratio) * count)
    rank = torch.rand(batch, count).argsort(1).argsort(1)
    return (rank >= kept).float()
''',
    wrong=(
        Wrong(_CUT_OFF, edit=("round((1 - ratio) * count)", "int((1 - ratio) * count)")),
        Wrong(_ONE_FOR_ALL, edit=("torch.rand(batch, count)", "torch.rand(1, count).expand(batch, -1)")),
        Wrong(
            _COIN,
            code="""
            def mask_of(batch, count, ratio):
                return (torch.rand(batch, count) < ratio).float()
            """,
        ),
        Wrong(
            _REPEATS,
            code="""
            def mask_of(batch, count, ratio):
                hidden = torch.randint(count, (batch, count - round((1 - ratio) * count)))
                return torch.zeros(batch, count).scatter(1, hidden, 1.0)
            """,
        ),
        Wrong(
            _NOT_UNIFORM,
            code="""
            def mask_of(batch, count, ratio):
                kept = round((1 - ratio) * count)
                start = torch.randint(count, (batch, 1))
                return (((torch.arange(count) - start) % count) >= kept).float()
            """,
        ),
        Wrong(_TURNED_ROUND, edit=("rank >= kept", "rank < kept")),
        Wrong("Return a mask of shape", edit=("(rank >= kept).float()", "rank[:, kept:]")),
    ),
)

# --- 5.3 -------------------------------------------------------------------------------------------------

_WRONG_WAY = (
    "Your tokens are not back in their places: you gathered with the shuffling order itself. Its inverse is "
    "order.argsort(1)."
)
_NOT_SORTED = "You put the mask tokens behind the visible ones and left them there: gather them into place."
_NO_POSITIONS = (
    "Your mask tokens have no positions, so hidden places cannot be told apart: add them *after* restoring."
)
_POSITIONS_SHUFFLED = (
    "You added positions before restoring the order: a token then carries another place's position."
)


def _check_unshuffle(decoder_input: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> None:
    tokens, mask_token, positions = random(3, 7, 4), random(4, seed=1), random(7, 4, seed=2)
    order = random(3, 7, seed=3).argsort(1)  # none of them its own inverse
    restore = order.argsort(1)

    def take(what: Tensor, index: Tensor) -> Tensor:
        return what.gather(1, index[:, :, None].expand(-1, -1, 4))

    visible = take(tokens, order[:, :3])
    found = decoder_input(visible, mask_token, order, positions)
    expect(
        isinstance(found, Tensor) and found.shape == (3, 7, 4), "Return one token a place: shape (3, 7, 4)."
    )
    packed = torch.cat([visible, mask_token.expand(3, 4, 4)], dim=1)
    whole = take(packed, restore)
    hidden = (restore >= 3)[:, :, None]
    expect(not close(found, whole + torch.where(hidden, 0.0, 1.0) * positions), _NO_POSITIONS)
    expect(not close(found, whole), _NO_POSITIONS)
    expect(not close(found, packed + positions), _NOT_SORTED)
    expect(not close(found, take(packed + positions, restore)), _POSITIONS_SHUFFLED)
    expect(not close(found, take(packed, order) + positions), _WRONG_WAY)
    expect(close(found, whole + positions), "Some token is not in its place, or a position is missing.")


_UNSHUFFLE = Exercise(
    number="5.3",
    title="Every token back in its place",
    level=3,
    minutes=20,
    answer="decoder_input",
    check=_check_unshuffle,
    stub='''
def decoder_input(visible, mask_token, order, positions):
    """What the decoder starts from, (B, N, D): tokens in their places, mask tokens elsewhere, plus positions.

    visible (B, K, D) are the tokens of the places order[:, :K]; mask_token (D,); positions (N, D).
    """
    raise NotImplementedError
''',
    solution='''
def decoder_input(visible, mask_token, order, positions):
    """What the decoder starts from, (B, N, D): tokens in their places, mask tokens elsewhere, plus positions.

    visible (B, K, D) are the tokens of the places order[:, :K]; mask_token (D,); positions (N, D).
    """
    B, K, D = visible.shape
    packed = torch.cat([visible, mask_token.expand(B, order.shape[1] - K, D)], dim=1)
    restore = order.argsort(1)
    whole = packed.gather(1, restore[:, :, None].expand(-1, -1, D))
    return whole + positions
''',
    wrong=(
        Wrong(_WRONG_WAY, edit=("restore = order.argsort(1)", "restore = order")),
        Wrong(_NO_POSITIONS, edit=("whole + positions", "whole")),
        Wrong(
            _NO_POSITIONS,
            edit=(
                "return whole + positions",
                "return whole + torch.where((restore < K)[:, :, None], positions, 0 * positions)",
            ),
        ),
        Wrong(_NOT_SORTED, edit=("whole + positions", "packed + positions")),
        Wrong(
            _POSITIONS_SHUFFLED,
            edit=(
                "packed.gather(1, restore[:, :, None].expand(-1, -1, D))\n    return whole + positions",
                "(packed + positions).gather(1, restore[:, :, None].expand(-1, -1, D))\n    return whole",
            ),
        ),
        Wrong("Some token is not in its place", edit=("whole + positions", "whole - positions")),
    ),
)

# --- 5.4 -------------------------------------------------------------------------------------------------

_ZEROED = (
    "Your encoder still sees every place: you set hidden patches to zero but encode their tokens, too. Take the "
    "visible ones out *before* the embedding."
)
_LEAKS = "With NaN under the mask your result becomes NaN: 0·NaN is NaN. Select patches, do not multiply by the mask."
_NO_PLACE = "Your tokens do not know where they come from: add the positions of the *visible* places."
_FIRST_PLACES = (
    "Your tokens have the positions of the first K places, not of their own: index positions, too."
)


def _check_visible(encode: Callable[..., Tensor]) -> None:
    patches, positions = random(2, 6, 4), random(6, 3, seed=1)
    torch_embed = nn.Linear(4, 3).double()
    mask = torch.tensor([[1, 0, 1, 1, 0, 1], [0, 1, 1, 0, 1, 1]])
    seen: list[tuple[int, ...]] = []

    def embed(given: Tensor) -> Tensor:
        seen.append(tuple(given.shape))
        return torch_embed(given)

    def blocks(tokens: Tensor) -> Tensor:
        seen.append(tuple(tokens.shape))
        return tokens + tokens.softmax(1).mean(1, keepdim=True)  # mixes all tokens that are there

    with torch.no_grad():
        found = encode(embed, blocks, patches, mask, positions)
        keep = torch.stack([(row == 0).nonzero().flatten() for row in mask])
        tokens = torch.stack([torch_embed(patches[b, keep[b]]) for b in range(2)])
        right = blocks(tokens + positions[keep])
        expect(isinstance(found, Tensor) and found.dim() == 3, "Return the encoder's tokens, (B, K, D).")
        expect(found.shape[1] == 2, _ZEROED)
        spoilt = torch.where(mask.bool()[:, :, None], torch.nan, patches)
        again = encode(embed, blocks, spoilt, mask, positions)
        expect(bool(torch.isfinite(again).all()), _LEAKS)
        expect(not close(found, blocks(tokens)), _NO_PLACE)
        expect(not close(found, blocks(tokens + positions[:2])), _FIRST_PLACES)
        inner = [shape for shape in seen if shape[1] == 6]
        expect(not inner, _ZEROED)
        expect(close(found, right), "Tokens of visible patches plus their positions must go through blocks.")


_VISIBLE = Exercise(
    number="5.4",
    title="An encoder that sees only what is visible",
    level=3,
    minutes=25,
    answer="encode_visible",
    check=_check_visible,
    stub='''
def encode_visible(embed, blocks, patches, mask, positions):
    """Tokens (B, K, D) of the visible patches, in the order of their places.

    embed maps patches (B, K, P) to tokens (B, K, D), blocks tokens to tokens; patches (B, N, P); mask (B, N), 1 where
    hidden, the same number in every row; positions (N, D).
    """
    raise NotImplementedError
''',
    solution='''
def encode_visible(embed, blocks, patches, mask, positions):
    """Tokens (B, K, D) of the visible patches, in the order of their places.

    embed maps patches (B, K, P) to tokens (B, K, D), blocks tokens to tokens; patches (B, N, P); mask (B, N), 1 where
    hidden, the same number in every row; positions (N, D).
    """
    B = len(patches)
    visible = patches[mask == 0].reshape(B, -1, patches.shape[2])
    places = positions.expand(B, -1, -1)[mask == 0].reshape(B, visible.shape[1], -1)
    return blocks(embed(visible) + places)
''',
    wrong=(
        Wrong(
            _ZEROED,
            code="""
            def encode_visible(embed, blocks, patches, mask, positions):
                return blocks(embed(patches * (1 - mask)[:, :, None]) + positions)
            """,
        ),
        Wrong(
            _ZEROED,
            code="""
            def encode_visible(embed, blocks, patches, mask, positions):
                tokens = blocks(embed(torch.nan_to_num(patches)) + positions)
                return tokens[mask == 0].reshape(len(patches), -1, tokens.shape[2])
            """,
        ),
        Wrong(
            _LEAKS,
            code="""
            def encode_visible(embed, blocks, patches, mask, positions):
                tokens = blocks(embed(patches * (1 - mask)[:, :, None]) + positions)
                return tokens[mask == 0].reshape(len(patches), -1, tokens.shape[2])
            """,
        ),
        Wrong(_NO_PLACE, edit=("embed(visible) + places", "embed(visible)")),
        Wrong(
            _FIRST_PLACES, edit=("embed(visible) + places", "embed(visible) + positions[: visible.shape[1]]")
        ),
        Wrong("Tokens of visible patches plus", edit=("embed(visible) + places", "embed(visible) - places")),
    ),
)

# --- 5.5 -------------------------------------------------------------------------------------------------

_ALL_PATCHES = (
    "What you predict for visible patches changes your loss: it is a mean over the *masked* ones alone."
)
_WRONG_COUNT = "You divide by the number of all patches. Divide by that of the masked ones, mask.sum()."
_PIXEL_SUM = "You add up the pixels of a patch. The loss is their mean."
_BIASED = (
    "A prediction of zero must score (n − 1)/n on normalised patches; yours scores 1: the variance in eq. (5.12) is "
    "divided by n − 1."
)
_FLAT = "On a flat patch your loss is not finite: add 10⁻⁶ to the variance, inside the root."
_RAW = "With normalise=True the *target* is to be normalised, patch by patch."


def _check_loss(loss: Callable[..., Tensor]) -> None:
    prediction, target = random(3, 8, 16), 2 + random(3, 8, 16, seed=1)
    mask = (torch.arange(8).expand(3, -1) % 4 > 0).double()
    squares = (prediction - target).square()
    value = torch.as_tensor(loss(prediction, target, mask, False))
    expect(value.shape == (), "Return one number.")
    right = squares[mask.bool()].mean()
    expect(not close(value, squares.mean()), _ALL_PATCHES)
    expect(not close(value, (squares.mean(2) * mask).mean()), _WRONG_COUNT)
    expect(not close(value, 16 * right), _PIXEL_SUM)
    other = torch.where(mask.bool()[:, :, None], prediction, prediction + 3)
    expect(close(loss(other, target, mask, False), value), _ALL_PATCHES)
    expect(close(value, right), f"For the check's patches it is {right:.4f}; yours is {float(value):.4f}.")
    zero = torch.zeros_like(target)
    normalised = loss(zero, target, mask, True)
    expect(not close(normalised, 1.0, 1e-4), _BIASED)
    expect(not close(normalised, loss(zero, target, mask, False)), _RAW)
    expect(
        close(normalised, 15 / 16, 1e-4),
        f"A prediction of zero must score (n − 1)/n = 0.9375 with normalise; yours scores {float(normalised):.4f}.",
    )
    flat = loss(zero, torch.ones_like(target), mask, True)
    expect(bool(torch.isfinite(torch.as_tensor(flat))), _FLAT)
    u = normalise_patches(target)
    expect(
        close(loss(prediction, target, mask, True), (prediction - u)[mask.bool()].square().mean(), 1e-4),
        _RAW,
    )


_LOSS = Exercise(
    number="5.5",
    title="A loss on what was hidden",
    level=2,
    minutes=20,
    answer="hidden_loss",
    check=_check_loss,
    stub='''
def hidden_loss(prediction, target, mask, normalise):
    """Mean squared error on masked patches; prediction and target (B, N, n), mask (B, N) with 1 = hidden.

    With normalise each target patch is shifted and scaled to mean 0 and variance 1 first.
    """
    raise NotImplementedError
''',
    solution='''
def hidden_loss(prediction, target, mask, normalise):
    """Mean squared error on masked patches; prediction and target (B, N, n), mask (B, N) with 1 = hidden.

    With normalise each target patch is shifted and scaled to mean 0 and variance 1 first.
    """
    if normalise:
        mean, variance = target.mean(-1, keepdim=True), target.var(-1, keepdim=True)
        target = (target - mean) / (variance + 1e-6).sqrt()
    error = (prediction - target).square().mean(-1)
    return (error * mask).sum() / mask.sum()
''',
    wrong=(
        Wrong(_ALL_PATCHES, edit=("(error * mask).sum() / mask.sum()", "error.mean()")),
        Wrong(_WRONG_COUNT, edit=("/ mask.sum()", "/ mask.numel()")),
        Wrong(_PIXEL_SUM, edit=(".square().mean(-1)", ".square().sum(-1)")),
        Wrong(_BIASED, edit=("target.var(-1, keepdim=True)", "target.var(-1, keepdim=True, unbiased=False)")),
        Wrong(_FLAT, edit=("(variance + 1e-6).sqrt()", "variance.sqrt()")),
        Wrong(_RAW, edit=("if normalise:", "if False:")),
        Wrong("For the check's patches", edit=("(error * mask).sum()", "(error * mask).sum() / 2")),
        Wrong("A prediction of zero must score", edit=("(variance + 1e-6).sqrt()", "(variance + 1e-6)")),
    ),
)

# --- 5.6 -------------------------------------------------------------------------------------------------

_SMALL = "You report a gradient for L_E. No weight occurs in ‖X − X⊙m‖²: it is not small, there is none. Return None."
_CONNECTED = "You report no gradient for the mended loss, yet it contains Dec(Enc(X⊙(1 − m)))."
_NOT_ZERO = "L_D is exactly 0 for every picture: m⊙m = m."
_WRONG_LOSSES = "Compute the losses as the document has them: L_E = Σ(X − X⊙m)², L_D = Σ(X⊙m − X⊙m⊙m)²."


def _check_identities(examine: Callable[..., Any]) -> None:
    torch_state = torch.Generator().manual_seed(0)
    for _ in range(2):
        first_layer = nn.Linear(6, 2)
        network = nn.Sequential(first_layer, nn.Linear(2, 6)).double()
        with torch.no_grad():
            for weight in network.parameters():
                weight.normal_(generator=torch_state)
        x = torch.rand(5, 6, generator=torch_state, dtype=torch.float64)
        m = (torch.rand(5, 6, generator=torch_state) > 0.5).double()
        before = copy.deepcopy(network.state_dict())
        made = examine(network, x, m)
        expect(
            isinstance(made, tuple) and len(made) == 4,
            "Return four things: L_E, its gradient, L_D, the mended loss's gradient.",
        )
        first, to_first, second, to_mended = made
        expect(to_first is None, _SMALL)
        expect(close(second, 0.0, 1e-12), _NOT_ZERO)
        expect(close(first, (x - x * m).square().sum()), _WRONG_LOSSES)
        expect(to_mended is not None, _CONNECTED)
        loss = (m * (network(x * (1 - m)) - x)).square().sum()
        (right,) = torch.autograd.grad(loss, first_layer.weight)
        expect(
            close(to_mended, right), "The mended loss is Σ m⊙(Dec(Enc(X⊙(1 − m))) − X)²: on hidden pixels."
        )
        same = all(torch.equal(before[k], v) for k, v in network.state_dict().items())
        expect(same, "Look at the gradients only; leave the weights as they are.")


_IDENTITIES = Exercise(
    number="5.6",
    title="Two losses that teach nothing",
    level=2,
    minutes=20,
    answer="examine",
    check=_check_identities,
    stub='''
def examine(network, x, m):
    """(L_E, gradient of L_E by network[0].weight or None, L_D, gradient of the mended loss by network[0].weight).

    network maps (B, D) to (B, D); x (B, D); m (B, D) of zeros and ones. In L_E and L_D it marks, as in the document,
    what is kept by X⊙m; in the mended loss 1 marks what is hidden. Hint: autograd.grad(..., allow_unused=True), and
    requires_grad says whether a number depends on any weight.
    """
    raise NotImplementedError
''',
    solution='''
def examine(network, x, m):
    """(L_E, gradient of L_E by network[0].weight or None, L_D, gradient of the mended loss by network[0].weight).

    network maps (B, D) to (B, D); x (B, D); m (B, D) of zeros and ones. In L_E and L_D it marks, as in the document,
    what is kept by X⊙m; in the mended loss 1 marks what is hidden. Hint: autograd.grad(..., allow_unused=True), and
    requires_grad says whether a number depends on any weight.
    """
    def gradient(loss):
        if not loss.requires_grad:
            return None
        return torch.autograd.grad(loss, network[0].weight, allow_unused=True)[0]

    once = x * m
    l_e = (x - once).square().sum()
    l_d = (once - once * m).square().sum()
    mended = (m * (network(x * (1 - m)) - x)).square().sum()
    return l_e, gradient(l_e), l_d, gradient(mended)
''',
    wrong=(
        Wrong(_SMALL, edit=("            return None", "            return 1e-8 * network[0].weight")),
        Wrong(_SMALL, edit=("l_e, gradient(l_e), l_d", "l_e, torch.zeros_like(network[0].weight), l_d")),
        Wrong(_CONNECTED, edit=("network(x * (1 - m))", "network(x * (1 - m)).detach()")),
        Wrong(_NOT_ZERO, edit=("(once - once * m)", "(x - once * m)")),
        Wrong(_WRONG_LOSSES, edit=("l_e = (x - once).square().sum()", "l_e = (x - once).square().mean()")),
        Wrong("The mended loss is", edit=("(m * (network", "((network")),
        Wrong("Return four things", edit=("return l_e, gradient(l_e), l_d, gradient(mended)", "return l_e")),
    ),
)

# --- 5.7 -------------------------------------------------------------------------------------------------

_LEAST_LOSS = (
    "You chose the ratio with the lowest reconstruction loss. Less hidden is easier to fill in, and each ratio is "
    "scored on other patches: the losses cannot be compared. Choose by the downstream accuracy."
)
_ONE_SEED = "You looked at one seed. Average over the seeds of a ratio before you compare."
_BEST_SEED = "You took each ratio's best seed. The luckiest run is no typical one: take the mean."
_NO_SPREAD = (
    "Report the spread, too: the standard deviation over seeds (divided by n − 1) at the chosen ratio."
)
_TOO_FEW = "With fewer than two seeds a ratio has no spread: raise a ValueError."


def _check_study(choose: Callable[[list[dict[str, float]]], Any]) -> None:
    def rows(table: Mapping[float, tuple[float, ...]]) -> list[dict[str, float]]:
        return [
            {"ratio": ratio, "seed": seed, "reconstruction": 0.01 + 0.1 * ratio, "accuracy": value}
            for ratio, values in table.items()
            for seed, value in enumerate(values)
        ]

    table = {
        0.15: (0.80, 0.81, 0.82),
        0.3: (0.70, 0.95, 0.75),
        0.5: (0.84, 0.86, 0.88),
        0.75: (0.89, 0.90, 0.85),
        0.9: (0.90, 0.72, 0.74),
    }
    made = choose(rows(table))
    expect(isinstance(made, tuple) and len(made) == 3, "Return three numbers: ratio, mean accuracy, spread.")
    ratio, mean, spread = (float(v) for v in made)
    expect(not close(ratio, 0.15), _LEAST_LOSS)
    expect(not close(ratio, 0.9), _ONE_SEED)  # the best of the first seeds
    expect(not close(ratio, 0.3), _BEST_SEED)
    expect(close(ratio, 0.75), f"By mean accuracy it is ratio 0.75; you chose {ratio}.")
    expect(close(mean, 0.88), f"At ratio 0.75 the mean accuracy is 0.880; yours is {mean:.3f}.")
    expect(close(spread, torch.tensor([0.89, 0.90, 0.85]).std()), _NO_SPREAD)
    # the same rows in another order
    again = choose(list(reversed(rows(table))))
    expect(close(torch.tensor(again), torch.tensor(made)), _ONE_SEED)
    try:
        choose(rows({0.5: (0.9,), 0.75: (0.8,)}))
    except ValueError:
        return
    raise NotYet(_TOO_FEW)


_STUDY = Exercise(
    number="5.7",
    title="Choose a mask ratio",
    level=3,
    minutes=25,
    answer="choose_ratio",
    check=_check_study,
    stub='''
def choose_ratio(rows):
    """(ratio, its mean accuracy, its standard deviation over seeds) of the ratio with the best mean accuracy.

    Each row is a dictionary with "ratio", "seed", "reconstruction" (masked loss) and "accuracy" (of a classifier on
    held-out pictures). Raise a ValueError if some ratio has fewer than two seeds.
    """
    raise NotImplementedError
''',
    solution='''
def choose_ratio(rows):
    """(ratio, its mean accuracy, its standard deviation over seeds) of the ratio with the best mean accuracy.

    Each row is a dictionary with "ratio", "seed", "reconstruction" (masked loss) and "accuracy" (of a classifier on
    held-out pictures). Raise a ValueError if some ratio has fewer than two seeds.
    """
    found = {}
    for row in rows:
        found.setdefault(row["ratio"], []).append(row["accuracy"])
    if min(len(values) for values in found.values()) < 2:
        raise ValueError("give at least two seeds for each ratio")
    best = max(found, key=lambda ratio: sum(found[ratio]) / len(found[ratio]))
    values = torch.tensor(found[best], dtype=torch.float64)
    return best, values.mean().item(), values.std().item()
''',
    wrong=(
        Wrong(
            _LEAST_LOSS,
            code="""
            def choose_ratio(rows):
                best = min(rows, key=lambda row: row["reconstruction"])["ratio"]
                values = torch.tensor([row["accuracy"] for row in rows if row["ratio"] == best])
                return best, values.mean().item(), values.std().item()
            """,
        ),
        Wrong(_BEST_SEED, edit=("sum(found[ratio]) / len(found[ratio])", "max(found[ratio])")),
        Wrong(_ONE_SEED, edit=("sum(found[ratio]) / len(found[ratio])", "found[ratio][0]")),
        Wrong(_NO_SPREAD, edit=("values.std().item()", "values.std(unbiased=False).item()")),
        Wrong(_TOO_FEW, edit=("< 2:", "< 1:")),
        Wrong("By mean accuracy it is", edit=("best = max(", "best = 0.5 or max(")),
    ),
)

# --- 5.8 -------------------------------------------------------------------------------------------------

_VISIBLE_SCORED = (
    "You score visible patches, which the network has just seen: the error on *masked* ones is the score."
)
_ONE_MASK = "One mask is a matter of luck. Average the error over all masks that you are given."
_WORST = (
    "You take the worst mask. That is the noisiest number of all: take the mean, whose variance falls as 1/S."
)
_BATCHED = "A picture's score changes with the others in the batch: take no mean over pictures."


def _check_anomaly(score: Callable[..., Tensor]) -> None:
    x = random(5, 8, 4)
    masks = torch.stack([(random(8, seed=s).argsort() < 6) for s in range(12)]).double()

    def predict(patches: Tensor, mask: Tensor) -> Tensor:
        """Right where it can see; the mean of visible patches, and some more, where it cannot."""
        seen = (patches * (1 - mask)[..., None]).sum(-2, keepdim=True) / 2
        return torch.where(mask.bool()[..., None], seen, patches + 0.5)

    errors = torch.stack([(predict(x, m.expand(5, -1)) - x).square().mean(-1) for m in masks])  # (S, B, N)
    each = (errors * masks[:, None]).sum(-1) / 6
    right = each.mean(0)
    found = torch.as_tensor(score(predict, x, masks))
    expect(found.shape == (5,), "Return one number a picture: shape (5,).")
    visible = (errors * (1 - masks)[:, None]).sum(-1) / 2
    expect(not close(found, visible.mean(0)) and not close(found, errors.mean(-1).mean(0)), _VISIBLE_SCORED)
    expect(not any(close(found, one) for one in each), _ONE_MASK)
    expect(not close(found, each.amax(0)), _WORST)
    expect(not close(found, found[:1].expand(5)), _BATCHED)
    expect(
        close(found, right),
        "The score is eq. (5.18): the mean over masks of the mean error on masked patches.",
    )
    halves = [torch.as_tensor(score(predict, x, part)) for part in (masks[:6], masks[6:])]
    expect(close((halves[0] + halves[1]) / 2, found), _ONE_MASK)


_ANOMALY = Exercise(
    number="5.8",
    title="Strange is what cannot be predicted",
    level=3,
    minutes=20,
    answer="strangeness",
    check=_check_anomaly,
    stub='''
def strangeness(predict, patches, masks):
    """Score of each picture, (B,): the error on masked patches, averaged over the masks.

    patches (B, N, n); masks (S, N), 1 where hidden, the same for all pictures; predict(patches, mask) takes a mask
    (B, N) and returns predictions (B, N, n) for all patches.
    """
    raise NotImplementedError
''',
    solution='''
def strangeness(predict, patches, masks):
    """Score of each picture, (B,): the error on masked patches, averaged over the masks.

    patches (B, N, n); masks (S, N), 1 where hidden, the same for all pictures; predict(patches, mask) takes a mask
    (B, N) and returns predictions (B, N, n) for all patches.
    """
    scores = []
    for mask in masks:
        mask = mask.expand(len(patches), -1)
        error = (predict(patches, mask) - patches).square().mean(-1)
        scores.append((error * mask).sum(1) / mask.sum(1))
    return torch.stack(scores).mean(0)
''',
    wrong=(
        Wrong(_VISIBLE_SCORED, edit=("(error * mask).sum(1) / mask.sum(1)", "error.mean(1)")),
        Wrong(
            _VISIBLE_SCORED,
            edit=("(error * mask).sum(1) / mask.sum(1)", "(error * (1 - mask)).sum(1) / (1 - mask).sum(1)"),
        ),
        Wrong(_ONE_MASK, edit=("torch.stack(scores).mean(0)", "scores[0]")),
        Wrong(_WORST, edit=("torch.stack(scores).mean(0)", "torch.stack(scores).amax(0)")),
        Wrong(
            _BATCHED, edit=("torch.stack(scores).mean(0)", "torch.stack(scores).mean().expand(len(patches))")
        ),
        Wrong("The score is eq. (5.18)", edit=("/ mask.sum(1)", "/ mask.shape[1]")),
    ),
)

EXERCISES = (_PATCHES, _MASKING, _UNSHUFFLE, _VISIBLE, _LOSS, _IDENTITIES, _STUDY, _ANOMALY)
