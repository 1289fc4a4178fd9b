"""The losses of chapter 2 against probabilities, autograd, and slopes that are known in closed form."""

import math

import pytest
import torch
from torch import Tensor, nn

from gencourse.losses import (
    ADVERSARIAL_KINDS,
    adaptive_weight,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    r1_penalty,
)

B = 7


def logits(seed: int, n: int = B) -> Tensor:
    return 3 * torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def points(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slopes(loss: Tensor, *at: Tensor) -> tuple[Tensor, ...]:
    """The gradient, as if the loss were a sum over the batch."""
    return tuple(B * g for g in torch.autograd.grad(loss, at))


def both(real: Tensor, fake: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """The discriminator's and the generator's loss."""
    return discriminator_loss(real, fake, kind), generator_loss(fake, kind, real_logits=real)


def lists(*tensors: Tensor) -> list[list[float]]:
    return [t.tolist() for t in tensors]


# ---- values and slopes -------------------------------------------------------------------------------


@pytest.mark.equation("2.1", "2.2")
@pytest.mark.parametrize("kind", ["minimax", "non_saturating"])
def test_the_discriminator_loss_is_minus_the_value_function(kind: str) -> None:
    real, fake = logits(0), logits(1)
    value = torch.sigmoid(real).log().mean() + (1 - torch.sigmoid(fake)).log().mean()
    torch.testing.assert_close(discriminator_loss(real, fake, kind), -value)


@pytest.mark.equation("2.2")
def test_the_discriminator_pushes_real_logits_up_and_fake_logits_down() -> None:
    real, fake = logits(0).requires_grad_(), logits(1).requires_grad_()
    on_real, on_fake = slopes(discriminator_loss(real, fake), real, fake)
    torch.testing.assert_close(on_real, -torch.sigmoid(-real.detach()))
    torch.testing.assert_close(on_fake, torch.sigmoid(fake.detach()))


@pytest.mark.equation("2.5", "2.6")
def test_one_generator_loss_dies_where_the_discriminator_is_sure_and_the_other_does_not() -> None:
    fake = logits(1).requires_grad_()
    p = torch.sigmoid(fake.detach())
    saturating, other = generator_loss(fake, "minimax"), generator_loss(fake, "non_saturating")
    torch.testing.assert_close(saturating, (1 - p).log().mean())
    torch.testing.assert_close(other, -p.log().mean())
    torch.testing.assert_close(slopes(saturating, fake)[0], -p)
    torch.testing.assert_close(slopes(other, fake)[0], -(1 - p))
    sure = torch.tensor([-6.0], requires_grad=True)
    found = [
        torch.autograd.grad(generator_loss(sure, kind), sure)[0].item() for kind in ADVERSARIAL_KINDS[:2]
    ]
    assert found == pytest.approx([-0.0025, -0.9975], abs=5e-5)


@pytest.mark.equation("2.8")
def test_least_squares_is_half_of_two_squared_distances() -> None:
    real, fake = logits(0).requires_grad_(), logits(1).requires_grad_()
    d, g = both(real, fake, "least_squares")
    assert d.item() == pytest.approx(
        sum((r - 1) ** 2 / 2 + f**2 / 2 for r, f in zip(*lists(real, fake), strict=True)) / B
    )
    assert g.item() == pytest.approx(sum((f - 1) ** 2 / 2 for f in fake.tolist()) / B)
    on_real, on_fake = slopes(d, real, fake)
    torch.testing.assert_close(on_real, real.detach() - 1)
    torch.testing.assert_close(on_fake, fake.detach())
    torch.testing.assert_close(slopes(g, fake)[0], fake.detach() - 1)


@pytest.mark.equation("2.10")
def test_the_critic_widens_the_gap_and_the_generator_closes_it() -> None:
    real, fake = logits(0), logits(1)
    d, g = both(real, fake, "wasserstein")
    assert d.item() == pytest.approx((sum(fake.tolist()) - sum(real.tolist())) / B)
    assert g.item() == pytest.approx(-sum(fake.tolist()) / B)
    shifted = both(real + 5, fake + 5, "wasserstein")[0]
    torch.testing.assert_close(shifted, d)  # a critic is only ever known up to a constant


@pytest.mark.equation("2.13")
def test_the_hinge_stops_at_its_margin() -> None:
    real = torch.tensor([-2.0, 0.5, 1.5, 9.0], requires_grad=True)
    fake = torch.tensor([-9.0, -1.5, -0.5, 2.0], requires_grad=True)
    d, g = both(real, fake, "hinge")
    assert d.item() == pytest.approx((3 + 0.5) / 4 + (0.5 + 3) / 4)
    on_real, on_fake = torch.autograd.grad(d, (real, fake))
    assert (4 * on_real).tolist() == [-1, -1, 0, 0]
    assert (4 * on_fake).tolist() == [0, 0, 1, 1]
    assert g.item() == pytest.approx((9 + 1.5 + 0.5 - 2) / 4)
    assert (4 * torch.autograd.grad(g, fake)[0]).tolist() == [-1, -1, -1, -1]


@pytest.mark.equation("2.15")
def test_the_relativistic_loss_compares_pairs() -> None:
    real, fake = logits(0), logits(1)
    d, g = both(real, fake, "relativistic")
    lead = [r - f for r, f in zip(*lists(real, fake), strict=True)]
    assert d.item() == pytest.approx(sum(math.log1p(math.exp(-a)) for a in lead) / B)
    assert g.item() == pytest.approx(sum(math.log1p(math.exp(a)) for a in lead) / B)
    torch.testing.assert_close(both(real + 5, fake + 5, "relativistic")[0], d)
    assert not torch.isclose(both(real, fake.flip(0), "relativistic")[0], d)
    column = discriminator_loss(real[:, None], fake, "relativistic")  # (B, 1) − (B,) must not become (B, B)
    torch.testing.assert_close(column, d)


@pytest.mark.equation("2.7")
@pytest.mark.parametrize(
    ("kind", "d", "g"),
    [
        ("minimax", 2 * math.log(2), -math.log(2)),
        ("non_saturating", 2 * math.log(2), math.log(2)),
        ("hinge", 2.0, 0.0),
        ("relativistic", math.log(2), math.log(2)),
        ("wasserstein", 0.0, 0.0),
    ],
)
def test_a_dead_discriminator_shows_the_values_of_the_equilibrium(kind: str, d: float, g: float) -> None:
    """Logits of zero mean p = q for the best discriminator, and nothing at all for a broken one."""
    dead = nn.Linear(3, 1)
    for weight in dead.parameters():
        nn.init.zeros_(weight)
    near, far = points(0, B, 3).float(), 100 + points(1, B, 3).float()
    for fake in (near, far):
        found = [loss.item() for loss in both(dead(near), dead(fake), kind)]
        assert found == pytest.approx([d, g], abs=1e-6)


@pytest.mark.parametrize("kind", ADVERSARIAL_KINDS)
def test_the_two_players_pull_a_fake_logit_in_opposite_directions(kind: str) -> None:
    real = torch.zeros(B, requires_grad=True)
    fake = torch.full((B,), 0.5, requires_grad=True)
    d, g = both(real, fake, kind)
    on_real, on_fake = torch.autograd.grad(d, (real, fake))
    assert (on_real < 0).all() and (on_fake > 0).all()
    assert (torch.autograd.grad(g, fake)[0] < 0).all()


@pytest.mark.parametrize("kind", ADVERSARIAL_KINDS)
def test_the_losses_are_means_over_the_batch_for_either_shape(kind: str) -> None:
    real, fake = logits(0), logits(1)
    once = both(real, fake, kind)
    for r, f in ((real.repeat(3), fake.repeat(3)), (real[:, None], fake[:, None])):
        for a, b in zip(both(r, f, kind), once, strict=True):
            assert a.shape == ()
            torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", ADVERSARIAL_KINDS)
def test_huge_logits_give_finite_losses_and_slopes(kind: str) -> None:
    for sign in (1, -1):
        real = torch.full((2,), 1e4 * sign, requires_grad=True)
        fake = torch.full((2,), -1e4 * sign, requires_grad=True)
        d, g = both(real, fake, kind)
        grads = torch.autograd.grad(d, (real, fake)) + torch.autograd.grad(g, fake)
        assert all(torch.isfinite(value).all() for value in (d, g, *grads))


def test_the_two_batches_may_differ_in_size_unless_they_are_paired() -> None:
    for kind in ADVERSARIAL_KINDS[:5]:
        assert torch.isfinite(discriminator_loss(logits(0, 4), logits(1, 9), kind))
    for call in (
        lambda: discriminator_loss(logits(0, 4), logits(1, 9), "relativistic"),
        lambda: generator_loss(logits(1, 4), "relativistic", real_logits=logits(0, 9)),
    ):
        with pytest.raises(ValueError, match=r"have \d and \d entries: the relativistic loss compares pairs"):
            call()


def test_wrong_arguments_are_named() -> None:
    for call in (lambda: both(logits(0), logits(1), "lsgan"), lambda: generator_loss(logits(0), "lsgan")):
        with pytest.raises(ValueError, match="kind is 'lsgan': choose one of minimax, non_saturating"):
            call()
    with pytest.raises(ValueError, match=r"real_logits has shape \(4, 3\): give one logit a sample"):
        discriminator_loss(torch.zeros(4, 3), torch.zeros(4))
    with pytest.raises(ValueError, match=r"fake_logits has shape \(\): give one logit a sample"):
        generator_loss(torch.tensor(0.0))
    with pytest.raises(ValueError, match=r"real_logits is None: .*pass real_logits="):
        generator_loss(logits(0), "relativistic")
    with pytest.raises(ValueError, match=r"real has shape \(4, 3\) and fake has shape \(5, 3\)"):
        gradient_penalty(lambda x: x.sum(1), torch.zeros(4, 3), torch.zeros(5, 3))


# ---- penalties ---------------------------------------------------------------------------------------


@pytest.mark.equation("2.11", "2.14")
@pytest.mark.parametrize("length", [0.5, 1.0, 3.0])
def test_a_linear_critic_has_the_same_slope_everywhere(length: float) -> None:
    w = points(0, 2, 3, 3)
    w *= length / w.norm()
    real, fake = points(1, B, 2, 3, 3), points(2, B, 2, 3, 3)

    def critic(x: Tensor) -> Tensor:
        return (w * x).flatten(1).sum(1) + 4

    assert gradient_penalty(critic, real, fake).item() == pytest.approx((length - 1) ** 2, abs=1e-6)
    assert r1_penalty(critic, real).item() == pytest.approx(length**2 / 2, abs=1e-6)


@pytest.mark.equation("2.14")
def test_r1_of_a_quadratic_discriminator() -> None:
    """D(x) = xᵀAx/2 has the slope Ax."""
    a, x = points(0, 4, 4), points(1, B, 4)
    a = a + a.T
    found = r1_penalty(lambda x: ((x @ a) * x).sum(1, keepdim=True) / 2, x)
    assert found.item() == pytest.approx(((x @ a) ** 2).sum(1).mean().item() / 2, abs=1e-6)


@pytest.mark.equation("2.11")
def test_the_penalty_is_taken_between_the_pairs_with_one_epsilon_each() -> None:
    """D(x) = ‖x‖²/2 has the slope x, so the penalty tells where it was taken."""
    real, fake = points(1, B, 2, 3, 3), points(2, B, 2, 3, 3)
    seen: list[Tensor] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.square().flatten(1).sum(1) / 2

    found = gradient_penalty(critic, real, fake, torch.Generator().manual_seed(3))
    norms = seen[0].flatten(1).norm(dim=1)
    assert found.item() == pytest.approx((norms - 1).square().mean().item(), abs=1e-6)
    share = ((seen[0] - fake) / (real - fake)).flatten(1)
    torch.testing.assert_close(share, share[:, :1].expand_as(share))  # one ε for all numbers of a sample
    assert share.min() >= 0 and share.max() <= 1
    assert len(share[:, 0].unique()) == B
    again = gradient_penalty(critic, real, fake, torch.Generator().manual_seed(3))
    other = gradient_penalty(critic, real, fake, torch.Generator().manual_seed(4))
    assert found == again and found != other


@pytest.mark.equation("2.11")
def test_epsilon_is_uniform() -> None:
    seen: list[Tensor] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach().flatten())
        return x.sum(1)

    gradient_penalty(critic, torch.ones(20_000, 1), torch.zeros(20_000, 1), torch.Generator().manual_seed(0))
    deciles = torch.histc(seen[0], bins=10, min=0, max=1) / 20_000
    assert torch.allclose(deciles, torch.full((10,), 0.1), atol=0.01)


@pytest.mark.equation("2.11", "2.14")
def test_the_penalties_teach_the_critic_and_nobody_else() -> None:
    w = points(0, 3).requires_grad_()
    real, fake = points(1, B, 3).requires_grad_(), points(2, B, 3).requires_grad_()
    length = w.detach().norm()
    for penalty, expected in (
        (gradient_penalty(lambda x: x @ w, real, fake), 2 * (length - 1) / length * w.detach()),
        (r1_penalty(lambda x: x @ w, real), w.detach()),
    ):
        on_w, on_real, on_fake = torch.autograd.grad(penalty, (w, real, fake), allow_unused=True)
        torch.testing.assert_close(on_w, expected)
        assert on_real is None and on_fake is None


@pytest.mark.equation("2.11", "2.14")
def test_the_penalties_leave_the_samples_as_they_were() -> None:
    """A slope that varies with x: no gradient may reach the samples, and theirs must not be switched on."""
    w = points(0, 3).requires_grad_()

    def critic(x: Tensor) -> Tensor:
        return x.square() @ w

    plain, made = points(1, B, 3), points(2, B, 3).requires_grad_()
    for penalty in (
        gradient_penalty(critic, plain, made),
        r1_penalty(critic, made),
        r1_penalty(critic, plain),
    ):
        assert torch.autograd.grad(penalty, (w, made), allow_unused=True)[1] is None
    assert not plain.requires_grad


@pytest.mark.equation("2.11")
def test_a_flat_critic_does_not_make_the_weights_nan() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    nn.init.zeros_(net[2].weight)
    penalty = gradient_penalty(net, torch.zeros(B, 3), torch.ones(B, 3))
    assert penalty.item() == pytest.approx(1, abs=1e-5)
    penalty.backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.equation("2.11", "2.14")
def test_the_penalties_are_means_over_the_batch() -> None:
    """Three samples with slopes 1, 2 and 3: ½E‖∇D‖² = 14/6, and a copy of the batch changes nothing."""
    x = torch.tensor([[1.0], [2.0], [3.0]])

    def critic(x: Tensor) -> Tensor:
        return x.square().sum(1) / 2

    for batch in (x, x.repeat(4, 1)):
        assert r1_penalty(critic, batch).item() == pytest.approx(14 / 6)
        assert gradient_penalty(critic, batch, batch).item() == pytest.approx((0 + 1 + 4) / 3)


# ---- the weight between two losses -------------------------------------------------------------------


def two_losses() -> tuple[Tensor, Tensor, Tensor]:
    """A layer and two losses that depend on it: gradients 2w and v."""
    w = points(0, 4, 3).requires_grad_()
    return w, w.square().sum(), (w * points(1, 4, 3)).sum()


@pytest.mark.equation("3.15")
def test_the_adaptive_weight_is_the_ratio_of_the_gradients_lengths() -> None:
    w, reconstruction, adversarial = two_losses()
    for delta in (1e-4, 0.5):
        expected = (2 * w).norm() / (points(1, 4, 3).norm() + delta)
        torch.testing.assert_close(adaptive_weight(reconstruction, adversarial, w, delta), expected.detach())
    default = adaptive_weight(reconstruction, adversarial, w)
    assert default == adaptive_weight(reconstruction, adversarial, w, 1e-4)


@pytest.mark.equation("3.15")
def test_the_adaptive_weight_is_a_number_and_both_losses_can_still_be_minimised() -> None:
    w, reconstruction, adversarial = two_losses()
    weight = adaptive_weight(reconstruction, adversarial, w)
    assert weight.shape == () and not weight.requires_grad
    (reconstruction + weight * adversarial).backward()
    torch.testing.assert_close(w.grad, (2 * w + weight * points(1, 4, 3)).detach())


@pytest.mark.equation("3.15")
def test_the_adaptive_weight_is_bounded() -> None:
    w, reconstruction, adversarial = two_losses()
    assert adaptive_weight(reconstruction, 1e-9 * adversarial, w) == 1e4
    assert adaptive_weight(0 * reconstruction, adversarial, w) == 0


@pytest.mark.equation("3.16")
@pytest.mark.parametrize("scale", [0.1, 10.0, 1e3])
def test_rescaling_the_adversarial_loss_changes_next_to_nothing(scale: float) -> None:
    w, reconstruction, adversarial = two_losses()
    lengths = []
    for loss in (adversarial, scale * adversarial):
        (pull,) = torch.autograd.grad(adaptive_weight(reconstruction, loss, w) * loss, w, retain_graph=True)
        lengths.append(pull.norm().item())
    assert lengths[1] == pytest.approx(lengths[0], rel=1e-3)
    assert lengths[0] == pytest.approx((2 * w).norm().item(), rel=1e-3)  # as hard as the other loss
    # with a δ that is not small it is no longer so
    (pull,) = torch.autograd.grad(
        adaptive_weight(reconstruction, scale * adversarial, w, 5.0) * scale * adversarial,
        w,
        retain_graph=True,
    )
    g = scale * points(1, 4, 3).norm().item()
    assert pull.norm().item() == pytest.approx((2 * w).norm().item() * g / (g + 5), rel=1e-4)


def test_the_adaptive_weight_names_what_it_cannot_use() -> None:
    w, reconstruction, adversarial = two_losses()
    with pytest.raises(ValueError, match="adversarial_loss does not depend on last_layer"):
        adaptive_weight(reconstruction, adversarial.detach(), w)
    with pytest.raises(ValueError, match="reconstruction_loss does not depend on last_layer"):
        adaptive_weight(points(3, 2).requires_grad_().sum(), adversarial, w)
    with pytest.raises(ValueError, match=r"reconstruction_loss has shape \(4, 3\)"):
        adaptive_weight(w.square(), adversarial, w)
