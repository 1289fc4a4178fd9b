"""Vision transformer: a picture as a sequence of patches, an encoder that may see some of them, and a decoder.

Written from the papers: Dosovitskiy et al., 2021 (the vision transformer), Vaswani et al., 2017 (attention, sine
and cosine positions) and He et al., 2022 (the masked autoencoder's asymmetric pair).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.errors import (
    need_generator,
    need_input,
    need_kind,
    need_number,
    need_one_of,
    need_same_device,
    need_same_shape,
    need_shape,
    need_size,
    need_sizes,
    need_tensor,
    need_whole,
    on_cpu,
)

__all__ = [
    "TransformerBlock",
    "ViTDecoder",
    "ViTEncoder",
    "attention",
    "block_multiplications",
    "fill_and_restore",
    "patchify",
    "random_masking",
    "sincos_positions",
    "split_by_mask",
    "unpatchify",
]

# ---- patches -------------------------------------------------------------------------------------------


def patchify(images: Tensor, size: int) -> Tensor:
    """Cut pictures into square patches, eq. (5.4), row after row from the top left.

    Args:
        images: shape (B, C, H, W).
        size: side p of a patch in pixels; it must divide H and W.

    Returns:
        Shape (B, N, p·p·C) with N = HW/p². Within a patch: rows, then columns, then channels.

    Raises:
        ValueError: images is no batch of pictures, or size does not divide their sides.
    """
    need_tensor("images", images, "(B, C, H, W)", kind="any", empty=True)
    need_size("size", size)
    batch, channels, height, width = images.shape
    if height % size or width % size:
        raise ValueError(
            f"size is {size}: pictures of {height}×{width} pixels need a patch side that divides both, one of "
            f"{', '.join(map(str, _divisors(math.gcd(height, width))))}."
        )
    rows, columns = height // size, width // size
    cut = images.reshape(batch, channels, rows, size, columns, size)
    # (B, C, row, i, column, j) -> (B, row, column, i, j, C): without this permute the shape would be right
    # and every patch would hold pixels from all over the picture
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(batch, rows * columns, size * size * channels)


def unpatchify(patches: Tensor, size: int, channels: int, grid: tuple[int, int] | None = None) -> Tensor:
    """Put patches back together: the exact inverse of `patchify`, eq. (5.4).

    Args:
        patches: shape (B, N, p·p·C).
        size: side p of a patch in pixels.
        channels: how many a pixel has, C.
        grid: rows and columns of patches, (H/p, W/p). 16 patches may be 4×4 or 2×8, which the patches do not
            say: without a grid the picture is square.

    Returns:
        Shape (B, C, H, W).

    Raises:
        ValueError: the last side of patches is not p·p·C, or N patches do not fill the grid.
    """
    need_size("size", size)
    need_size("channels", channels)
    need_tensor("patches", patches, "(B, N, n)", kind="any", empty=True)
    if patches.shape[2] != size * size * channels:
        raise ValueError(
            f"patches has shape {tuple(patches.shape)}: give (B, N, {size * size * channels}) for size={size} "
            f"and channels={channels}."
        )
    if grid is not None and len(need_sizes("grid", grid, 2)) > 2:
        raise ValueError(f"grid is {grid}: give (H / size, W / size).")
    batch, count, _ = patches.shape
    rows, columns = (math.isqrt(count), math.isqrt(count)) if grid is None else grid
    if rows * columns != count:
        wrong = "no square number" if grid is None else f"not {rows}·{columns}"
        raise ValueError(f"patches has {count} patches a picture, {wrong}: give grid=(H / size, W / size).")
    cut = patches.reshape(batch, rows, columns, size, size, channels)
    return cut.permute(0, 5, 1, 3, 2, 4).reshape(batch, channels, rows * size, columns * size)


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


# ---- masking -------------------------------------------------------------------------------------------


def random_masking(
    tokens: Tensor, ratio: float, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Keep a random subset of each picture's tokens, eq. (5.5), all subsets of its size equally likely.

    One random number a token, sorted: the first K = round((1 − ratio)·N) places of the order are kept. K is
    rounded, not cut off: in floating point (1 − 0.9)·10 is a little less than 1, and `int` would keep nothing.

    Args:
        tokens: shape (B, N, D).
        ratio: share of tokens to remove, 0 ≤ ratio < 1.
        generator: of the order; torch's own when not given.

    Returns:
        The tokens that are kept, in random order, shape (B, K, D); the mask, 1 where a token was removed and 0
        where it was kept, shape (B, N), the type of tokens; and `restore`, shape (B, N): of all tokens with the
        kept ones in front, the one that belongs in place n is number restore[n], see `fill_and_restore`. The
        places of the kept ones are restore.argsort(1)[:, :K].

    Raises:
        ValueError: ratio is not in [0, 1), or so large that no token would be left.
    """
    need_tensor("tokens", tokens, "(B, N, D)", kind="any", empty=True)
    need_number("ratio", ratio)
    need_generator("generator", generator)
    batch, count, _ = tokens.shape
    kept = round((1 - ratio) * count) if 0 <= ratio < 1 else 0
    if kept < 1:
        raise ValueError(
            f"ratio is {ratio}: of {count} tokens none would be left; give at least 0 and less than "
            f"{1 - 0.5 / count:.3g}."
        )
    where = tokens.device if generator is None else generator.device
    noise = torch.rand(batch, count, generator=generator, device=where).to(tokens.device)
    order = noise.argsort(1)
    restore = order.argsort(1)
    mask = (restore >= kept).to(tokens.dtype)  # place n comes in front of the cut exactly if it is kept
    return _gather(tokens, order[:, :kept]), mask, restore


