"""Exercises of chapter 5."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gencourse.exercises.engine import Exercise, Right, Wrong
from gencourse.exercises.numbers import NotYet, agree, close, expect, number, parts, plain, random, slopes
from gencourse.losses import normalise_patches
from gencourse.networks import patchify

__all__ = ["EXERCISES"]


class _Seen(TorchDispatchMode):
    """Notes the shape of every tensor that is made inside."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = [(0, 0, 0)]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(one, Tensor):
                self.shapes.append(tuple(one.shape))
        return made


# --- 5.1 -------------------------------------------------------------------------------------------------

_SCRAMBLED = (
    "The shape is right, but your patches hold pixels from all over the picture: reshape alone cannot cut squares. "
    "Split H and W, permute, then merge."
)
_COLUMNS_FIRST = "Your patches are squares, but numbered column after column: go row after row, eq. (5.4)."
_CHANNELS_FIRST = (
    "Your patches are right, but within a patch the channels come first: eq. (5.4) has them last."
)
_STRANGE = "Some of your numbers are not those of the picture: cutting moves pixels and changes none."
_NO_SQUARES = (
    "Every number is there, but your patches are not the squares of the picture in the order of eq. (5.4)."
)
_TURNED = "Within a patch you have columns before rows: the squares are mirrored along their diagonal."


