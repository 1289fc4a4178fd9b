"""Patches, masks, positions and the transformer, against torch's own and an independent vision transformer."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer as TimmTransformer
from torch import Tensor
from torchvision.models.vision_transformer import VisionTransformer

from gencourse.networks import (
    TransformerBlock,
    ViTDecoder,
    ViTEncoder,
    attention,
    fill_and_restore,
    patchify,
    random_masking,
    sincos_positions,
    split_by_mask,
    unpatchify,
    vit,
)

SHAPE = (1, 28, 28)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed))


def small(**options) -> ViTEncoder:
    torch.manual_seed(0)
    network = ViTEncoder(**{"shape": SHAPE, "patch": 7, "width": 16, "depth": 2, "heads": 2, **options})
    with torch.no_grad():  # what starts at 0 or 1 would hide a mistake
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return network


# ---- patches -----------------------------------------------------------------------------------------


@pytest.mark.equation("5.4")
@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, 28, 28), 4), ((3, 32, 32), 8), ((3, 256, 256), 16), ((2, 6, 6), 1), ((1, 16, 64), 8)],
)
def test_unpatchify_is_the_exact_inverse(shape: tuple[int, int, int], size: int) -> None:
    x = random(2, *shape)
    patches = patchify(x, size)
    grid = shape[1] // size, shape[2] // size
    assert patches.shape == (2, grid[0] * grid[1], size * size * shape[0])
    assert torch.equal(unpatchify(patches, size, shape[0], grid), x)
    assert torch.equal(patchify(unpatchify(patches, size, shape[0], grid), size), patches)
    if shape[1] == shape[2]:
        assert torch.equal(unpatchify(patches, size, shape[0]), x)


@pytest.mark.equation("5.4")
def test_a_patch_holds_its_square_rows_then_columns_then_channels() -> None:
    x = random(2, 3, 8, 12)
    patches = patchify(x, 4)
    for n in range(6):
        top, left = 4 * (n // 3), 4 * (n % 3)
        square = x[:, :, top : top + 4, left : left + 4]
        assert torch.equal(patches[:, n], square.permute(0, 2, 3, 1).flatten(1))


def test_patches_are_those_of_torchs_unfold() -> None:
    """The same squares; unfold has the channels first in each."""
    x = random(2, 3, 28, 28)
    theirs = F.unfold(x, kernel_size=7, stride=7).transpose(1, 2).unflatten(2, (3, 49))
    assert torch.equal(patchify(x, 7), theirs.transpose(2, 3).flatten(2))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: patchify(torch.zeros(3, 28, 28), 7), r"images has shape \(3, 28, 28\)"),
        (lambda: patchify(torch.zeros(1, 1, 28, 28), 5), r"size is 5: .*one of 1, 2, 4, 7, 14, 28\."),
        (lambda: patchify(torch.zeros(1, 1, 28, 28), 0), "size is 0"),
        (lambda: unpatchify(torch.zeros(1, 4, 48), 4, 1), r"give \(B, N, 16\) for size=4"),
        (lambda: unpatchify(torch.zeros(1, 5, 16), 4, 1), "patches has 5 patches"),
        (lambda: sincos_positions(2, 2, 6), "width is 6: give a multiple of 4"),
        (lambda: TransformerBlock(16, 3), "heads is 3"),
        (lambda: small(patch=5), "patch is 5: .*1, 2, 4, 7, 14, 28"),
        (lambda: small(shape=(1, 28, 30)), "patch is 7: sides of 28 and 30 pixels need one of 1, 2"),
        (lambda: unpatchify(torch.zeros(1, 6, 16), 4, 1, (2, 4)), r"patches has 6 .*, not 2·4"),
        (lambda: small().export("keras"), "layout is 'keras'"),
        (lambda: small().export("torchvision"), "class_token=True"),
        (lambda: split_by_mask(torch.zeros(2, 4, 1), torch.zeros(2, 3)), r"mask has shape \(2, 3\)"),
        (
            lambda: split_by_mask(torch.zeros(2, 2, 1), torch.tensor([[0, 1], [1, 1]])),
            "between 1 and 2 tokens",
        ),
    ],
)
def test_errors_are_one_sentence(call, says: str) -> None:
    with pytest.raises(ValueError, match=says) as error:
        call()
    text = str(error.value)
    assert text.endswith(".") and "\n" not in text


# ---- masking -----------------------------------------------------------------------------------------


@pytest.mark.equation("5.5")
@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.25, 0.5, 0.6, 0.75, 0.9])
@pytest.mark.parametrize("count", [10, 16, 49, 100])
def test_exactly_so_many_are_removed_from_every_picture(count: int, ratio: float) -> None:
    visible, mask, restore = random_masking(random(8, count, 3), ratio)
    kept = round(count * (1 - ratio))
    assert visible.shape == (8, kept, 3) and mask.shape == restore.shape == (8, count)
    assert mask.unique().tolist() in ([0.0], [0.0, 1.0])
    assert (mask.sum(1) == count - kept).all()


@pytest.mark.equation("5.5")
def test_int_would_keep_one_too_few() -> None:
    """In floating point (1 − 0.9)·10 is below 1."""
    assert int((1 - 0.9) * 10) == 0 and int((1 - 0.9) * 100) == 9
    assert random_masking(random(1, 10, 1), 0.9)[0].shape[1] == 1
    assert random_masking(random(1, 100, 1), 0.9)[0].shape[1] == 10


def test_what_is_visible_is_what_the_mask_leaves() -> None:
    tokens = torch.arange(40.0).view(4, 10, 1)
    visible, mask, _ = random_masking(tokens, 0.6)
    for row in range(4):
        assert sorted(visible[row].flatten().tolist()) == tokens[row][mask[row] == 0].flatten().tolist()


@pytest.mark.equation("5.6")
def test_every_token_returns_to_its_place() -> None:
    tokens, mask_token = random(5, 12, 3), torch.full((3,), 9.0)
    visible, mask, restore = random_masking(tokens, 0.5)
    whole = fill_and_restore(visible, mask_token, restore)
    assert torch.equal(whole, torch.where(mask.bool()[:, :, None], mask_token, tokens))
    places = restore.argsort(1)[:, :6]
    assert torch.equal(tokens.gather(1, places[:, :, None].expand(-1, -1, 3)), visible)


@pytest.mark.equation("5.6")
def test_a_mask_of_ones_own_is_obeyed() -> None:
    tokens, mask_token = random(3, 9, 2), torch.full((2,), 9.0)
    mask = torch.tensor(
        [[1, 0, 0, 1, 0, 1, 0, 0, 1], [0, 1, 1, 0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 0, 0, 0, 0, 0]]
    )
    visible, restore = split_by_mask(tokens, mask)
    for row in range(3):
        assert torch.equal(visible[row], tokens[row][mask[row] == 0])
    whole = fill_and_restore(visible, mask_token, restore)
    assert torch.equal(whole, torch.where(mask.bool()[:, :, None], mask_token, tokens))


def test_masks_differ_between_pictures_and_follow_the_generator() -> None:
    tokens = random(64, 16, 1)
    one, two, other = (random_masking(tokens, 0.75, generator(seed))[1] for seed in (0, 0, 1))
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert len(one.unique(dim=0)) > 50


@pytest.mark.parametrize("ratio", [-0.1, 1.0, 1.5, 0.97, math.nan])
def test_a_ratio_that_leaves_nothing_is_refused(ratio: float) -> None:
    with pytest.raises(
        ValueError, match=rf"ratio is {ratio}: (of 16 tokens none would be left|give a finite number)"
    ):
        random_masking(torch.zeros(1, 16, 1), ratio)


# ---- the transformer ---------------------------------------------------------------------------------


@pytest.mark.equation("5.9")
def test_attention_is_the_formula_in_both_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = (random(2, 3, 7, 4, seed=seed) for seed in range(3))
    weights = torch.softmax(q @ k.mT / math.sqrt(4), dim=-1)
    torch.testing.assert_close(attention(q, k, v), weights @ v)
    assert (weights.sum(-1) - 1).abs().max() < 1e-6

    def slow(*_: Tensor) -> Tensor:
        raise AssertionError("the kernel with the slow backward pass was called")

    monkeypatch.setattr(vit.F, "scaled_dot_product_attention", slow)
    half = attention(*(t.bfloat16() for t in (q, k, v)))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), weights @ v, rtol=0.05, atol=0.02)


def test_a_block_is_torchs_encoder_layer() -> None:
    torch.manual_seed(0)
    ours = TransformerBlock(16, 4)
    theirs = torch.nn.TransformerEncoderLayer(
        16, 4, 64, dropout=0.0, activation="gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
    )
    names = {
        "norm1": theirs.norm1,
        "attn.proj": theirs.self_attn.out_proj,
        "norm2": theirs.norm2,
        "mlp.0": theirs.linear1,
        "mlp.2": theirs.linear2,
    }
    with torch.no_grad():
        for name, layer in names.items():
            layer.load_state_dict(ours.get_submodule(name).state_dict())
        theirs.self_attn.in_proj_weight.copy_(ours.attn.qkv.weight)
        theirs.self_attn.in_proj_bias.copy_(ours.attn.qkv.bias)
    x = random(2, 9, 16)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("shape", "patch"), [((3, 32, 32), 8), ((3, 28, 28), 4)])
def test_the_encoder_is_torchvisions_vision_transformer(shape: tuple[int, int, int], patch: int) -> None:
    ours = small(shape=shape, patch=patch, class_token=True)
    theirs = VisionTransformer(shape[1], patch, 2, 2, 16, 64)
    missing, unexpected = theirs.load_state_dict(ours.export("torchvision"), strict=False)
    assert not unexpected and all(name.startswith("heads.") for name in missing)
    theirs.heads = torch.nn.Identity()
    x, seen = random(2, *shape), []
    theirs.encoder.register_forward_hook(lambda _, __, out: seen.append(out))
    first = theirs.eval()(x)
    tokens = ours(patchify(x, patch))
    torch.testing.assert_close(tokens, seen[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(tokens[:, 0], first, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.features(x), seen[0][:, 1:].mean(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("class_token", [False, True])
def test_the_encoder_is_timms_vision_transformer(class_token: bool) -> None:
    ours = small(shape=(3, 32, 32), patch=8, class_token=class_token)
    theirs = TimmTransformer(
        32, 8, 3, 0, "token" if class_token else "avg", 16, 2, 2, class_token=class_token, fc_norm=False
    )
    missing, unexpected = theirs.load_state_dict(ours.export("timm"), strict=False)
    assert not missing and not unexpected
    x = random(2, 3, 32, 32)
    tokens = theirs.eval().forward_features(x)
    torch.testing.assert_close(ours(patchify(x, 8)), tokens, rtol=1e-4, atol=1e-5)


def test_timms_names_are_those_of_its_state_dict() -> None:
    """Written out: the names and shapes that its documentation and checkpoints have."""
    found = small(shape=(3, 32, 32), patch=8, class_token=True, depth=1).export("timm")
    block = [f"blocks.0.{name}" for name in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")]
    layers = ["patch_embed.proj", "norm", *block]
    assert set(found) == {"cls_token", "pos_embed"} | {
        f"{name}.{kind}" for name in layers for kind in ("weight", "bias")
    }
    assert found["patch_embed.proj.weight"].shape == (16, 3, 8, 8)
    assert found["pos_embed"].shape == (1, 17, 16) and found["cls_token"].shape == (1, 1, 16)


@pytest.mark.parametrize("class_token", [False, True])
def test_few_patches_are_encoded_as_if_there_were_no_others(class_token: bool) -> None:
    """Against all patches under an attention mask that hides the removed ones: the same tokens."""
    network, x = small(class_token=class_token), random(2, *SHAPE)
    patches = patchify(x, 7)
    visible, mask, restore = random_masking(patches, 0.75, generator())
    few = network(visible, restore)
    first = int(class_token)
    assert few.shape == (2, 4 + first, 16)

    hidden = F.pad(mask.bool(), (first, 0))[:, None, None, :]

    def masked(q: Tensor, k: Tensor, v: Tensor, written_out: bool | None) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=~hidden)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vit, "attention", masked)
        all_tokens = network(patches)
    places = restore.argsort(1)[:, :4]
    expected = all_tokens[:, first:].gather(1, places[:, :, None].expand(-1, -1, 16))
    torch.testing.assert_close(few[:, first:], expected, rtol=1e-4, atol=1e-5)


def test_the_order_of_visible_patches_does_not_matter() -> None:
    network, patches = small(), patchify(random(2, *SHAPE), 7)
    visible, _, restore = random_masking(patches, 0.5, generator())
    order = restore.argsort(1)
    turned = torch.cat([order[:, :8].flip(1), order[:, 8:]], dim=1).argsort(1)
    torch.testing.assert_close(
        network(visible.flip(1), turned), network(visible, restore).flip(1), rtol=1e-4, atol=1e-5
    )


def test_positions_tell_patches_apart() -> None:
    network = small()
    same = torch.ones(1, 16, 49)
    tokens = network(same)[0]
    assert torch.pdist(tokens).min() > 1e-3
    assert "positions" not in network.state_dict(), "fixed positions are computed, not saved"


def test_mask_tokens_in_the_encoder_make_it_as_long_as_the_picture() -> None:
    network, patches = small(mask_token=True), patchify(random(2, *SHAPE), 7)
    visible, mask, restore = random_masking(patches, 0.75, generator())
    tokens = network(visible, restore)
    assert tokens.shape == (2, 16, 16)
    tokens.sum().backward()
    assert network.mask_token.grad.abs().sum() > 0
    # by hand: the embedding where a patch is visible, the mask token where it is not
    with torch.no_grad():
        start = torch.where(mask.bool()[:, :, None], network.mask_token, network.embed(patches))
        by_hand = network.norm(network.blocks(start + network.positions))
    torch.testing.assert_close(tokens, by_hand, rtol=1e-4, atol=1e-5)


def test_the_decoder_puts_each_token_in_its_place() -> None:
    torch.manual_seed(0)
    decoder = ViTDecoder(SHAPE, 7, 16, 8, 1, 2, class_token=True)
    _, mask, restore = random_masking(torch.zeros(2, 16, 1), 0.75, generator())
    tokens = random(2, 5, 16)
    patches = decoder(tokens, restore)
    assert patches.shape == (2, 16, 49)
    with torch.no_grad():
        inside = decoder.embed(tokens)
        grid = decoder.mask_token.expand(2, 16, 8).clone()
        for row in range(2):
            for k, place in enumerate(restore.argsort(1)[row, :4]):
                assert mask[row, place] == 0
                grid[row, place] = inside[row, k + 1]
        whole = torch.cat([inside[:, :1], grid + decoder.positions], dim=1)
        by_hand = decoder.head(decoder.norm(decoder.blocks(whole)))[:, 1:]
    torch.testing.assert_close(patches, by_hand, rtol=1e-4, atol=1e-5)


def test_autocast_runs_on_every_path() -> None:
    network = small(class_token=True)
    visible, _, restore = random_masking(patchify(random(2, *SHAPE), 7), 0.75, generator())
    exact = network(visible, restore)
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(visible, restore)
    assert (rough.float() - exact).abs().max() < 0.15


def test_an_encoder_without_blocks_only_embeds() -> None:
    flat = ViTEncoder((1, 28, 28), 7, 16, depth=0, heads=2)
    patches = torch.rand(2, 16, 49)
    torch.testing.assert_close(flat(patches), flat.norm(flat.embed(patches) + flat.positions))