def split_by_mask(tokens: Tensor, mask: Tensor, kept: int | None = None) -> tuple[Tensor, Tensor]:
    """Keep the tokens that a given mask leaves: `random_masking` for a mask of one's own.

    Args:
        tokens: shape (B, N, D).
        mask: 1 (or True) where a token is to be removed, shape (B, N); the same number in every row.
        kept: K, how many tokens each row keeps. When not given, it is read from the mask, which waits for its
            device.

    Returns:
        visible: the kept tokens in their order, shape (B, K, D).
        restore: as in `random_masking`, shape (B, N).

    Raises:
        ValueError: mask has another shape, or its rows remove different numbers of tokens.
    """
    need_tensor("tokens", tokens, "(B, N, D)", kind="any")
    need_tensor("mask", mask, kind="any")
    need_same_device("mask", mask, "tokens", tokens)
    if mask.shape != tokens.shape[:2]:
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}: give {tuple(tokens.shape[:2])}, one for each of tokens."
        )
    count = mask.shape[1]
    if kept is not None:
        need_whole("kept", kept, 0, count)
    if kept is None or on_cpu(mask):
        removed = mask.bool().sum(1)
        least, most = int(removed.min()), int(removed.max())
        if least != most:
            raise ValueError(
                f"mask removes between {least} and {most} tokens a picture: remove the same number from each "
                "picture of a batch."
            )
        if kept is not None and kept != count - most:
            raise ValueError(
                f"kept is {kept}: this mask keeps {count - most} tokens of each picture, give that."
            )
        kept = count - most
    order = mask.bool().to(torch.uint8).argsort(dim=1, stable=True)  # kept tokens first
    return _gather(tokens, order[:, :kept]), order.argsort(1)


def fill_and_restore(visible: Tensor, mask_token: Tensor, restore: Tensor) -> Tensor:
    """Every token back in its place, a mask token where one was removed, eq. (5.6).

    Args:
        visible: shape (B, K, D).
        mask_token: the one vector that stands for every removed token, shape (D,).
        restore: shape (B, N), from `random_masking` or `split_by_mask`.

    Returns:
        Shape (B, N, D).

    Raises:
        ValueError: the shapes do not fit, or restore is no order of N places.
    """
    need_tensor("visible", visible, "(B, K, D)")
    need_tensor("mask_token", mask_token, f"({visible.shape[2]},)")
    need_same_device("mask_token", mask_token, "visible", visible)
    _need_order(visible, "visible", restore)
    batch, count = restore.shape
    missing = mask_token.to(visible.dtype).expand(batch, count - visible.shape[1], -1)
    return _gather(torch.cat([visible, missing], dim=1), restore)


def _need_order(tokens: Tensor, name: str, restore: Tensor, count: int | None = None) -> None:
    """An order of N places for each picture, and no more tokens than places."""
    need_tensor("restore", restore, kind="whole")
    need_same_device("restore", restore, name, tokens)
    if restore.dtype != torch.int64 or restore.dim() != 2 or len(restore) != len(tokens):
        raise ValueError(
            f"restore is {restore.dtype} of shape {tuple(restore.shape)}: give int64 of shape ({len(tokens)}, N), "
            f"one order of the places for each picture of {name}."
        )
    places = restore.shape[1]
    if tokens.shape[1] > places or (count is not None and places != count):
        raise ValueError(
            f"restore has {places} places for {tokens.shape[1]} of {name}: give one place for each patch of the "
            f"picture{'' if count is None else f', {count}'}."
        )
    if on_cpu(restore) and not 0 <= int(restore.min()) <= int(restore.max()) < places:
        raise ValueError(
            f"restore goes from {int(restore.min())} to {int(restore.max())}: give the places 0 to {places - 1}."
        )


