"""Equations of chapter 5 that no single function computes: subsets, costs, best predictors, positions, links."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gencourse.evaluation import conditional_mean
from gencourse.losses import (
    masked_patch_loss,
    masking_losses_as_found,
    normalise_patches,
    squared_error,
)
from gencourse.methods import MAE, Autoencoder, MaskedConvAutoencoder
from gencourse.networks import (
    TransformerBlock,
    ViTDecoder,
    ViTEncoder,
    block_multiplications,
    patchify,
    random_masking,
    sincos_positions,
    unpatchify,
    vit,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---- the recipe as found -----------------------------------------------------------------------------


@pytest.mark.equation("5.1")
def test_the_sources_first_loss_has_no_gradient_at_all() -> None:
    """L_E = ‖x − x⊙m‖² with m as the code of source document 004 reads: no weight is in it."""
    torch.manual_seed(0)
    encoder = nn.Linear(16, 4)
    x, m = torch.rand(8, 16), (torch.rand(8, 16) > 0.3).float()
    encoder(x * m)  # the encoder runs, and its result is used nowhere
    loss, _ = masking_losses_as_found(x, m)
    by_hand = sum(x[i, j].item() ** 2 for i in range(8) for j in range(16) if m[i, j] == 0) / 8
    assert loss.item() == pytest.approx(by_hand)
    assert not loss.requires_grad and loss > 0
    with pytest.raises(RuntimeError, match="does not require grad"):
        loss.backward()
    assert all(p.grad is None for p in encoder.parameters())
    # even with gradients asked for, none reaches a weight: only the data are in it
    given = x.clone().requires_grad_()
    found = torch.autograd.grad(
        masking_losses_as_found(given, m)[0], [given, *encoder.parameters()], allow_unused=True
    )
    torch.testing.assert_close(found[0], 2 * x * (1 - m) / 8)
    assert found[1:] == (None, None)


@pytest.mark.equation("5.2")
def test_the_sources_second_loss_is_zero_whatever_the_picture() -> None:
    """m² = m, so masking twice is masking once. With a mask of halves, which is none, it would not be."""
    x, m = random(8, 16).requires_grad_(), (random(8, 16, seed=1) > 0).double()
    _, loss = masking_losses_as_found(x, m)
    assert loss == 0
    (gradient,) = torch.autograd.grad(loss, x)
    assert (gradient == 0).all()
    half = masking_losses_as_found(x, torch.full_like(m, 0.5))[1]
    assert half.item() == pytest.approx(x.square().sum().item() / 16 / 8)
    with pytest.raises(ValueError, match=r"x has shape \(8, 16\) and kept has shape \(16,\)"):
        masking_losses_as_found(x, m[0])


@pytest.mark.equation("5.3")
def test_the_mended_loss_depends_on_every_weight_and_on_hidden_pixels_only() -> None:
    torch.manual_seed(0)
    method, x = MaskedConvAutoencoder(width=4), torch.rand(5, 1, 28, 28)
    mask = method.random_mask(5)
    pixels = unpatchify(mask[:, :, None].expand(-1, -1, 49), 7, 1)
    prediction = method.predict(x, mask)
    loss = masked_patch_loss(prediction, patchify(x, 7), mask)
    by_hand = (pixels * (x - unpatchify(prediction, 7, 1))).square().sum() / pixels.sum()
    torch.testing.assert_close(loss, by_hand)
    assert all(g.abs().sum() > 0 for g in torch.autograd.grad(loss, list(method.parameters())))


# ---- patches and subsets -----------------------------------------------------------------------------


@pytest.mark.equation("5.4")
def test_cutting_into_patches_loses_nothing_and_shortens_nothing() -> None:
    """N·p²C = HWC: a permutation of the pixels. ViT-B/16's 196 tokens of 768 numbers are 224·224·3."""
    x = torch.arange(3 * 12 * 12.0).reshape(1, 3, 12, 12)
    patches = patchify(x, 4)
    assert sorted(patches.flatten().tolist()) == x.flatten().tolist()
    assert 196 * 768 == 3 * 224**2 == 150_528
    i, j, c = 2, 1, 2  # the formula of the chapter at one place
    for n in range(9):
        assert patches[0, n, (i * 4 + j) * 3 + c] == x[0, c, 4 * (n // 3) + i, 4 * (n % 3) + j]


@pytest.mark.equation("5.4")
def test_reshape_alone_has_the_right_shape_and_the_wrong_patches() -> None:
    x = random(1, 1, 8, 8)
    wrong = x.reshape(1, 4, 16)
    assert wrong.shape == patchify(x, 4).shape and not torch.equal(wrong, patchify(x, 4))


@pytest.mark.equation("5.5")
def test_all_subsets_of_the_size_are_equally_likely() -> None:
    draws = 12_000
    mask = random_masking(torch.zeros(draws, 6, 1), 0.5, torch.Generator().manual_seed(0))[1]
    subsets, counts = mask.unique(dim=0, return_counts=True)
    assert len(subsets) == math.comb(6, 3)
    assert chisquare(counts.numpy()).pvalue > 1e-3
    # so each token is hidden with chance r, and two of them with chance r·(M − 1)/(N − 1), not r²
    both = (mask[:, 0] * mask[:, 1]).mean().item()
    assert both == pytest.approx(0.5 * 2 / 5, abs=0.015) and abs(both - 0.25) > 0.03


@pytest.mark.equation("5.6")
def test_sorting_the_order_inverts_it() -> None:
    order = torch.rand(50, 9, generator=torch.Generator().manual_seed(0)).argsort(1)
    restore = order.argsort(1)
    places = torch.arange(9).expand(50, 9)
    assert torch.equal(order.gather(1, restore), places)
    assert torch.equal(restore.gather(1, order), places)
    assert not torch.equal(order.gather(1, order), places), "the order itself does not restore"


# ---- positions ---------------------------------------------------------------------------------------


@pytest.mark.equation("5.7")
def test_positions_are_sines_and_cosines_of_row_and_column() -> None:
    width, positions = 16, sincos_positions(5, 7, 16).double()
    for row, column in itertools.product(range(5), range(7)):
        expected = []
        for t in (row, column):
            omega = [10_000 ** (-4 * k / width) for k in range(4)]
            expected += [math.sin(w * t) for w in omega] + [math.cos(w * t) for w in omega]
        assert positions[7 * row + column].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.equation("5.8")
def test_a_shift_is_a_rotation() -> None:
    """One matrix for a shift by (a, b), the same at every place, and it keeps lengths."""
    width, rows, columns = 12, 9, 8
    positions = sincos_positions(rows, columns, width).double().view(rows, columns, width)
    omega = 10_000.0 ** (-torch.arange(3, dtype=torch.float64) / 3)

    def turn(shift: int) -> Tensor:
        sin, cos = torch.diag((omega * shift).sin()), torch.diag((omega * shift).cos())
        return torch.cat([torch.cat([cos, sin], dim=1), torch.cat([-sin, cos], dim=1)])

    for down, right in ((1, 0), (0, 1), (3, 2)):
        rotation = torch.block_diag(turn(down), turn(right))
        torch.testing.assert_close(rotation @ rotation.T, torch.eye(width, dtype=torch.float64))
        moved = positions[: rows - down, : columns - right] @ rotation.T
        torch.testing.assert_close(moved, positions[down:, right:], rtol=0, atol=1e-6)


@pytest.mark.equation("5.8")
def test_the_product_of_two_positions_depends_on_their_distance_alone() -> None:
    width, side = 64, 8
    positions = sincos_positions(side, side, width).double()
    product = positions @ positions.T
    omega = 10_000.0 ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    for a, b in itertools.product(range(side**2), repeat=2):
        down, right = a // side - b // side, a % side - b % side
        expected = ((omega * down).cos() + (omega * right).cos()).sum()
        assert product[a, b].item() == pytest.approx(expected.item(), abs=1e-4)
    assert product.diagonal().tolist() == pytest.approx([width / 2] * side**2, abs=1e-4)
    assert product[0, 1] < product[0, 0] and product[0, 2] < product[0, 1]


# ---- what attention costs ----------------------------------------------------------------------------


def flops(network: nn.Module, *given: Tensor) -> int:
    # the counter knows matrix products; the fused kernel on a CPU is not one for it
    with pytest.MonkeyPatch.context() as patch, FlopCounterMode(display=False) as counter:
        patch.setattr(vit.TransformerBlock, "written_out", True)
        network(*given)
    return counter.get_total_flops() // 2  # multiply-adds


@pytest.mark.equation("5.9")
def test_attention_ignores_the_order_of_the_tokens() -> None:
    torch.manual_seed(0)
    block, x, order = TransformerBlock(8, 2), torch.randn(1, 6, 8), torch.randperm(6)
    torch.testing.assert_close(block(x[:, order]), block(x)[:, order], rtol=1e-4, atol=1e-5)


@pytest.mark.equation("5.10")
@pytest.mark.parametrize("tokens", [4, 16, 49])
def test_the_work_of_a_block(tokens: int) -> None:
    """12ND² for the linear layers, 2N²D for attention; counted by torch."""
    for width in (8, 32):
        counted = flops(TransformerBlock(width, 4), torch.zeros(1, tokens, width))
        assert block_multiplications(tokens, width) == counted
        linear = sum(
            w.numel() for name, w in TransformerBlock(width, 4).named_parameters() if w.dim() == 2
        )  # each weight meets each token once
        assert block_multiplications(tokens, width) - tokens * linear == 2 * tokens**2 * width


@pytest.mark.equation("5.10")
def test_mask_tokens_in_the_encoder_cost_four_times_as_much_and_more() -> None:
    """At ratio ¾ the encoder's work falls to a quarter, that of attention between tokens to a sixteenth."""
    width, depth, count = 64, 3, 64
    patches = torch.zeros(1, count, 16)
    visible, _, restore = random_masking(patches, 0.75)
    works = {}
    for everything in (False, True):
        encoder = ViTEncoder((1, 32, 32), 4, width, depth, 4, mask_token=everything)
        n = count if everything else count // 4
        works[everything] = flops(encoder, visible, restore)
        embed = 16 * 16 * width
        assert works[everything] == embed + depth * block_multiplications(n, width)
    assert 4 < works[True] / works[False] < 16
    # with a small decoder on top, which sees every token in both cases, the gain is smaller
    decoder = ViTDecoder((1, 32, 32), 4, width, 32, 1, 4)
    both = flops(decoder, torch.zeros(1, 16, width), restore)
    assert 2.5 < (works[True] + both) / (works[False] + both) < works[True] / works[False]


# ---- the loss and its best predictors ----------------------------------------------------------------


@pytest.mark.equation("5.11")
def test_the_mean_over_all_divided_by_the_ratio_is_the_same_only_if_the_ratio_is_met() -> None:
    prediction, target = random(3, 10, 4), random(3, 10, 4, seed=1)
    squares = (prediction - target).square()
    for ratio in (0.6, 0.72):
        _, mask, _ = random_masking(target, ratio)
        other = (squares * mask[:, :, None]).mean() / ratio
        same = other.item() == pytest.approx(masked_patch_loss(prediction, target, mask).item())
        assert same == (ratio == 0.6)  # of 10 patches 7 are hidden at ratio 0.72


@pytest.mark.equation("5.13")
@pytest.mark.parametrize("n", [16, 49, 768])
def test_a_prediction_of_zero_scores_n_minus_one_over_n(n: int) -> None:
    target, mask = 100 * random(4, 5, n), torch.ones(4, 5)
    zero = masked_patch_loss(torch.zeros(4, 5, n).double(), target, mask, normalise=True)
    assert zero.item() == pytest.approx((n - 1) / n, rel=1e-6)


@pytest.mark.equation("5.13")
def test_flat_patches_score_zero_and_flatter_the_mean() -> None:
    target = random(1, 10, 16)
    target[:, 4:] = 0.5  # six of ten patches are background
    loss = masked_patch_loss(torch.zeros_like(target), target, torch.ones(1, 10), normalise=True)
    assert loss.item() == pytest.approx(0.4 * 15 / 16, rel=1e-4)
    assert (normalise_patches(target)[:, 4:] == 0).all()


@pytest.mark.equation("5.14")
def test_the_best_prediction_is_the_conditional_mean() -> None:
    """A law on four patches of one bit: the best table, found by descent, is E[hidden | visible]."""
    pictures = torch.tensor(list(itertools.product((0.0, 1.0), repeat=4))).double()
    weight = torch.rand(16, generator=torch.Generator().manual_seed(0), dtype=torch.float64) ** 3
    weight /= weight.sum()
    masks = [torch.tensor(m) for m in itertools.product((0, 1), repeat=4) if sum(m) == 2]
    for mask in masks:
        hidden = mask.bool()
        seen = (pictures[:, ~hidden] * torch.tensor([2.0, 1.0]).double()).sum(1).long()  # 0 to 3
        table = torch.full((4, 2), 0.5, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([table], max_iter=100, tolerance_grad=1e-12, tolerance_change=0)

        def loss(table: Tensor = table, seen: Tensor = seen, hidden: Tensor = hidden) -> Tensor:
            return (weight * (table[seen] - pictures[:, hidden]).square().mean(1)).sum()

        def closure(optimizer=optimizer, loss=loss) -> Tensor:
            optimizer.zero_grad()
            value = loss()
            value.backward()
            return value

        optimizer.step(closure)
        best, left = conditional_mean(pictures[:, hidden], pictures[:, ~hidden], weight)
        torch.testing.assert_close(table.detach()[seen], best, rtol=0, atol=1e-5)
        assert loss().item() == pytest.approx(left, abs=1e-8), "what is left is the conditional variance"
        # by the textbook, from the table of the law: E Var(u | visible) = E u² − E (E[u | visible])²
        variance = 0.0
        for value in range(4):
            share = weight[seen == value] / weight[seen == value].sum()
            u = pictures[seen == value][:, hidden]
            variance += weight[seen == value].sum() * (share @ u.square() - (share @ u).square()).mean()
        assert left == pytest.approx(variance.item(), abs=1e-12)
        assert ((table > 0.01) & (table < 0.99)).any(), "a mean of pictures is no picture: it is grey"


@pytest.mark.equation("5.14")
def test_no_other_answer_does_better_and_a_sample_finds_nearly_the_same() -> None:
    """Visible: one of three signs. Hidden: two Gaussians whose means and spreads the sign decides."""
    generator = torch.Generator().manual_seed(0)
    sign = torch.randint(3, (60_000,), generator=generator)
    mean = torch.tensor([[0.0, 1.0], [2.0, -1.0], [0.5, 0.5]], dtype=torch.float64)
    spread = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    noise = torch.randn(60_000, 2, generator=generator, dtype=torch.float64)
    hidden = mean[sign] + spread[sign, None] * noise
    best, left = conditional_mean(hidden, sign[:, None])
    assert left == pytest.approx(spread.square().mean().item(), rel=0.02)
    assert (best - mean[sign]).abs().max() < 0.05
    for seed in range(5):
        other = best + 0.1 * random(3, 2, seed=seed)[sign]
        assert (hidden - other).square().mean().item() > left
    assert conditional_mean(hidden, 0 * sign[:, None])[1] > left  # seeing nothing leaves more
    with pytest.raises(ValueError, match="hidden has 60000 rows, visible 3 and weight 60000"):
        conditional_mean(hidden, sign[:3, None])


@pytest.mark.equation("5.14")
def test_a_mean_is_no_sample() -> None:
    """Hidden patches that are black together or white together: their mean is a picture that never occurs."""
    law = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    (mean, _), left = conditional_mean(law, torch.zeros(2, 1))  # nothing visible tells them apart
    assert not any(torch.equal(mean, picture) for picture in law)
    draws = law[torch.randint(2, (1000,), generator=torch.Generator().manual_seed(0))]
    spread = (draws - mean).square().mean()
    assert spread.item() == pytest.approx(0.25) and left == 0.25
    # a draw from the law is twice as far from the truth, in squares, as the mean is
    truth = law[torch.randint(2, (1000,), generator=torch.Generator().manual_seed(1))]
    assert (draws - truth).square().mean().item() == pytest.approx(0.5, abs=0.05)


# ---- the family --------------------------------------------------------------------------------------


@pytest.mark.equation("5.15")
def test_the_loss_on_all_patches_splits_into_hidden_and_visible() -> None:
    prediction, target = random(6, 16, 9), random(6, 16, 9, seed=1)
    _, mask, _ = random_masking(target, 0.75)
    whole = masked_patch_loss(prediction, target, torch.ones_like(mask))
    parts = [masked_patch_loss(prediction, target, m) for m in (mask, 1 - mask)]
    assert whole.item() == pytest.approx((0.75 * parts[0] + 0.25 * parts[1]).item())


@pytest.mark.equation("5.15")
def test_on_all_patches_it_is_a_denoising_autoencoder_with_masking_noise() -> None:
    """Chapter 1's loss (1.11), clean target and spoilt input, with holes for noise: the same but for D."""
    torch.manual_seed(0)
    method, x = MaskedConvAutoencoder(width=4), torch.rand(5, 1, 28, 28)
    x_hat = unpatchify(method.predict(x, method.random_mask(5)), 7, 1)
    every = masked_patch_loss(patchify(x_hat, 7), patchify(x, 7), torch.ones(5, 16))
    torch.testing.assert_close(every, squared_error(x_hat, x) / 784, rtol=1e-4, atol=1e-6)
    assert Autoencoder("conv", noise=0.5).corrupt(x).shape == x.shape  # there the noise is Gaussian


@pytest.mark.equation("5.15")
def test_a_hole_in_the_middle_is_the_context_encoders_task() -> None:
    """Pathak et al. (2016): one fixed square is missing, and the loss is on it alone."""
    method, x = MAE(patch=7, width=16, depth=1, heads=2), torch.rand(4, 1, 28, 28)
    hole = torch.zeros(28, 28)
    hole[7:21, 7:21] = 1
    centre = torch.zeros(16)
    centre[[5, 6, 9, 10]] = 1
    assert torch.equal(patchify(hole[None, None], 7).amax(2)[0], centre)
    filled = method.inpaint(x, hole)
    mask = centre.expand(4, -1)
    error = masked_patch_loss(patchify(filled, 7), patchify(x, 7), mask)
    torch.testing.assert_close(error, (filled - x)[:, :, 7:21, 7:21].square().mean())
