"""The loss on hidden patches: what has a say in it, what it is worth, and what it refuses."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.losses import masked_patch_error, masked_patch_loss, normalise_patches


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


MASK = torch.tensor([[1, 0, 1, 1], [0, 1, 0, 0]])  # not equally many: patches count, not pictures
PREDICTION, TARGET = random(2, 4, 9), random(2, 4, 9, seed=1)


@pytest.mark.equation("5.11")
def test_it_is_torchs_mean_squared_error_on_the_masked_patches() -> None:
    seen = MASK.bool()
    expected = F.mse_loss(PREDICTION[seen], TARGET[seen])
    torch.testing.assert_close(masked_patch_loss(PREDICTION, TARGET, MASK), expected)
    torch.testing.assert_close(masked_patch_loss(PREDICTION, TARGET, MASK.double()), expected)
    torch.testing.assert_close(masked_patch_loss(PREDICTION, TARGET, seen), expected)


@pytest.mark.equation("5.11")
@pytest.mark.parametrize("normalise", [False, True])
def test_visible_patches_have_no_say_and_no_gradient(normalise: bool) -> None:
    prediction = PREDICTION.clone().requires_grad_()
    loss = masked_patch_loss(prediction, TARGET, MASK, normalise)
    loss.backward()
    assert (prediction.grad[MASK == 0] == 0).all() and (prediction.grad[MASK == 1] != 0).all()
    other = torch.where(MASK.bool()[:, :, None], PREDICTION, 100 * random(2, 4, 9, seed=2))
    torch.testing.assert_close(masked_patch_loss(other, TARGET, MASK, normalise), loss.detach())


def test_it_does_not_depend_on_how_much_is_hidden() -> None:
    off = torch.full((1, 8, 5), 0.3)
    for hidden in (1, 4, 8):
        mask = torch.arange(8)[None] < hidden
        assert masked_patch_loss(off, torch.zeros(1, 8, 5), mask).item() == pytest.approx(0.09)


@pytest.mark.equation("5.12")
def test_normalised_patches_have_mean_zero_and_unbiased_variance_one() -> None:
    target = 5 + 3 * TARGET
    u = normalise_patches(target)
    mean, spread = target.mean(-1, keepdim=True), target.std(-1, keepdim=True, correction=1)
    torch.testing.assert_close(u, (target - mean) / spread, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(u.var(-1, correction=1), torch.ones(2, 4).double(), rtol=0, atol=1e-6)
    expected = (PREDICTION - u)[MASK.bool()].square().mean()
    torch.testing.assert_close(masked_patch_loss(PREDICTION, target, MASK, normalise=True), expected)


@pytest.mark.equation("5.12")
def test_brightness_and_contrast_of_a_patch_do_not_count() -> None:
    brighter = 0.2 + 0.5 * TARGET
    one, two = (masked_patch_loss(PREDICTION, t, MASK, normalise=True) for t in (TARGET, brighter))
    assert one.item() == pytest.approx(two.item(), rel=1e-5)
    assert masked_patch_loss(PREDICTION, TARGET, MASK) != masked_patch_loss(PREDICTION, brighter, MASK)


def faint(*variances: float) -> Tensor:
    """One picture of patches that barely vary: 16 numbers around 0.5 with exactly these unbiased variances."""
    u = random(len(variances), 16)
    u = (u - u.mean(-1, keepdim=True)) / u.std(-1, keepdim=True, correction=1)
    return 0.5 + u[None] * torch.tensor(variances, dtype=torch.float64).sqrt()[:, None]


@pytest.mark.equation("5.12")
def test_the_millionth_under_the_root_decides_what_becomes_of_faint_patches() -> None:
    """Variances around 10⁻⁶: there it matters how large the constant is, and that it stands under the root."""
    variances = (1e-8, 1e-6, 3e-6, 1e-4)
    target = faint(*variances)
    u = normalise_patches(target)
    for n, variance in enumerate(variances):
        torch.testing.assert_close(u[0, n], (target[0, n] - 0.5) / (variance + 1e-6) ** 0.5)
    assert u[0, 1].var(correction=1).item() == pytest.approx(0.5)  # 10⁻⁶ of 2·10⁻⁶


@pytest.mark.equation("5.13")
@pytest.mark.parametrize("variance", [1e-8, 1e-6, 3e-6, 1e-4])
def test_the_zero_answer_scores_less_the_fainter_the_patch(variance: float) -> None:
    target = faint(variance)
    score = masked_patch_loss(torch.zeros_like(target), target, torch.ones(1, 1), normalise=True)
    assert score.item() == pytest.approx(15 / 16 * variance / (variance + 1e-6), rel=1e-6)
    n_p = target.shape[-1]
    assert score.item() == pytest.approx(normalise_patches(target).square().sum().item() / n_p)


@pytest.mark.equation("5.18")
def test_the_error_of_each_picture_is_its_own_loss() -> None:
    errors = masked_patch_error(PREDICTION, TARGET, MASK)
    for row in range(2):
        alone = masked_patch_loss(PREDICTION[row, None], TARGET[row, None], MASK[row, None])
        assert errors[row].item() == pytest.approx(alone.item())
    # the loss of a batch counts patches, so pictures weigh as much as was hidden of them
    weights = MASK.sum(1) / MASK.sum()
    assert (errors * weights).sum().item() == pytest.approx(
        masked_patch_loss(PREDICTION, TARGET, MASK).item()
    )


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: masked_patch_loss(PREDICTION[:1], TARGET, MASK), "prediction has shape"),
        (
            lambda: masked_patch_loss(PREDICTION[0], TARGET[0], MASK),
            r"prediction has shape \(4, 9\): give \(B, N, n\)",
        ),
        (lambda: masked_patch_loss(PREDICTION, TARGET, MASK[:1]), r"mask has shape \(1, 4\): give \(2, 4\)"),
        (lambda: masked_patch_loss(PREDICTION, TARGET, 0 * MASK), "mask has no 1"),
        (lambda: masked_patch_error(PREDICTION, TARGET, MASK * torch.tensor([[0], [1]])), "mask has a row"),
        (lambda: normalise_patches(torch.zeros(1, 4, 1)), "a patch of one number has no variance"),
    ],
)
def test_errors_are_one_sentence(call, says: str) -> None:
    with pytest.raises(ValueError, match=says) as error:
        call()
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


@pytest.mark.equation("5.12", "5.18")
def test_of_each_pictures_error_the_target_is_normalised_and_not_the_prediction() -> None:
    errors = masked_patch_error(PREDICTION, 5 + 3 * TARGET, MASK, normalise=True)
    u = normalise_patches(5 + 3 * TARGET)
    for row in range(2):
        expected = (PREDICTION - u)[row][MASK[row].bool()].square().mean()
        torch.testing.assert_close(errors[row], expected)