def _gather(tokens: Tensor, index: Tensor) -> Tensor:
    """Tokens (B, N, D) at places (B, K), so (B, K, D)."""
    return tokens.gather(1, index[:, :, None].expand(-1, -1, tokens.shape[2]))


# ---- positions -----------------------------------------------------------------------------------------


def sincos_positions(rows: int, columns: int, width: int) -> Tensor:
    """Fixed positions of the patches in a grid, eq. (5.7): half of the numbers tell the row, half the column.

    Each half holds sin(ω_k·t) for all k, then cos(ω_k·t), with ω_k = 10000^(−4k/width), k = 0 … width/4 − 1. A
    shift by s turns each pair (sin, cos) by the angle ω_k·s, so the product of two positions depends on
    the two differences alone, of rows and of columns, eq. (5.8).

    Args:
        rows: of the grid.
        columns: of the grid.
        width: numbers in a position, a multiple of 4.

    Returns:
        Shape (rows·columns, width), row after row.

    Raises:
        ValueError: width is not a positive multiple of 4.
    """
    need_size("rows", rows)
    need_size("columns", columns)
    need_size("width", width)
    if width % 4:
        raise ValueError(f"width is {width}: give a multiple of 4, a sine and a cosine for row and column.")
    quarter = width // 4
    omega = 10_000.0 ** (-torch.arange(quarter, dtype=torch.float64) / quarter)

    def along(count: int) -> Tensor:
        angle = torch.arange(count, dtype=torch.float64)[:, None] * omega
        return torch.cat([angle.sin(), angle.cos()], dim=1)

    row = along(rows)[:, None].expand(rows, columns, -1)
    column = along(columns)[None].expand(rows, columns, -1)
    return torch.cat([row, column], dim=2).reshape(rows * columns, width).float()


# ---- the transformer -----------------------------------------------------------------------------------