def _check_patches(cut: Callable[[Tensor, int], Any]) -> None:
    for (b, c, h, w), size in (((2, 3, 8, 12), 4), ((1, 1, 6, 4), 2), ((3, 2, 9, 6), 3)):
        x, count, length = random(b, c, h, w), h * w // size**2, size * size * c
        found = cut(x, size)
        expect(
            isinstance(found, Tensor) and found.shape == (b, count, length),
            f"For pictures {(b, c, h, w)} and size {size} return shape {(b, count, length)}: patches of "
            f"{size}·{size}·{c} numbers.",
        )
        right = patchify(x, size)
        if close(found, right):
            continue
        squares = right.unflatten(2, (size, size, c))
        expect(not close(found, squares.permute(0, 1, 4, 2, 3).flatten(2)), _CHANNELS_FIRST)
        expect(not close(found, squares.transpose(2, 3).flatten(2)), _TURNED)
        by_columns = right.unflatten(1, (h // size, w // size)).transpose(1, 2).flatten(1, 2)
        expect(not close(found, by_columns), _COLUMNS_FIRST)
        expect(close(found.flatten().sort().values, x.flatten().sort().values), _STRANGE)
        whole = found.flatten(0, 1).sort(1).values  # the pixels of each patch, whatever their order
        mixed = (whole[:, None] == right.flatten(0, 1).sort(1).values).all(2).any(1).logical_not()
        raise NotYet(_SCRAMBLED if mixed.any() else _NO_SQUARES)


_PATCHES = Exercise(
    number="5.1",
    title="Cut a picture into patches",
    level=2,
    minutes=15,
    answer="patches_of",
    hints=(
        "After the reshape, in which order do the axes stand, and in which order should they?",
        "Split height and width into (rows, size) and (columns, size), permute, and only then merge.",
        "return cut.permute(0, 2, 4, 3, 5, 1).reshape(B, -1, size * size * C)",
    ),
    check=_check_patches,
    stub='''
def patches_of(images, size):
    """Pictures (B, C, H, W) to patches (B, N, size·size·C), row after row; in a patch
    rows, columns, channels.
    """
    raise NotImplementedError
''',
    solution='''
def patches_of(images, size):
    """Pictures (B, C, H, W) to patches (B, N, size·size·C), row after row; in a patch
    rows, columns, channels.
    """
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
        Wrong("For pictures (1, 1, 6, 4)", edit=("size * size * C)", "size * size * 3)")),
        Wrong(_STRANGE, edit=(".reshape(B, -1, size * size * C)", ".reshape(B, -1, size * size * C) / 2")),
        Wrong(
            _NO_SQUARES, edit=(".reshape(B, -1, size * size * C)", ".reshape(B, -1, size * size * C).flip(1)")
        ),
        Wrong(_NO_SQUARES, edit=("(0, 2, 4, 3, 5, 1)", "(0, 2, 4, 1, 5, 3)")),
    ),
    also_right=(
        Right(
            code="""
            def patches_of(images, size):
                cut = images.unfold(2, size, size).unfold(3, size, size)
                return cut.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)
            """
        ),
        Right(
            code="""
            def patches_of(images, size):
                rows, columns = range(0, images.shape[2], size), range(0, images.shape[3], size)
                patches = [images[:, :, i : i + size, j : j + size] for i in rows for j in columns]
                return torch.stack([p.permute(0, 2, 3, 1).flatten(1) for p in patches], dim=1)
            """
        ),
    ),
)

# --- 5.2 -------------------------------------------------------------------------------------------------

_CUT_OFF = (
    "You keep one patch too few. Their number is to be rounded, and int() cuts off: (1 − 0.9)·10 is 0.99… in floating "
    "point."
)
_ROUND_UP = (
    "You round up the number of visible patches: with ten patches and ratio 0.68 three stay, not four."
)
_SAME_AGAIN = "A second call gives the same masks: draw new random numbers."
_FEW = "Only a few different masks come out of thousands of draws: every choice must be possible, and equally likely."
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
        return made.float()

    made = draw(4000, 16, 0.75)
    hidden = made.sum(1)
    expect(not (hidden == 4).all(), _TURNED_ROUND)
    if not (hidden == hidden[0]).all():
        expect(hidden.max() <= 12, _COIN)
        raise NotYet(_REPEATS)
    expect(hidden[0] == 12, f"Of 16 patches 12 are to be hidden at ratio 0.75; you hide {int(hidden[0])}.")
    expect(not (made == made[0]).all(), _ONE_FOR_ALL)
    expect(not torch.equal(made, draw(4000, 16, 0.75)), _SAME_AGAIN)
    alone = torch.cat([draw(1, 16, 0.75) for _ in range(50)])
    expect(len(alone.unique(dim=0)) > 1, _SAME_AGAIN)
    pairs = made.T @ made / len(made)  # 12/16 for a patch, (12/16)·(11/15) for any two
    wanted = torch.full((16, 16), 0.55).fill_diagonal_(0.75)
    expect((pairs - wanted).diagonal().abs().max() < 0.08, _NOT_UNIFORM)
    expect(len(made.unique(dim=0)) > 1300, _FEW)  # of 1820 masks 1618 are to be expected
    expect((pairs - wanted).abs().max() < 0.05, _NOT_UNIFORM)
    for batch, count, ratio in (
        (3, 10, 0.9),
        (2, 100, 0.9),
        (4, 10, 0.68),
        (2, 10, 0.62),
        (3, 7, 0.4),
        (2, 9, 0.0),
        (2, 9, 1.0),
    ):
        kept = round((1 - ratio) * count)
        seen = (1 - draw(batch, count, ratio)).sum(1)
        if (seen == kept).all():
            continue
        expect(not (seen == int((1 - ratio) * count)).all(), _CUT_OFF)
        expect(not (seen == math.ceil((1 - ratio) * count)).all(), _ROUND_UP)
        raise NotYet(
            f"Of {count} patches {kept} are to stay at ratio {ratio}; with you {sorted(set(seen.int().tolist()))} do."
        )


_MASKING = Exercise(
    number="5.2",
    title="Hide exactly so many",
    level=2,
    minutes=15,
    answer="mask_of",
    hints=(
        "Does a coin for each patch hide the same number in every row?",
        "Rank random numbers in each row and hide those whose rank is at least the number to keep.",
        "rank = torch.rand(batch, count).argsort(1).argsort(1)",
    ),
    check=_check_masking,
    stub='''
def mask_of(batch, count, ratio):
    """Random masks (batch, count): 1 where a patch is removed, 0 where it is kept;
    round((1 − ratio)·count) kept.
    """
    raise NotImplementedError
''',
    solution='''
def mask_of(batch, count, ratio):
    """Random masks (batch, count): 1 where a patch is removed, 0 where it is kept;
    round((1 − ratio)·count) kept.
    """
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
            _FEW,
            code="""
            def mask_of(batch, count, ratio):
                kept = round((1 - ratio) * count)
                start = torch.randint(count, (batch, 1))
                return (((torch.arange(count) - start) % count) >= kept).float()
            """,
        ),
        Wrong(_TURNED_ROUND, edit=("rank >= kept", "rank < kept")),
        Wrong("Return a mask of shape", edit=("(rank >= kept).float()", "rank[:, kept:]")),
        Wrong(_SAME_AGAIN, edit=(".argsort(1).argsort(1)", ".argsort(0).argsort(1)")),
        Wrong(
            _NOT_UNIFORM,
            edit=(
                "torch.rand(batch, count)",
                "(torch.rand(batch, count) + 0.3 * torch.arange(count) / count)",
            ),
        ),
        Wrong(_ROUND_UP, edit=("round((1 - ratio) * count)", "math.ceil((1 - ratio) * count)")),
        Wrong(_CUT_OFF, edit=("round((1 - ratio) * count)", "count - math.ceil(ratio * count)")),
        Wrong(_SAME_AGAIN, edit=("    rank =", "    torch.manual_seed(0)\n    rank =")),
        Wrong(
            _FEW,
            edit=(
                "torch.rand(batch, count).argsort(1).argsort(1)",
                "torch.rand(300, count).argsort(1).argsort(1)[torch.arange(batch) % 300]",
            ),
        ),
        Wrong(
            "Of 16 patches 12 are to be hidden",
            edit=("rank >= kept", "rank > kept"),
        ),
    ),
    also_right=(
        Right(edit=("(rank >= kept).float()", "rank >= kept")),
        Right(edit=(".argsort(1).argsort(1)", ".argsort(1)")),
        Right(
            code="""
            def mask_of(batch, count, ratio):
                mask = torch.ones(batch, count, dtype=torch.long)
                for row in mask:
                    row[torch.randperm(count)[: round(count * (1 - ratio))]] = 0
                return mask
            """
        ),
        Right(
            code="""
            def mask_of(batch, count, ratio):
                kept = round((1 - ratio) * count)
                order = torch.rand(batch, count).argsort(1)
                return torch.ones(batch, count).scatter(1, order[:, :kept], 0.0)
            """
        ),
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
_NOT_LEARNED = (
    "The tokens are right, but no gradient reaches {what} as it should: do not detach, all of it is learned."
)
_TOO_MANY = (
    "You join {m} tokens, and there are {n} places: N − K mask tokens are needed, one for each hidden place."
)
_POSITIONS_SHUFFLED = (
    "You added positions before restoring the order: a token then carries another place's position."
)


def _check_unshuffle(decoder_input: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> None:
    for b, n, width, kept in ((3, 7, 4, 3), (2, 9, 5, 5), (4, 6, 3, 2)):
        tokens, positions = random(b, n, width), random(n, width, seed=2).requires_grad_()
        mask_token = random(width, seed=1).requires_grad_()
        order = random(b, n, seed=3).argsort(1)
        order[0] = torch.arange(n).roll(1)  # not its own inverse
        restore = order.argsort(1)

        def take(what: Tensor, index: Tensor) -> Tensor:
            return torch.stack([rows[places] for rows, places in zip(what, index, strict=True)])

        visible = take(tokens, order[:, :kept]).requires_grad_()
        with _Seen() as seen:
            found = decoder_input(visible, mask_token, order, positions)
        expect(
            isinstance(found, Tensor) and found.shape == (b, n, width),
            f"Return one token a place: shape {(b, n, width)}.",
        )
        packed = torch.cat([visible, mask_token.expand(b, n - kept, width)], dim=1)
        whole = take(packed, restore)
        right = whole + positions
        if not close(found, right):
            hidden = (restore >= kept)[:, :, None]
            expect(not close(found, whole + torch.where(hidden, 0.0, 1.0) * positions), _NO_POSITIONS)
            expect(not close(found, whole), _NO_POSITIONS)
            expect(not close(found, packed + positions), _NOT_SORTED)
            expect(not close(found, take(packed + positions, restore)), _POSITIONS_SHUFFLED)
            expect(not close(found, take(packed, order) + positions), _WRONG_WAY)
            raise NotYet("Some token is not in its place, or a position is missing.")
        joined = max(shape[1] for shape in seen.shapes if len(shape) == 3)
        expect(joined <= n, _TOO_MANY.format(m=joined, n=n))
        weight = random(b, n, width, seed=4)
        for what, leaf in (
            ("the mask token", mask_token),
            ("the visible tokens", visible),
            ("positions", positions),
        ):
            same = close(slopes((found * weight).sum(), leaf)[0], slopes((right * weight).sum(), leaf)[0])
            expect(same, _NOT_LEARNED.format(what=what))


_UNSHUFFLE = Exercise(
    number="5.3",
    title="Every token back in its place",
    level=3,
    minutes=20,
    answer="decoder_input",
    hints=(
        "order says which place each token came from: what says where each place's token is?",
        "Append mask tokens, undo the permutation by its own argsort, and then add the positions.",
        "restore = order.argsort(1)",
    ),
    check=_check_unshuffle,
    stub='''
def decoder_input(visible, mask_token, order, positions):
    """What the decoder starts from, (B, N, D): tokens in their places, mask tokens
    elsewhere, plus positions.

    visible (B, K, D) are the tokens of the places order[:, :K]; mask_token (D,);
    positions (N, D).
    """
    raise NotImplementedError
''',
    solution='''
def decoder_input(visible, mask_token, order, positions):
    """What the decoder starts from, (B, N, D): tokens in their places, mask tokens
    elsewhere, plus positions.

    visible (B, K, D) are the tokens of the places order[:, :K]; mask_token (D,);
    positions (N, D).
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
        Wrong(
            "You join 13 tokens, and there are 7 places", edit=("order.shape[1] - K", "order.shape[1] + K")
        ),
        Wrong("You join 10 tokens, and there are 7 places", edit=("order.shape[1] - K", "order.shape[1]")),
        Wrong(
            _NOT_LEARNED.format(what="the mask token"),
            edit=("mask_token.expand", "mask_token.detach().expand"),
        ),
        Wrong(
            _NOT_LEARNED.format(what="the visible tokens"), edit=("cat([visible,", "cat([visible.detach(),")
        ),
        Wrong(
            "Some token is not in its place",
            edit=("return whole + positions", "return whole + positions.roll(1, 0)"),
        ),
    ),
    also_right=(
        Right(
            code="""
            def decoder_input(visible, mask_token, order, positions):
                B, K, D = visible.shape
                whole = mask_token.expand(B, order.shape[1], D)
                return whole.scatter(1, order[:, :K, None].expand(-1, -1, D), visible) + positions
            """
        ),
        Right(
            code="""
            def decoder_input(visible, mask_token, order, positions):
                rows = []
                for tokens, places in zip(visible, order):
                    row = [mask_token] * len(places)
                    for token, place in zip(tokens, places):
                        row[place] = token
                    rows.append(torch.stack(row) + positions)
                return torch.stack(rows)
            """
        ),
        Right(
            code="""
            def decoder_input(visible, mask_token, order, positions):
                B, K, D = visible.shape
                turn = nn.functional.one_hot(order, order.shape[1]).float()
                packed = torch.cat([visible, mask_token.repeat(B, order.shape[1] - K, 1)], dim=1)
                return turn.transpose(1, 2) @ packed + positions[None]
            """
        ),
    ),
)

# --- 5.4 -------------------------------------------------------------------------------------------------

_ZEROED = (
    "Your encoder still sees every place: the blocks are handed {n} tokens, visible are {k}. Take the visible ones out "
    "*before* the blocks."
)
_AFTER_BLOCKS = (
    "You added the positions behind the blocks: the tokens must know their places while they talk."
)
_LEARNS_NOT = "The tokens are right, but no gradient reaches {what}: do not detach."
_LEAKS = "With NaN under the mask your result becomes NaN: 0·NaN is NaN. Select patches, do not multiply by the mask."
_NO_PLACE = "Your tokens do not know where they come from: add the positions of the *visible* places."
_FIRST_PLACES = (
    "Your tokens have the positions of the first K places, not of their own: index positions, too."
)


def _check_visible(encode: Callable[..., Tensor]) -> None:
    for b, n, pixels, width, kept in ((2, 6, 4, 3, 2), (3, 9, 5, 4, 4)):
        patches, positions = random(b, n, pixels), random(n, width, seed=1).requires_grad_()
        mask = (random(b, n, seed=2).argsort(1).argsort(1) >= kept).long()
        layer = nn.Linear(pixels, width)
        fed: list[int] = []

        def mix(tokens: Tensor) -> Tensor:
            return tokens.tanh() * (1 + tokens.mean(1, keepdim=True)) + tokens.square().mean(1, keepdim=True)

        def blocks(tokens: Tensor, fed: list[int] = fed) -> Tensor:
            fed.append(tokens.shape[1])
            return mix(tokens)

        found = encode(layer, blocks, patches, mask, positions)
        keep = torch.stack([(row == 0).nonzero().flatten() for row in mask])
        tokens = layer(torch.stack([rows[places] for rows, places in zip(patches, keep, strict=True)]))
        expect(isinstance(found, Tensor) and found.dim() == 3, "Return the encoder's tokens, (B, K, D).")
        spoilt = torch.where(mask.bool()[:, :, None], torch.nan, patches)
        again = encode(layer, blocks, spoilt, mask, positions)
        expect(bool(torch.isfinite(again).all()) or n in fed, _LEAKS)
        expect(bool(torch.isfinite(again).all()) or found.shape[1] == n, _LEAKS)
        expect(n not in fed, _ZEROED.format(n=n, k=kept))
        expect(
            found.shape == (b, kept, width), f"Return one token a visible patch: shape {(b, kept, width)}."
        )
        right = mix(tokens + positions[keep])
        if not close(found, right):
            expect(not close(found, mix(tokens)), _NO_PLACE)
            expect(not close(found, mix(tokens + positions[:kept])), _FIRST_PLACES)
            expect(not close(found, mix(tokens) + positions[keep]), _AFTER_BLOCKS)
            raise NotYet("Tokens of visible patches plus their positions must go through blocks, in order.")
        expect(close(again, right), _LEAKS)
        for what, leaf in (("the embedding", layer.weight), ("the positions", positions)):
            expect(
                close(slopes(found.sum(), leaf)[0], slopes(right.sum(), leaf)[0]),
                _LEARNS_NOT.format(what=what),
            )


_VISIBLE = Exercise(
    number="5.4",
    title="An encoder that sees only what is visible",
    level=3,
    minutes=25,
    answer="encode_visible",
    hints=(
        "If hidden patches pass through the blocks, can they still be hidden?",
        "Select the visible patches and their positions first; only then embed and apply the blocks.",
        "visible = patches[mask == 0].reshape(B, -1, patches.shape[2])",
    ),
    check=_check_visible,
    stub='''
def encode_visible(embed, blocks, patches, mask, positions):
    """Tokens (B, K, D) of the visible patches, in the order of their places.

    embed maps patches (B, K, P) to tokens (B, K, D), blocks tokens to tokens; patches
    (B, N, P); mask (B, N), 1 where hidden, the same number in every row; positions (N,
    D).
    """
    raise NotImplementedError
''',
    solution='''
def encode_visible(embed, blocks, patches, mask, positions):
    """Tokens (B, K, D) of the visible patches, in the order of their places.

    embed maps patches (B, K, P) to tokens (B, K, D), blocks tokens to tokens; patches
    (B, N, P); mask (B, N), 1 where hidden, the same number in every row; positions (N,
    D).
    """
    B = len(patches)
    visible = patches[mask == 0].reshape(B, -1, patches.shape[2])
    places = positions.expand(B, -1, -1)[mask == 0].reshape(B, visible.shape[1], -1)
    return blocks(embed(visible) + places)
''',
    wrong=(
        Wrong(
            "Your encoder still sees every place",
            code="""
            def encode_visible(embed, blocks, patches, mask, positions):
                return blocks(embed(patches * (1 - mask)[:, :, None]) + positions)
            """,
        ),
        Wrong(
            "Your encoder still sees every place",
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
        Wrong(_AFTER_BLOCKS, edit=("blocks(embed(visible) + places)", "blocks(embed(visible)) + places")),
        Wrong(
            _LEARNS_NOT.format(what="the embedding"),
            edit=("blocks(embed(visible)", "blocks(embed(visible).detach()"),
        ),
        Wrong(
            "Return one token a visible patch",
            edit=("return blocks(embed(visible) + places)", "return blocks(embed(visible) + places)[:, :1]"),
        ),
    ),
    also_right=(
        # embed all, then choose, as the paper's program does: the blocks see what is visible
        Right(
            code="""
            def encode_visible(embed, blocks, patches, mask, positions):
                tokens = embed(patches) + positions
                return blocks(torch.stack([row[hidden == 0] for row, hidden in zip(tokens, mask)]))
            """
        ),
        Right(
            code="""
            def encode_visible(embed, blocks, patches, mask, positions):
                kept = int((mask[0] == 0).sum())
                places = mask.argsort(dim=1, stable=True)[:, :kept]
                visible = patches.gather(1, places[:, :, None].expand(-1, -1, patches.shape[2]))
                return blocks(embed(visible) + positions[places])
            """
        ),
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
_EPS = "On nearly flat patches your target is off: eq. (5.12) adds 10⁻⁶ to the *variance*, before the root."
_DETACHED = "The value is right, but no gradient reaches the prediction: it cannot be learned. Do not detach."
_RAW = "With normalise=True the *target* is to be normalised, patch by patch."


def _check_loss(loss: Callable[..., Tensor]) -> None:
    for b, n, length, hidden in ((3, 8, 16, 6), (4, 5, 12, 2)):
        prediction, target = random(b, n, length).requires_grad_(), 2 + 1.5 * random(b, n, length, seed=1)
        mask = (random(b, n, seed=2).argsort(1).argsort(1) < hidden).float()
        squares = (prediction - target).square()
        value = number(loss(prediction, target, mask, False))
        right = squares[mask.bool()].mean()
        agree(
            value,
            right,
            f"For the check's patches it is {right:.4f}; yours is {float(value.detach()):.4f}.",
            (squares.mean(), _ALL_PATCHES),
            ((squares.mean(2) * mask).mean(), _WRONG_COUNT),
            (length * right, _PIXEL_SUM),
        )
        other = torch.where(mask.bool()[:, :, None], prediction, prediction + 3)
        expect(close(number(loss(other, target, mask, False)), value), _ALL_PATCHES)
        expect(close(slopes(value, prediction)[0], slopes(right, prediction)[0]), _DETACHED)
        zero = torch.zeros_like(target)
        normalised = number(loss(zero, target, mask, True))
        share = (length - 1) / length
        agree(
            normalised,
            share,
            f"A prediction of zero must score (n − 1)/n = {share:.4f} with normalise; yours scores "
            f"{float(normalised):.4f}.",
            (1.0, _BIASED),
            (number(loss(zero, target, mask, False)), _RAW),
            tolerance=1e-3,
        )
        flat = number(loss(zero, torch.ones_like(target), mask, True))
        expect(torch.isfinite(flat) and flat.abs() < 1e-3, _FLAT)
        faint = 0.5 + 1e-3 * random(b, n, length, seed=3)
        for some, hint in ((target, _RAW), (faint, _EPS)):
            u = normalise_patches(some)
            wanted = (prediction - u)[mask.bool()].square().mean()
            expect(close(number(loss(prediction, some, mask, True)), wanted, 1e-3), hint)


_LOSS = Exercise(
    number="5.5",
    title="A loss on what was hidden",
    level=2,
    minutes=20,
    answer="hidden_loss",
    hints=(
        "Of how many patches is the mean taken when most of them do not count?",
        "Average the error inside each patch, then divide the masked sum by the number of masked patches.",
        "return (error * mask).sum() / mask.sum()",
    ),
    check=_check_loss,
    stub='''
def hidden_loss(prediction, target, mask, normalise):
    """Mean squared error on masked patches; prediction and target (B, N, n), mask (B,
    N) with 1 = hidden.

    With normalise each target patch is shifted and scaled to mean 0 and variance 1
    first.
    """
    raise NotImplementedError
''',
    solution='''
def hidden_loss(prediction, target, mask, normalise):
    """Mean squared error on masked patches; prediction and target (B, N, n), mask (B,
    N) with 1 = hidden.

    With normalise each target patch is shifted and scaled to mean 0 and variance 1
    first.
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
        Wrong(_EPS, edit=("(variance + 1e-6).sqrt()", "(variance.sqrt() + 1e-6)")),
        Wrong(_EPS, edit=("1e-6", "1e-5")),
        Wrong(_DETACHED, edit=("(prediction - target)", "(prediction.detach() - target)")),
        Wrong("For the check's patches", edit=("(error * mask)", "(error * mask[0])")),
    ),
    also_right=(
        Right(
            code="""
            def hidden_loss(prediction, target, mask, normalise):
                if normalise:
                    spread = target.var(dim=2, keepdim=True, correction=1)
                    target = (target - target.mean(dim=2, keepdim=True)) * torch.rsqrt(spread + 1e-6)
                return ((prediction - target) ** 2)[mask == 1].mean()
            """
        ),
        Right(edit=("(error * mask).sum() / mask.sum()", "((error * mask).sum(1) / mask.sum(1)).mean()")),
    ),
)

# --- 5.6 -------------------------------------------------------------------------------------------------

_SMALL = "You report a gradient for L_E. No weight occurs in ‖X − X⊙m‖²: it is not small, there is none. Return None."
_LOOK_ONLY = "Look at the gradients only; leave the weights as they are."
_CONNECTED = "You report no gradient for the mended loss, yet it contains Dec(Enc(X⊙(1 − m)))."
_NOT_ZERO = "L_D is exactly 0 for every picture: m⊙m = m."
_WRONG_LOSSES = "Compute the losses as the document has them: L_E = Σ(X − X⊙m)², L_D = Σ(X⊙m − X⊙m⊙m)²."


def _check_identities(examine: Callable[..., Any]) -> None:
    for b, d, code in ((5, 6, 2), (4, 7, 3)):
        first_layer = nn.Linear(d, code)
        network = nn.Sequential(first_layer, nn.Linear(code, d))
        x, m = torch.rand(b, d) + 0.1, (torch.rand(b, d) > 0.5).float()
        before = copy.deepcopy(network.state_dict())
        told = "Return four things: L_E, its gradient, L_D, the mended loss's gradient."
        first, to_first, second, to_mended = parts(examine(network, x, m), 4, told)
        expect(all(torch.equal(before[k], v) for k, v in network.state_dict().items()), _LOOK_ONLY)
        expect(to_first is None or not torch.as_tensor(to_first).any(), _SMALL)
        expect(close(number(second), 0.0, 1e-12), _NOT_ZERO)
        expect(close(number(first), (x - x * m).square().sum()), _WRONG_LOSSES)
        loss = (m * (network(x * (1 - m)) - x)).square().sum()
        (right,) = slopes(loss, first_layer.weight)
        expect(to_mended is not None and torch.as_tensor(to_mended).any(), _CONNECTED)
        expect(
            close(to_mended, right), "The mended loss is Σ m⊙(Dec(Enc(X⊙(1 − m))) − X)²: on hidden pixels."
        )


_IDENTITIES = Exercise(
    number="5.6",
    title="Two losses that teach nothing",
    level=2,
    minutes=20,
    answer="examine",
    hints=(
        "Does the first loss contain the network at all?",
        "Compute each loss as the document says it and let autograd say None where no weight is in it.",
        "return torch.autograd.grad(loss, network[0].weight, allow_unused=True)[0]",
    ),
    check=_check_identities,
    stub='''
def examine(network, x, m):
    """(L_E, gradient of L_E by network[0].weight or None, L_D, gradient of the mended
    loss by network[0].weight).

    network maps (B, D) to (B, D); x (B, D); m (B, D) of zeros and ones. In L_E and L_D
    it marks, as in the document, what is kept by X⊙m; in the mended loss 1 marks what
    is hidden. Hint: autograd.grad(..., allow_unused=True), and requires_grad says
    whether a number depends on any weight.
    """
    raise NotImplementedError
''',
    solution='''
def examine(network, x, m):
    """(L_E, gradient of L_E by network[0].weight or None, L_D, gradient of the mended
    loss by network[0].weight).

    network maps (B, D) to (B, D); x (B, D); m (B, D) of zeros and ones. In L_E and L_D
    it marks, as in the document, what is kept by X⊙m; in the mended loss 1 marks what
    is hidden. Hint: autograd.grad(..., allow_unused=True), and requires_grad says
    whether a number depends on any weight.
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
        Wrong(_SMALL, edit=("l_e, gradient(l_e), l_d", "l_e, network[0].weight, l_d")),
        Wrong(_CONNECTED, edit=("network(x * (1 - m))", "network(x * (1 - m)).detach()")),
        Wrong(_NOT_ZERO, edit=("(once - once * m)", "(x - once * m)")),
        Wrong(_WRONG_LOSSES, edit=("l_e = (x - once).square().sum()", "l_e = (x - once).square().mean()")),
        Wrong("The mended loss is", edit=("(m * (network", "((network")),
        Wrong("Return four things", edit=("return l_e, gradient(l_e), l_d, gradient(mended)", "return l_e")),
        Wrong("The mended loss is", edit=("network(x * (1 - m))", "network(x * m)")),
        Wrong(
            _LOOK_ONLY,
            edit=(
                "    return l_e,",
                "    with torch.no_grad():\n        network[0].weight += 1\n    return l_e,",
            ),
        ),
    ),
    also_right=(
        # no gradient, or one of zeros: the weight does not occur
        Right(edit=("l_e, gradient(l_e), l_d", "l_e, torch.zeros_like(network[0].weight), l_d")),
        Right(
            edit=(
                "return l_e, gradient(l_e), l_d, gradient(mended)",
                "return [l_e, None, 0.0, gradient(mended)]",
            )
        ),
        Right(
            code="""
            def examine(network, x, m):
                network.zero_grad()
                ((network(x * (1 - m)) - x)[m == 1] ** 2).sum().backward()
                l_e = ((x * (1 - m)) ** 2).sum()
                return l_e.item(), None, (x * m - x * m * m).square().sum().item(), network[0].weight.grad
            """
        ),
    ),
)

# --- 5.7 -------------------------------------------------------------------------------------------------

_LEAST_LOSS = (
    "You chose the ratio with the lowest reconstruction loss. Less hidden is easier to fill in, and each ratio is "
    "scored on other patches: the losses cannot be compared. Choose by the downstream accuracy."
)
_ONE_SEED = "You looked at one seed. Average over the seeds of a ratio before you compare."
_BEST_SEED = "You took each ratio's best seed. The luckiest run is no typical one: take the mean."
_MEDIAN = "You took each ratio's median seed. The exercise asks for the best *mean* accuracy."
_TOTAL = "You added the accuracies up: a ratio with more seeds wins by their number. Divide by it."
_TWO_WILL_DO = "Two seeds are enough for a spread; raise a ValueError only for fewer."
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

    # each way to choose leads to a ratio of its own
    table = {
        0.15: (0.80, 0.82),
        0.3: (0.70, 0.95, 0.75),
        0.5: (0.84, 0.86, 0.82, 0.84, 0.83),
        0.6: (0.70, 0.893, 0.895),
        0.75: (0.89, 0.90, 0.86),
        0.9: (0.91, 0.72, 0.73),
    }
    told = "Return three numbers: ratio, mean accuracy, spread."

    def answered(rows: list[dict[str, float]]) -> list[float]:
        return [plain(v, told) for v in parts(choose(rows), 3, told)]

    try:
        ratio, mean, spread = answered(rows(table))
    except ValueError:
        raise NotYet(_TWO_WILL_DO) from None
    expect(not close(ratio, 0.15), _LEAST_LOSS)
    expect(not close(ratio, 0.9), _ONE_SEED)  # the best of the first seeds
    expect(not close(ratio, 0.3), _BEST_SEED)
    expect(not close(ratio, 0.5), _TOTAL)
    expect(not close(ratio, 0.6), _MEDIAN)
    expect(close(ratio, 0.75), f"By mean accuracy it is ratio 0.75; you chose {ratio:g}.")
    right = torch.tensor(table[0.75])
    expect(
        close(mean, right.mean()),
        f"At ratio 0.75 the mean accuracy is {right.mean():.3f}; yours is {mean:.3f}.",
    )
    expect(close(spread, right.std()), _NO_SPREAD)
    made = rows(table)
    for order in (list(reversed(made)), sorted(made, key=lambda row: (row["seed"], row["ratio"]))):
        expect(close(answered(order), [ratio, mean, spread]), "The order of the rows must not matter.")
    again = answered(rows({0.2: (0.5, 0.6), 0.4: (0.7, 0.9, 0.8, 0.8)}))
    expect(
        close(again, [0.4, 0.8, torch.tensor([0.7, 0.9, 0.8, 0.8]).std().item()]),
        "With other rows your answer is off.",
    )
    for few in (
        {0.5: (0.9,), 0.75: (0.8,)},
        {0.5: (0.7, 0.8), 0.75: (0.9,)},
        {0.5: (0.9,), 0.75: (0.8, 0.7)},
    ):
        try:
            choose(rows(few))
        except ValueError:
            continue
        raise NotYet(_TOO_FEW)


_STUDY = Exercise(
    number="5.7",
    title="Choose a mask ratio",
    level=3,
    minutes=25,
    answer="choose_ratio",
    hints=(
        "Is a ratio with the least masked loss the one with the best features?",
        "Collect accuracies by ratio, insist on two seeds, and choose by their mean.",
        "best = max(found, key=lambda ratio: sum(found[ratio]) / len(found[ratio]))",
    ),
    check=_check_study,
    stub='''
def choose_ratio(rows):
    """(ratio, its mean accuracy, its standard deviation over seeds) of the ratio with
    the best mean accuracy.

    Each row is a dictionary with "ratio", "seed", "reconstruction" (masked loss) and
    "accuracy" (of a classifier on held-out pictures). Raise a ValueError if some ratio
    has fewer than two seeds.
    """
    raise NotImplementedError
''',
    solution='''
def choose_ratio(rows):
    """(ratio, its mean accuracy, its standard deviation over seeds) of the ratio with
    the best mean accuracy.

    Each row is a dictionary with "ratio", "seed", "reconstruction" (masked loss) and
    "accuracy" (of a classifier on held-out pictures). Raise a ValueError if some ratio
    has fewer than two seeds.
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
        Wrong("With other rows", edit=("best = max(", "best = 0.75 if 0.75 in found else min(")),
        Wrong("By mean accuracy it is ratio 0.75; you chose 1", edit=("return best,", "return 1,")),
        Wrong(
            _MEDIAN,
            edit=("sum(found[ratio]) / len(found[ratio])", "sorted(found[ratio])[len(found[ratio]) // 2]"),
        ),
        Wrong(_TOTAL, edit=("sum(found[ratio]) / len(found[ratio])", "sum(found[ratio])")),
        Wrong(_TOTAL, edit=("sum(found[ratio]) / len", "sum(found[ratio]) * len")),
        Wrong(_TWO_WILL_DO, edit=("< 2:", "<= 2:")),
        Wrong(_TOO_FEW, edit=("min(len(values)", "max(len(values)")),
    ),
    also_right=(
        Right(
            code="""
            def choose_ratio(rows):
                import statistics

                ratios = {row["ratio"] for row in rows}
                groups = {r: [row["accuracy"] for row in rows if row["ratio"] == r] for r in ratios}
                if any(len(values) < 2 for values in groups.values()):
                    raise ValueError("too few seeds")
                best = max(groups, key=lambda r: statistics.mean(groups[r]))
                return [best, statistics.mean(groups[best]), statistics.stdev(groups[best])]
            """
        ),
        Right(
            edit=(
                "return best, values.mean().item(), values.std().item()",
                "return torch.tensor([best, values.mean(), values.std()])",
            )
        ),
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


def _check_anomaly(score: Callable[..., Any]) -> None:
    for b, n, length, rounds in ((5, 8, 4, 12), (4, 6, 3, 8)):
        x = random(b, n, length)
        # masks of different sizes
        ranks = torch.stack([random(n, seed=s).argsort().argsort() for s in range(rounds)])
        masks = (ranks < (n - 2 - torch.arange(rounds) % 3)[:, None]).float()

        def predict(patches: Tensor, mask: Tensor) -> Tensor:
            """The mean of visible patches where it cannot see; something else where it can."""
            shown = 1 - mask
            seen = (patches * shown[..., None]).sum(-2, keepdim=True) / shown.sum(-1)[..., None, None]
            return torch.where(mask.bool()[..., None], seen, patches + 0.5)

        errors = torch.stack(
            [(predict(x, m.expand(b, -1)) - x).square().mean(-1) for m in masks]
        )  # (S, B, N)
        each = (errors * masks[:, None]).sum(-1) / masks.sum(1)[:, None]
        right = each.mean(0)
        found = torch.as_tensor(score(predict, x, masks))
        expect(found.shape == (b,), f"Return one number a picture: shape ({b},).")
        if close(found, right):
            continue
        visible = (errors * (1 - masks)[:, None]).sum(-1) / (1 - masks).sum(1)[:, None]
        expect(
            not close(found, visible.mean(0)) and not close(found, errors.mean(-1).mean(0)), _VISIBLE_SCORED
        )
        expect(not any(close(found, one) for one in each), _ONE_MASK)
        expect(not close(found, each.amax(0)), _WORST)
        expect(not close(found, found[:1].expand(b)), _BATCHED)
        raise NotYet("The score is eq. (5.18): the mean over masks of the mean error on masked patches.")


_ANOMALY = Exercise(
    number="5.8",
    title="Strange is what cannot be predicted",
    level=3,
    minutes=20,
    answer="strangeness",
    hints=(
        "What does the error on a visible patch say about how strange a picture is?",
        "For each mask, average the error over hidden patches only; then average over masks.",
        "scores.append((error * mask).sum(1) / mask.sum(1))",
    ),
    check=_check_anomaly,
    stub='''
def strangeness(predict, patches, masks):
    """Score of each picture, (B,): the error on masked patches, averaged over the
    masks.

    patches (B, N, n); masks (S, N), 1 where hidden, the same for all pictures;
    predict(patches, mask) takes a mask (B, N) and returns predictions (B, N, n) for all
    patches.
    """
    raise NotImplementedError
''',
    solution='''
def strangeness(predict, patches, masks):
    """Score of each picture, (B,): the error on masked patches, averaged over the
    masks.

    patches (B, N, n); masks (S, N), 1 where hidden, the same for all pictures;
    predict(patches, mask) takes a mask (B, N) and returns predictions (B, N, n) for all
    patches.
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
        Wrong("The score is eq. (5.18)", edit=("/ mask.sum(1)", "/ 6")),
        Wrong(
            "The score is eq. (5.18)",
            edit=("torch.stack(scores).mean(0)", "torch.stack(scores).median(0).values"),
        ),
        Wrong("The score is eq. (5.18)", edit=(".square().mean(-1)", ".abs().mean(-1)")),
    ),
    also_right=(
        Right(
            code="""
            def strangeness(predict, patches, masks):
                scores = []
                for patch in patches:
                    many = patch.expand(len(masks), -1, -1)
                    error = (predict(many, masks) - many).square().mean(2)
                    scores.append((error * masks).sum(1).div(masks.sum(1)).mean())
                return torch.stack(scores)
            """
        ),
        Right(
            code="""
            def strangeness(predict, patches, masks):
                total = 0
                for mask in masks:
                    painted = predict(patches, mask.repeat(len(patches), 1))
                    total = total + (painted - patches)[:, mask == 1].square().mean((1, 2))
                return (total / len(masks)).tolist()
            """
        ),
    ),
)

# --- 5.9 -------------------------------------------------------------------------------------------------

_NOT_SCALED = "Your scores are not divided by √d, so the softmax of long queries is too sharp: eq. (5.9)."
_WHOLE_WIDTH = (
    "You divide by the root of the whole width D. In eq. (5.9) d is the size of one head's query, D/heads."
)
_WRONG_AXIS = (
    "Your weights add up to one over the tokens that ask. Each shares out its own: softmax along the keys."
)
_ONE_HEAD = "You do not cut into heads: each head has a softmax of its own, on its slice of the numbers."
_TOO_LARGE = "For large scores your result is not finite: subtract the largest score first, or use softmax."


def _check_attend(attend: Callable[..., Any]) -> None:
    def reference(q: Tensor, k: Tensor, v: Tensor, heads: int, scale: float, axis: int = -1) -> Tensor:
        slices = [part.chunk(heads, dim=2) for part in (q, k, v)]
        mixed = [(a @ b.transpose(1, 2) * scale).softmax(axis) @ c for a, b, c in zip(*slices, strict=True)]
        return torch.cat(mixed, dim=2)

    for b, n, m, width, heads in ((2, 5, 5, 6, 1), (3, 4, 7, 8, 2), (1, 6, 3, 12, 3)):
        q, k, v = (random(b, count, width, seed=s).requires_grad_() for s, count in enumerate((n, m, m)))
        found, d = attend(q, k, v, heads), width // heads
        right = reference(q, k, v, heads, d**-0.5)
        shape = tuple(found.shape) if isinstance(found, Tensor) else None
        expect(shape == (b, n, width), f"Return one row for each token that asks: shape {(b, n, width)}.")
        if not close(found, right):
            expect(not close(found, reference(q, k, v, heads, 1.0)), _NOT_SCALED)
            expect(not close(found, reference(q, k, v, heads, width**-0.5)), _WHOLE_WIDTH)
            expect(not close(found, reference(q, k, v, heads, d**-0.5, -2)), _WRONG_AXIS)
            expect(not close(found, reference(q, k, v, 1, width**-0.5)), _ONE_HEAD)
            raise NotYet(
                f"With {heads} head(s) of {d} numbers it is not eq. (5.9): softmax(QKᵀ/√d)V on each slice."
            )
        ours, wanted = (
            torch.cat([g.flatten() for g in slopes(y.square().sum(), q, k, v)]) for y in (found, right)
        )
        expect(
            close(ours, wanted, 1e-3), "The result is right, but its gradient is not: do not detach anything."
        )
        loud = attend(60 * q.detach(), 60 * k.detach(), v.detach(), heads)
        expect(close(loud, reference(60 * q, 60 * k, v, heads, d**-0.5), 1e-3), _TOO_LARGE)


_ATTEND = Exercise(
    number="5.9",
    title="Tokens that ask",
    level=3,
    minutes=25,
    answer="attend",
    hints=(
        "If one score is far above the others, what does the softmax give?",
        "Split the width into heads, move the heads before the tokens, scale by the root of a head's width.",
        "scores = q @ k.transpose(2, 3) / q.shape[3] ** 0.5",
    ),
    check=_check_attend,
    stub='''
def attend(query, key, value, heads):
    """Attention with heads, eq. (5.9), (B, N, D); query (B, N, D), key and value (B, M,
    D), D a multiple of heads.

    Head h works on its slice of d = D/heads neighbouring numbers; the slices of the
    result stand side by side.
    """
    raise NotImplementedError
''',
    solution='''
def attend(query, key, value, heads):
    """Attention with heads, eq. (5.9), (B, N, D); query (B, N, D), key and value (B, M,
    D), D a multiple of heads.

    Head h works on its slice of d = D/heads neighbouring numbers; the slices of the
    result stand side by side.
    """
    given = query, key, value
    q, k, v = (rows.unflatten(2, (heads, -1)).transpose(1, 2) for rows in given)
    scores = q @ k.transpose(2, 3) / q.shape[3] ** 0.5
    return (scores.softmax(3) @ v).transpose(1, 2).flatten(2)
''',
    wrong=(
        Wrong(_NOT_SCALED, edit=(" / q.shape[3] ** 0.5", "")),
        Wrong(_WHOLE_WIDTH, edit=("q.shape[3]", "query.shape[2]")),
        Wrong(_WRONG_AXIS, edit=("softmax(3)", "softmax(2)")),
        Wrong(_ONE_HEAD, edit=("(heads, -1)", "(1, -1)")),
        Wrong(_TOO_LARGE, edit=("scores.softmax(3)", "(scores.exp() / scores.exp().sum(3, keepdim=True))")),
        Wrong("With 2 head(s)", edit=("(heads, -1)).transpose(1, 2)", "(-1, heads)).permute(0, 3, 1, 2)")),
        Wrong("With 1 head(s)", edit=("@ k.transpose", "@ v.transpose")),
        Wrong("Return one row", edit=(".flatten(2)", "")),
        Wrong("The result is right, but", edit=("scores.softmax(3)", "scores.detach().softmax(3)")),
    ),
    also_right=(
        Right(
            code="""
            def attend(query, key, value, heads):
                q, k, v = (rows.unflatten(2, (heads, -1)).transpose(1, 2) for rows in (query, key, value))
                return nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            """
        ),
        Right(
            code="""
            def attend(query, key, value, heads):
                made, d = [], query.shape[2] // heads
                for h in range(heads):
                    q, k, v = (rows[:, :, h * d : (h + 1) * d] for rows in (query, key, value))
                    scores = torch.einsum("bnd,bmd->bnm", q, k) * d**-0.5
                    weights = (scores - scores.amax(-1, keepdim=True)).exp()
                    made.append(weights / weights.sum(-1, keepdim=True) @ v)
                return torch.cat(made, dim=-1)
            """
        ),
    ),
)

# --- 5.10 ------------------------------------------------------------------------------------------------

_ONLY_LINEAR = (
    "You count tokens as if every product grew with their number. The table of scores grows with its square."
)
_ONLY_SQUARE = (
    "You count the table of scores alone. The maps that treat each token by itself, 12nD², are work, too."
)
_HIDDEN_LEFT = "You let the encoder see the hidden patches. It sees the others: K = round((1 − r)N)."
_BELOW = "You divided the other way round: the saving is a number above 1."


def _check_saving(saving: Callable[[int, int, float], Any]) -> None:
    def cost(n: float, width: int) -> float:
        return 12 * n * width**2 + 2 * n**2 * width

    for count, width, ratio in (
        (16, 8, 0.75),
        (196, 768, 0.75),
        (10, 64, 0.9),
        (4096, 32, 0.6),
        (50, 192, 0.62),
    ):
        kept = round((1 - ratio) * count)
        found, right = plain(saving(count, width, ratio)), cost(count, width) / cost(kept, width)
        if close(found / right, 1.0, 1e-6):
            continue
        expect(not close(found * right, 1.0), _BELOW)
        expect(not close(found * kept / count, 1.0), _ONLY_LINEAR)
        expect(not close(found * kept**2 / count**2, 1.0), _ONLY_SQUARE)
        expect(not close(found, cost(count, width) / cost(count - kept, width)), _HIDDEN_LEFT)
        unrounded = cost(count, width) / cost((1 - ratio) * count, width)
        expect(
            not close(found / unrounded, 1.0),
            f"Patches are whole: of {count} at ratio {ratio} {kept} stay, rounded.",
        )
        raise NotYet(
            f"For {count} patches, width {width}, ratio {ratio} it is {right:.3f}, eq. (5.10); yours is {found:.3f}."
        )


_SAVING = Exercise(
    number="5.10",
    title="What hiding saves",
    level=1,
    minutes=10,
    answer="saving",
    hints=(
        "Which part of a block's work grows with the number of patches, and which with its square?",
        "Write (5.10) as a function of n and divide its value for all patches by that for the visible ones.",
        "return 12 * n * width**2 + 2 * n**2 * width",
    ),
    check=_check_saving,
    stub='''
def saving(count, width, ratio):
    """How many times less work a block of the encoder has on visible patches than on
    all count patches, eq. (5.10).
    """
    raise NotImplementedError
''',
    solution='''
def saving(count, width, ratio):
    """How many times less work a block of the encoder has on visible patches than on
    all count patches, eq. (5.10).
    """
    def work(n):
        return 12 * n * width**2 + 2 * n**2 * width

    return work(count) / work(round((1 - ratio) * count))
''',
    wrong=(
        Wrong(_ONLY_LINEAR, edit=(" + 2 * n**2 * width", "")),
        Wrong(_ONLY_SQUARE, edit=("12 * n * width**2 + ", "")),
        Wrong(
            _BELOW,
            edit=(
                "work(count) / work(round((1 - ratio) * count))",
                "work(round((1 - ratio) * count)) / work(count)",
            ),
        ),
        Wrong(_HIDDEN_LEFT, edit=("(1 - ratio) * count", "ratio * count")),
        Wrong("Patches are whole", edit=("round((1 - ratio) * count)", "(1 - ratio) * count")),
        Wrong("For 16 patches", edit=("12 *", "4 *")),
        Wrong("For 4096 patches", edit=("round(", "math.ceil(")),
    ),
    also_right=(
        Right(
            code="""
            def saving(count, width, ratio):
                kept = count - round(ratio * count)
                return torch.tensor(count / kept * (6 * width + count) / (6 * width + kept))
            """
        ),
    ),
)

# --- 5.11 ------------------------------------------------------------------------------------------------

_ONE_DIMENSION = (
    "You number the patches in one row, so that the end of one line is a neighbour of the start of the next: half of "
    "the numbers are for the row, half for the column."
)
_BY_COLUMNS = "Your places go column after column: place n is in row n // columns."
_FREQUENCIES = "Your waves have other frequencies: ω_k = 10000^(−4k/D), and D/4 of them for each direction."
_ONLY_SINES = (
    "Some positions are longer than others, so no rotation leads there: sine *and* cosine of every angle."
)


def _check_positions(positions: Callable[[int, int, int], Any]) -> None:
    def like(at: Callable[[Tensor], tuple[Tensor, Tensor]], count: int, width: int, power: float) -> Tensor:
        """Products of all pairs of places, eq. (5.8), when place n stands where `at` says."""
        row, column = at(torch.arange(count))
        omega = 10_000.0 ** (-power * torch.arange(width // 4) / width)
        # mypy: a sum of tensors may be 0 for it, if there are none
        return sum(((t[:, None] - t)[..., None] * omega).cos().sum(2) for t in (row, column))  # type: ignore[return-value]

    for rows, columns, width in ((3, 5, 16), (4, 2, 8), (6, 7, 64), (2, 400, 16)):
        count = rows * columns
        found = positions(rows, columns, width)
        shape = tuple(found.shape) if isinstance(found, Tensor) else None
        expect(shape == (count, width), f"Return one position a place: shape {(count, width)}.")
        found = found.float()

        def by_rows(n: Tensor, columns: int = columns) -> tuple[Tensor, Tensor]:
            return n // columns, n % columns

        def by_columns(n: Tensor, rows: int = rows) -> tuple[Tensor, Tensor]:
            return n % rows, n // rows

        # the order of the numbers in a position is yours: only products are compared
        products, right = found @ found.T, like(by_rows, count, width, 4)
        if close(products, right):
            continue
        expect(not close(products, like(by_columns, count, width, 4)), _BY_COLUMNS)
        for power in (1, 2, 8):
            expect(not close(products, like(by_rows, count, width, power)), _FREQUENCIES)
        line = 10_000.0 ** (-2 * torch.arange(width // 2) / width)
        angles = torch.arange(count)[:, None] * line
        in_line = torch.cat([angles.sin(), angles.cos()], dim=1)
        expect(not close(products, in_line @ in_line.T), _ONE_DIMENSION)
        expect(
            close(products.diagonal(), products[0, 0].expand(count)),
            _ONLY_SINES,
        )
        raise NotYet(
            "The product of two positions is not that of eq. (5.8): half a position for the row, half for the column."
        )


_POSITIONS = Exercise(
    number="5.11",
    title="Where a patch comes from",
    level=3,
    minutes=20,
    answer="positions",
    hints=(
        "How do you get row and column from a running number, when the grid is not square?",
        "Divide by the number of columns, with remainder; give half of the width to the row and half to the column.",
        "row, column = n // columns * omega, n % columns * omega",
    ),
    check=_check_positions,
    stub='''
def positions(rows, columns, width):
    """Fixed positions of a grid of patches, eq. (5.7): (rows·columns, width), row after
    row; width is 4, 8, 12, ...
    """
    raise NotImplementedError
''',
    solution='''
def positions(rows, columns, width):
    """Fixed positions of a grid of patches, eq. (5.7): (rows·columns, width), row after
    row; width is 4, 8, 12, ...
    """
    omega = 10_000.0 ** (-4 * torch.arange(width // 4) / width)
    n = torch.arange(rows * columns)[:, None]
    row, column = n // columns * omega, n % columns * omega
    return torch.cat([row.sin(), row.cos(), column.sin(), column.cos()], dim=1)
''',
    wrong=(
        Wrong(
            _ONE_DIMENSION,
            code="""
            def positions(rows, columns, width):
                omega = 10_000.0 ** (-2 * torch.arange(width // 2) / width)
                angle = torch.arange(rows * columns)[:, None] * omega
                return torch.cat([angle.sin(), angle.cos()], dim=1)
            """,
        ),
        Wrong(
            _BY_COLUMNS,
            edit=("n // columns * omega, n % columns * omega", "n % rows * omega, n // rows * omega"),
        ),
        Wrong(_FREQUENCIES, edit=("-4 * torch", "-2 * torch")),
        Wrong(
            _ONLY_SINES,
            edit=("row.cos(), column.sin(), column.cos()", "row.sin(), column.sin(), column.sin()"),
        ),
        Wrong("The product of two positions is not", edit=("n % columns * omega", "n // columns * omega")),
        Wrong("Return one position a place", edit=("row.cos(), column.sin(), column.cos()", "column.sin()")),
    ),
    also_right=(
        # sine beside its cosine, the column first
        Right(
            code="""
            def positions(rows, columns, width):
                made = torch.zeros(rows * columns, width)
                for n in range(rows * columns):
                    for half, t in enumerate((n % columns, n // columns)):
                        for k in range(width // 4):
                            angle = t * 10_000 ** (-4 * k / width)
                            at = half * width // 2 + 2 * k
                            made[n, at], made[n, at + 1] = math.sin(angle), math.cos(angle)
                return made
            """
        ),
    ),
)

# --- 5.12 ------------------------------------------------------------------------------------------------

_TABLE = (
    "For {n} tokens you made a tensor of {most} numbers: that is a table of all pairs. Go through keys and values in "
    "blocks and keep, for each query, the largest score, the sum of weights and the weighted sum of values so far."
)
_BLOCKS_APART = (
    "Each of your blocks has a softmax of its own. The weights must add up to one over *all* keys."
)
_NOT_RESCALED = (
    "When a later block holds a larger score, what you have added up so far must be scaled down by e^(old largest − "
    "new largest)."
)
_OVERFLOW = (
    "With large scores your result is not finite: subtract the largest score so far before you exponentiate."
)


def _check_stream(stream: Callable[[Tensor, Tensor, Tensor, int], Any]) -> None:
    for n, d, size, loud in (
        (6, 4, 2, 1.0),
        (10, 3, 4, 1.0),
        (7, 5, 7, 1.0),
        (9, 4, 1, 40.0),
        (11, 4, 4, 40.0),  # large and small scores in one block
        (400, 8, 50, 1.0),
    ):
        q, k, v = (random(n, d, seed=s) for s in range(3))
        q, k = q * loud, k * loud
        if n == 9:
            k = k[(q.sum(0) @ k.T).argsort()]  # scores tend to grow on the way
        scores = q @ k.T / math.sqrt(d)
        right = scores.softmax(1) @ v
        with _Seen() as seen:
            found = stream(q, k, v, size)
        shape = tuple(found.shape) if isinstance(found, Tensor) else None
        expect(shape == (n, d), f"Return one row for each query: shape {(n, d)}.")
        expect(bool(torch.isfinite(found).all()), _OVERFLOW)
        if close(found, right, 1e-3):
            most = max(math.prod(shape) for shape in seen.shapes)
            expect(n < 400 or most < n * n // 2, _TABLE.format(n=n, most=most))
            continue
        blocks = list(zip(scores.split(size, 1), v.split(size), strict=True))
        apart = sum(s.softmax(1) @ values for s, values in blocks)
        expect(not close(found, apart) and not close(found, apart / len(blocks)), _BLOCKS_APART)
        largest = torch.stack([s.amax(1) for s, _ in blocks]).cummax(0).values
        weights = [(s - most[:, None]).exp() for (s, _), most in zip(blocks, largest, strict=True)]
        unscaled = sum(w @ values for w, (_, values) in zip(weights, blocks, strict=True))
        total = sum(w.sum(1, keepdim=True) for w in weights)
        expect(not close(found, unscaled / total, 1e-3), _NOT_RESCALED)
        raise NotYet(f"For {n} tokens in blocks of {size} the result is not softmax(QKᵀ/√d)V.")


_STREAM = Exercise(
    number="5.12",
    title="Attention without the table",
    level=5,
    minutes=45,
    answer="stream",
    hints=(
        "If the largest score grows, by which factor were the earlier sums taken too large?",
        "Multiply the old sums by exp(old largest − new largest) before you add the new block.",
        "shrink, weights = (largest - new).exp(), (scores - new).exp()",
    ),
    check=_check_stream,
    stub='''
def stream(query, key, value, size):
    """softmax(QKᵀ/√d)V for query, key, value (n, d), never holding more scores than
    n·size: keys in blocks of size.
    """
    raise NotImplementedError
''',
    solution='''
def stream(query, key, value, size):
    """softmax(QKᵀ/√d)V for query, key, value (n, d), never holding more scores than
    n·size: keys in blocks of size.
    """
    n, d = query.shape
    largest = torch.full((n, 1), -torch.inf)
    total, mixed = torch.zeros(n, 1), torch.zeros(n, d)
    for keys, values in zip(key.split(size), value.split(size)):
        scores = query @ keys.T / d**0.5
        new = torch.maximum(largest, scores.amax(1, keepdim=True))
        shrink, weights = (largest - new).exp(), (scores - new).exp()
        total = shrink * total + weights.sum(1, keepdim=True)
        mixed = shrink * mixed + weights @ values
        largest = new
    return mixed / total
''',
    wrong=(
        Wrong(
            "For 400 tokens you made",
            code="""
            def stream(query, key, value, size):
                return (query @ key.T / math.sqrt(query.shape[1])).softmax(1) @ value
        """,
        ),
        Wrong(
            _BLOCKS_APART,
            code="""
            def stream(query, key, value, size):
                parts = [
                    (query @ k.T / math.sqrt(query.shape[1])).softmax(1) @ v
                    for k, v in zip(key.split(size), value.split(size))
                ]
                return sum(parts) / len(parts)
        """,
        ),
        Wrong(_NOT_RESCALED, edit=("(largest - new).exp(), (scores", "1.0, (scores")),
        Wrong(
            _OVERFLOW,
            edit=("new = torch.maximum(largest, scores.amax(1, keepdim=True))", "new = torch.zeros(n, 1)"),
        ),
        Wrong(_OVERFLOW, edit=("scores.amax(1", "scores.amin(1")),
        Wrong("For 6 tokens in blocks of 2", edit=(" / d**0.5", "")),
        Wrong("Return one row", edit=("return mixed / total", "return mixed.sum(1) / total.sum(1)")),
    ),
    also_right=(
        # one query after the other
        Right(
            code="""
            def stream(query, key, value, size):
                return torch.stack([(key @ q / math.sqrt(len(q))).softmax(0) @ value for q in query])
            """
        ),
        Right(
            code="""
            def stream(query, key, value, size):
                d = query.shape[1]
                starts = range(0, len(key), size)
                most = torch.stack([(query @ key[i : i + size].T).amax(1) for i in starts]).amax(0)[:, None]
                total, mixed = 0, 0
                for i in starts:
                    weights = ((query @ key[i : i + size].T - most) / d**0.5).exp()
                    total, mixed = total + weights.sum(1, keepdim=True), mixed + weights @ value[i : i + size]
                return mixed / total
            """
        ),
    ),
)

EXERCISES = (
    _PATCHES,
    _MASKING,
    _UNSHUFFLE,
    _VISIBLE,
    _LOSS,
    _IDENTITIES,
    _STUDY,
    _ANOMALY,
    _ATTEND,
    _SAVING,
    _POSITIONS,
    _STREAM,
)