def attention(query: Tensor, key: Tensor, value: Tensor, written_out: bool | None = None) -> Tensor:
    """softmax(QKᵀ/√d)·V, eq. (5.9): every token takes a weighted mean of all values.

    Args:
        query: shape (B, heads, N, d).
        key: the same shape.
        value: the same shape.
        written_out: whether to compute the formula as it stands, or by torch's fused kernel. When not given: the
            kernel, except in bfloat16 on a CPU, where its backward pass is the slower one.

    Raises:
        ValueError: the shapes differ, or the types of their numbers do.
    """
    need_tensor("query", query, "(B, heads, N, d)", empty=True)
    need_kind("written_out", written_out, (bool, type(None)), "True, False, or None for the usual choice")
    for name, part in (("key", key), ("value", value)):
        need_tensor(name, part, empty=True)
        need_same_shape("query", query, name, part)
        need_same_device("query", query, name, part)
        if part.dtype != query.dtype:
            raise TypeError(f"{name} is {part.dtype} and query {query.dtype}: give {name}.to({query.dtype}).")
    if written_out is None:
        written_out = query.device.type == "cpu" and query.dtype == torch.bfloat16
    if written_out:
        weights = (query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5).softmax(-1)
        return weights.to(value.dtype) @ value
    return F.scaled_dot_product_attention(query, key, value)


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor, written_out: bool | None = None) -> Tensor:
        batch, count, width = x.shape
        parts = self.qkv(x).reshape(batch, count, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = attention(query, key, value, written_out)
        return self.proj(mixed.transpose(1, 2).reshape(batch, count, width))


class TransformerBlock(nn.Module):
    """Attention between tokens, then a small network for each token, both added to what came in.

    Args:
        width: numbers in a token.
        heads: attention heads; they divide the width.

    Raises:
        ValueError: heads does not divide width.
    """

    written_out: bool | None = None  # of `attention`; None for the usual choice

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        need_size("width", width)
        need_size("heads", heads)
        if width % heads:
            raise ValueError(f"heads is {heads}: give a number that divides the width {width}.")
        self.norm1, self.attn = nn.LayerNorm(width, eps=1e-6), _Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) to (B, N, width)."""
        need_input("x", x, f"(B, N, {self.norm1.normalized_shape[0]})", self)
        x = x + self.attn(self.norm1(x), self.written_out)
        return x + self.mlp(self.norm2(x))


def block_multiplications(tokens: int, width: int) -> int:
    """Multiplications of one `TransformerBlock` for one picture, eq. (5.10): 12nD² + 2n²D.

    Queries, keys, values and the output map take 4nD², the small network for each token 8nD²; the table QKᵀ and
    its product with V take n²D each. (Vaswani et al., 2017, table 1, has the two orders of growth.)

    Args:
        tokens: n, how many tokens the block sees.
        width: D, numbers in a token.

    Raises:
        TypeError, ValueError: an argument is no whole number of at least 1.
    """
    need_size("tokens", tokens)
    need_size("width", width)
    return 12 * tokens * width**2 + 2 * tokens**2 * width


class ViTEncoder(nn.Module):
    """A vision transformer that looks at the patches it is handed, all of them or a few.

    Args:
        shape: (C, H, W) of a picture.
        patch: side of a patch in pixels; it divides H and W.
        width: numbers in a token, a multiple of 4.
        depth: how many blocks.
        heads: attention heads; they divide the width.
        class_token: whether one learnt token is put in front of the patches' tokens.
        mask_token: whether removed patches come in as mask tokens instead of not at all.

    Raises:
        ValueError: a size does not divide another; the message says which.
    """

    positions: Tensor

    def __init__(
        self,
        shape: tuple[int, int, int],
        patch: int,
        width: int,
        depth: int,
        heads: int,
        *,
        class_token: bool = False,
        mask_token: bool = False,
    ) -> None:
        super().__init__()
        rows, columns = _grid(shape, patch)
        need_size("width", width)
        need_size("depth", depth, least=0)
        self.shape, self.patch, self.width = shape, patch, width
        self.embed = nn.Linear(patch * patch * shape[0], width)
        self.register_buffer("positions", sincos_positions(rows, columns, width), persistent=False)
        self.class_token = nn.Parameter(torch.zeros(width)) if class_token else None
        self.mask_token = nn.Parameter(torch.zeros(width)) if mask_token else None
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        _init(self)

    def forward(self, patches: Tensor, restore: Tensor | None = None) -> Tensor:
        """Visible patches to tokens.

        Args:
            patches: shape (B, K, p·p·C).
            restore: which patches they are, shape (B, N), see `random_masking`. Not needed for all patches
                in their order.

        Returns:
            Shape (B, K, width), the class token in front if there is one; (B, N, width) in the picture's
            order if mask tokens come in.
        """
        count = len(self.positions)
        numbers = self.embed.in_features
        need_input("patches", patches, f"(B, {count if restore is None else 'K'}, {numbers})", self)
        if restore is not None:
            _need_order(patches, "patches", restore, count)
        tokens = self.embed(patches)
        if restore is None:
            tokens = tokens + self.positions
        elif self.mask_token is None:
            tokens = tokens + self.positions[restore.argsort(1)[:, : patches.shape[1]]]
        else:
            tokens = fill_and_restore(tokens, self.mask_token, restore) + self.positions
        if self.class_token is not None:
            tokens = torch.cat([self.class_token.to(tokens.dtype).expand(len(tokens), 1, -1), tokens], dim=1)
        return self.norm(self.blocks(tokens))

    def features(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the mean of their patches' tokens, (B, width); nothing is masked."""
        need_input("x", x, f"(B, {', '.join(map(str, self.shape))})", self)
        tokens = self(patchify(x, self.patch))
        return tokens[:, 0 if self.class_token is None else 1 :].mean(1)

    def export(self, layout: str = "timm") -> dict[str, Tensor]:
        """The weights under the names that another library's vision transformer has for them.

        Load them with `load_state_dict(..., strict=False)`: only its classifier head is left as it was. The
        other model needs the same sizes, LayerNorms with eps 1e-6 and, for "torchvision", a class token.

        Args:
            layout: "timm" or "torchvision".

        Raises:
            ValueError: there is no such layout, or torchvision's needs a class token that is not there.
        """
        need_one_of("layout", layout, ("timm", "torchvision"))
        if layout == "torchvision" and self.class_token is None:
            raise ValueError("layout is 'torchvision', which has a class token: build with class_token=True.")
        channels, width = self.shape[0], self.width
        # a convolution whose stride is its kernel is the same linear map, its channels in front
        kernel = self.embed.weight.reshape(width, self.patch, self.patch, channels).permute(0, 3, 1, 2)
        positions, names = self.positions, _NAMES[layout]
        found: dict[str, Tensor] = {}
        if self.class_token is not None:
            positions = torch.cat([torch.zeros_like(positions[:1]), positions])
            found[names["class"]] = self.class_token[None, None]
        found[names["embed"] + ".weight"], found[names["embed"] + ".bias"] = kernel, self.embed.bias
        found[names["positions"]] = positions[None]
        for name, value in self.state_dict().items():
            place, _, rest = name.partition(".")
            if place == "norm":
                found[f"{names['norm']}.{rest}"] = value
            elif place == "blocks":
                number, part = rest.split(".", 1)
                layer, _, kind = part.rpartition(".")
                other = names[layer]
                joint = "_" if other.endswith("in_proj") else "."
                found[f"{names['block']}{number}.{other}{joint}{kind}"] = value
        return {name: value.detach().clone() for name, value in found.items()}


_NAMES = {
    "timm": {
        "class": "cls_token",
        "embed": "patch_embed.proj",
        "positions": "pos_embed",
        "norm": "norm",
        "block": "blocks.",
        "norm1": "norm1",
        "attn.qkv": "attn.qkv",
        "attn.proj": "attn.proj",
        "norm2": "norm2",
        "mlp.0": "mlp.fc1",
        "mlp.2": "mlp.fc2",
    },
    "torchvision": {
        "class": "class_token",
        "embed": "conv_proj",
        "positions": "encoder.pos_embedding",
        "norm": "encoder.ln",
        "block": "encoder.layers.encoder_layer_",
        "norm1": "ln_1",
        "attn.qkv": "self_attention.in_proj",
        "attn.proj": "self_attention.out_proj",
        "norm2": "ln_2",
        "mlp.0": "mlp.0",
        "mlp.2": "mlp.3",
    },
}


class ViTDecoder(nn.Module):
    """From the encoder's tokens to a prediction of every patch; mask tokens stand in for removed ones.

    Args:
        shape: (C, H, W) of a picture.
        patch: side of a patch in pixels; it divides H and W.
        code_width: numbers in one of the encoder's tokens.
        width: numbers in one of its own, a multiple of 4.
        depth: how many blocks.
        heads: attention heads; they divide the width.
        class_token: whether the encoder's class token stands in front.
        mask_token: whether removed patches are filled in here; False if they already were in the encoder.

    Raises:
        ValueError: a size does not divide another; the message says which.
    """

    positions: Tensor

    def __init__(
        self,
        shape: tuple[int, int, int],
        patch: int,
        code_width: int,
        width: int,
        depth: int,
        heads: int,
        *,
        class_token: bool = False,
        mask_token: bool = True,
    ) -> None:
        super().__init__()
        rows, columns = _grid(shape, patch)
        need_size("code_width", code_width)
        need_size("width", width)
        need_size("depth", depth, least=0)
        self.class_token = class_token
        self.embed = nn.Linear(code_width, width)
        self.register_buffer("positions", sincos_positions(rows, columns, width), persistent=False)
        self.mask_token = nn.Parameter(torch.zeros(width)) if mask_token else None
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, patch * patch * shape[0])
        _init(self)

    def forward(self, tokens: Tensor, restore: Tensor) -> Tensor:
        """The encoder's tokens (B, K, code_width), or (B, N, code_width), to patches (B, N, p·p·C).

        Args:
            tokens: of the visible patches, or of all if mask tokens came in at the encoder.
            restore: shape (B, N), from `random_masking`.
        """
        count, first = len(self.positions), 1 if self.class_token else 0
        need_input("tokens", tokens, f"(B, K, {self.embed.in_features})", self)
        _need_order(tokens[:, first:], "tokens", restore, count)
        if self.mask_token is None and tokens.shape[1] != count + first:
            raise ValueError(
                f"tokens has shape {tuple(tokens.shape)}: without mask tokens give {count + first}."
            )
        tokens = self.embed(tokens)
        front, tokens = tokens[:, :first], tokens[:, first:]
        if self.mask_token is not None:
            tokens = fill_and_restore(tokens, self.mask_token, restore)
        tokens = torch.cat([front, tokens + self.positions], dim=1)
        return self.head(self.norm(self.blocks(tokens))[:, first:])


def _grid(shape: tuple[int, int, int], patch: int) -> tuple[int, int]:
    """Rows and columns of patches."""
    _, height, width = need_shape("shape", shape)
    need_size("patch", patch)
    if height % patch or width % patch:
        fitting = ", ".join(map(str, _divisors(math.gcd(height, width))))
        raise ValueError(f"patch is {patch}: sides of {height} and {width} pixels need one of {fitting}.")
    return height // patch, width // patch


def _init(network: nn.Module) -> None:
    """Start linear layers by Glorot & Bengio (2010) with zero biases, and the learnt tokens near zero."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    for name, parameter in network.named_parameters():
        if name.endswith("_token"):
            nn.init.normal_(parameter, std=0.02)
