"""Chapter 3's hybrids: who receives which gradient, and what each option changes."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gencourse.data import ImageDataset
from gencourse.losses import (
    adaptive_weight,
    discriminator_loss,
    gaussian_nll,
    generator_loss,
    kl_to_standard_normal,
    squared_error,
)
from gencourse.methods import (
    AEGAN,
    VAEGAN,
    AdaptiveAEGAN,
    ContextEncoder,
    HoleFiller,
    PairedAEGAN,
    Restorer,
    SamplingAEGAN,
    degraded,
)
from gencourse.networks import Plan
from gencourse.training import Method, Update, adam, fit

SHAPE = (1, 28, 28)


def small(kind: type = AEGAN, network: str = "conv", **options):
    return kind(Plan(network, (7,), 2), **{"code_size": 3, **options})


def small_vae_gan(**options) -> VAEGAN:
    return small(VAEGAN, **options)


def blur(x: Tensor) -> Tensor:
    return nn.functional.avg_pool2d(x, 3, stride=1, padding=1)


def paired(kind: type = PairedAEGAN, network: str = "conv", **options):
    return kind(blur, Plan(network, (7,), 2), **{"code_size": 3, **options})


def context(kind: type = ContextEncoder, network: str = "conv", **options):
    return kind(**{"network": Plan(network, (7,), 2), "code_size": 3, **options})


def pictures(n: int = 6, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


def length(loss: Tensor, network: nn.Module) -> float:
    """Of the gradient that the network receives from this loss; 0 where it receives none."""
    found = torch.autograd.grad(loss, list(network.parameters()), retain_graph=True, allow_unused=True)
    return math.sqrt(sum(g.square().sum().item() for g in found if g is not None))


class Spy:
    """Takes the place of update: keeps who moved down what, moves nobody."""

    def __init__(self) -> None:
        self.losses: dict[str, Tensor] = {}

    def __call__(self, player: str, loss: Tensor) -> Tensor:
        self.losses[player] = loss
        return loss.detach()


# ---- who receives which gradient ---------------------------------------------------------------------


def terms(method: VAEGAN, x: Tensor) -> dict[str, Tensor]:
    """The terms of the autoencoder's loss, one by one, and the discriminator's loss, as a step makes them."""
    mean, log_var = method.posterior(x)
    z = method.encoder.draw(mean, log_var)
    x_hat = method.decode(z)
    fake = method.shown(z)
    return {
        "similarity": method.reconstruction_loss(x_hat, x),
        "adversarial": generator_loss(method.score(fake)),
        "discriminator": discriminator_loss(method.score(x), method.score(fake.detach())),
        "kl": kl_to_standard_normal(mean, log_var),
    }


@pytest.mark.equation("3.13")
def test_the_routing_of_the_vae_gan() -> None:
    """Larsen's table: encoder KL + similarity, decoder similarity + adversarial, discriminator its own alone."""
    method = small_vae_gan()
    found = terms(method, pictures())
    table = {
        ("kl", "encoder"): True,
        ("kl", "decoder"): False,
        ("similarity", "encoder"): True,
        ("similarity", "decoder"): True,
        ("adversarial", "encoder"): False,
        ("adversarial", "decoder"): True,
        ("discriminator", "encoder"): False,
        ("discriminator", "decoder"): False,
        ("discriminator", "discriminator"): True,
    }
    for (term, network), reached in table.items():
        assert (length(found[term], getattr(method, network)) > 0) == reached, (term, network)


@pytest.mark.equation("3.13")
def test_the_decoder_hears_the_judge_of_its_reconstructions_and_of_its_samples() -> None:
    """By half each, while the encoder hears neither: the codes of the reconstructions are detached."""
    method, x = small_vae_gan(), pictures()
    mean, log_var = method.posterior(x)
    fake = method.shown(method.encoder.draw(mean, log_var))
    assert fake.shape == (12, *SHAPE)
    for half in (fake[:6], fake[6:]):
        assert length(half.sum(), method.decoder) > 0
        assert length(half.sum(), method.encoder) == 0


@pytest.mark.equation("3.13")
@pytest.mark.parametrize("term", ["similarity", "adversarial"])
def test_the_discriminator_does_not_move_on_the_autoencoders_terms(term: str) -> None:
    """They do reach its weights in the graph; the move is the autoencoder's, so it stays where it is."""
    method = small_vae_gan()
    assert length(terms(method, pictures())[term], method.discriminator) > 0
    update, before, changed = updates(method), {}, {}

    def watched(player: str, loss: Tensor) -> float:
        before.update({name: p.detach().clone() for name, p in method.named_parameters()})
        value = update(player, loss)
        moved = {
            name.split(".")[0] for name, p in method.named_parameters() if not torch.equal(p, before[name])
        }
        changed[player] = moved
        return value

    method.step(pictures(), watched)
    assert changed == {"discriminator": {"discriminator"}, "autoencoder": {"encoder", "decoder"}}


@pytest.mark.equation("3.13")
def test_the_decoders_loss_is_larsens_up_to_a_factor() -> None:
    """γ·L_sim + L_adv = γ (L_sim + λ L_adv) with λ = 1/γ."""
    gamma = 0.05
    method, spy, x = small_vae_gan(weight=1 / gamma), Spy(), pictures()
    torch.manual_seed(1)
    method.step(x, spy)
    torch.manual_seed(1)
    found = terms(method, x)
    decoder = list(method.decoder.parameters())
    ours = torch.autograd.grad(spy.losses["autoencoder"], decoder, retain_graph=True)
    larsen = torch.autograd.grad(gamma * found["similarity"] + found["adversarial"], decoder)
    for a, b in zip(ours, larsen, strict=True):
        torch.testing.assert_close(gamma * a, b, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kind", [AEGAN, SamplingAEGAN, AdaptiveAEGAN])
def test_the_plain_hybrids_encoder_feels_the_judge_through_reconstructions(kind: type) -> None:
    method, x = small(kind), pictures()
    adversarial = generator_loss(method.score(method.shown(method.reconstruct(x))))
    assert length(adversarial, method.encoder) > 0
    assert length(adversarial, method.decoder) > 0


def updates(method: Method) -> Update:
    players = {name: list(own) for name, own in method.players().items()}
    return Update(players, {name: adam(own, 1e-2, method.betas) for name, own in players.items()})


@pytest.mark.equation("3.3")
@pytest.mark.parametrize("make", [small, small_vae_gan, paired, context])
def test_the_discriminators_loss_ends_at_the_pictures(make: Callable[[], Method]) -> None:
    method, spy = make(), Spy()
    method.step(pictures(), spy)
    assert length(spy.losses["discriminator"], method.discriminator) > 0
    assert length(spy.losses["discriminator"], method.encoder) == 0
    assert length(spy.losses["discriminator"], method.decoder) == 0


@pytest.mark.parametrize(
    "make",
    [
        small,
        lambda: small(network="dense"),
        lambda: small(SamplingAEGAN),
        lambda: small(AdaptiveAEGAN),
        small_vae_gan,
        paired,
        context,
    ],
)
def test_a_move_leaves_the_other_players_gradients_alone(make: Callable[[], Method]) -> None:
    method = make()
    update = updates(method)
    for mover in update.players:

        def only(player: str, loss: Tensor, mover: str = mover) -> float:
            return update(player, loss) if player == mover else loss.detach()

        method.zero_grad()
        method.step(pictures(), only)
        for name, own in update.players.items():
            assert all((p.grad is not None) == (name == mover) for p in own), (name, mover)


@pytest.mark.parametrize("method", [small(), small_vae_gan(), paired(), context()])
def test_two_players_own_every_parameter_once(method: Method) -> None:
    owned = [id(p) for own in method.players().values() for p in own]
    assert len(owned) == len(set(owned))
    assert set(owned) == {id(p) for p in method.parameters()}


# ---- the losses --------------------------------------------------------------------------------------


@pytest.mark.equation("3.3")
@pytest.mark.parametrize("network", ["conv", "dense"])
def test_a_step_plays_the_two_player_game(network: str) -> None:
    method, x, spy = small(network=network, weight=3.0, sigma=0.5), pictures(), Spy()
    record = method.step(x, spy)
    assert list(spy.losses) == ["discriminator", "autoencoder"]
    x_hat = method.reconstruct(x)
    softplus = nn.functional.softplus
    real, fake = method.score(x), method.score(x_hat)
    torch.testing.assert_close(spy.losses["discriminator"], softplus(-real).mean() + softplus(fake).mean())
    reconstruction = gaussian_nll(x_hat, x, math.log(0.5))
    adversarial = softplus(-fake).mean()
    expected = reconstruction + 3 * adversarial
    torch.testing.assert_close(spy.losses["autoencoder"], expected)
    # not only the values: encoder and decoder feel both terms
    own = [*method.encoder.parameters(), *method.decoder.parameters()]
    slopes = (torch.autograd.grad(loss, own) for loss in (spy.losses["autoencoder"], expected))
    for found, wanted in zip(*slopes, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)
    assert record["reconstruction"].item() == pytest.approx(reconstruction.item(), rel=1e-5)
    assert record["adversarial"].item() == pytest.approx(adversarial.item(), rel=1e-5)


@pytest.mark.equation("3.8", "3.13")
def test_the_vae_gans_codes_are_gaussians_and_their_divergence_counts() -> None:
    method, x, spy = small_vae_gan(beta=0.7, weight=3.0), pictures(), Spy()
    torch.manual_seed(3)
    record = method.step(x, spy)
    torch.manual_seed(3)
    found = terms(method, x)
    expected = found["similarity"] + 3 * found["adversarial"] + 0.7 * found["kl"]
    torch.testing.assert_close(spy.losses["autoencoder"], expected)
    torch.testing.assert_close(spy.losses["discriminator"], found["discriminator"])
    assert record["kl"].item() == pytest.approx(found["kl"].item(), rel=1e-5) and record["kl"] > 0.01
    mean, log_var = method.posterior(x)
    assert mean.shape == log_var.shape == (6, 3)
    assert not torch.equal(method.encoder(x), method.encoder(x))


@pytest.mark.equation("3.11")
def test_with_both_judged_each_kind_of_fake_counts_half() -> None:
    method, x, spy = small(SamplingAEGAN), pictures(), Spy()
    torch.manual_seed(2)
    method.step(x, spy)
    torch.manual_seed(2)
    x_hat, made = method.reconstruct(x), method.decode(method.draw(len(x)))
    softplus = nn.functional.softplus
    half = (softplus(method.score(x_hat)).mean() + softplus(method.score(made)).mean()) / 2
    torch.testing.assert_close(spy.losses["discriminator"], softplus(-method.score(x)).mean() + half)


@pytest.mark.equation("3.12")
def test_similarity_in_features_compares_the_discriminators_last_hidden_layer() -> None:
    method, x = small_vae_gan(sigma=1.0), pictures()
    x_hat = method.reconstruct(x)
    seen, wanted = method.discriminator.body(x_hat), method.discriminator.body(x)
    found = method.reconstruction_loss(x_hat, x)
    constant = wanted[0].numel() / 2 * math.log(2 * math.pi)
    torch.testing.assert_close(found - constant, squared_error(seen, wanted) / 2, rtol=1e-3, atol=1e-3)
    # the picture is a fixed target
    given = pictures().requires_grad_()
    (to_target,) = torch.autograd.grad(
        method.reconstruction_loss(x_hat, given), given, allow_unused=True, retain_graph=True
    )
    assert to_target is None


@pytest.mark.equation("3.15")
@pytest.mark.parametrize("network", ["conv", "dense"])
def test_the_adaptive_weight_looks_at_the_decoders_last_layer(network: str) -> None:
    method, x, spy = small(AdaptiveAEGAN, network, weight=0.5), pictures(), Spy()
    last = [m for m in method.decoder.modules() if isinstance(m, nn.Linear | nn.ConvTranspose2d)][-1]
    method.step(x, spy)
    reconstruction = method.reconstruction_loss(method.reconstruct(x), x)
    adversarial = generator_loss(method.score(method.reconstruct(x)))
    weight = 0.5 * adaptive_weight(reconstruction, adversarial, last.weight)
    torch.testing.assert_close(spy.losses["autoencoder"], reconstruction + weight * adversarial)


def test_the_dense_network_has_the_sizes_of_the_document() -> None:
    method = AEGAN("dense", code_size=32)
    found = [
        [(m.in_features, m.out_features) for m in net.modules() if isinstance(m, nn.Linear)]
        for net in (method.encoder, method.decoder, method.discriminator)
    ]
    assert found == [[(784, 128), (128, 32)], [(32, 128), (128, 784)], [(784, 128), (128, 1)]]


# ---- sampling ----------------------------------------------------------------------------------------


def test_without_a_law_of_codes_it_cannot_sample_and_says_why() -> None:
    with pytest.raises(NotImplementedError, match=r"AEGAN cannot sample: .*sees reconstructions only"):
        small().sample(4)


@pytest.mark.parametrize("kind", [SamplingAEGAN, VAEGAN])
def test_with_a_prior_it_samples(kind: type) -> None:
    method = small(kind)
    made = method.sample(5, torch.Generator().manual_seed(1))
    assert made.shape == (5, *SHAPE) and made.min() >= 0 and made.max() <= 1
    assert torch.equal(made, method.decode(method.draw(5, torch.Generator().manual_seed(1))))


def test_reconstructions_are_not_random() -> None:
    method, x = small_vae_gan(), pictures()
    assert torch.equal(method.reconstruct(x), method.reconstruct(x))
    assert method.features(x).shape == (6, 4 * 49)


# ---- from pairs --------------------------------------------------------------------------------------


@pytest.mark.equation("3.24")
def test_the_judge_of_pairs_sees_what_was_given_beside_the_result() -> None:
    method, x, spy = paired(weight=2.0, sigma=0.4), pictures(), Spy()
    method.step(x, spy)
    given = blur(x)
    x_hat = method.restore(given)
    real, fake = (method.discriminator(torch.cat([given, p], 1)) for p in (x, x_hat))
    torch.testing.assert_close(spy.losses["discriminator"], discriminator_loss(real, fake))
    expected = gaussian_nll(x_hat, x, math.log(0.4)) + 2 * generator_loss(fake)
    torch.testing.assert_close(spy.losses["restorer"], expected)


@pytest.mark.equation("3.23")
def test_the_context_encoders_error_counts_in_the_hole_alone() -> None:
    method, x = context(sigma=0.4), pictures()
    hole = method.mask.bool().expand(x.shape)
    x_hat = pictures(12)[6:]
    loss = method.reconstruction_loss(x_hat, x)
    outside = torch.where(hole, x_hat, torch.rand_like(x_hat))
    assert torch.equal(method.reconstruction_loss(outside, x), loss)
    pixel = torch.distributions.Normal(x_hat[hole], 0.4)
    torch.testing.assert_close(loss, -pixel.log_prob(x[hole]).sum() / len(x))
    assert hole[0].sum() == 14 * 14


@pytest.mark.equation("3.23")
def test_the_context_encoders_judge_sees_the_hole_and_its_input_does_not() -> None:
    method, x, spy = context(weight=2.0), pictures(), Spy()
    seen: list[Tensor] = []
    given: list[Tensor] = []
    method.discriminator.register_forward_pre_hook(lambda _, x: seen.append(x[0].detach()))
    method.encoder.register_forward_pre_hook(lambda _, x: given.append(x[0]))
    method.step(x, spy)
    assert len(seen) == 3 and all((p * (1 - method.mask) == 0).all() for p in seen)
    assert torch.equal(seen[0], x * method.mask)
    assert torch.equal(seen[2], method.restore(x * (1 - method.mask)) * method.mask)
    assert torch.equal(given[0], x * (1 - method.mask))
    fake = generator_loss(method.discriminator(seen[2]))
    expected = method.reconstruction_loss(method.restore(given[0]), x) + 2 * fake
    torch.testing.assert_close(spy.losses["restorer"], expected)


def test_filling_a_hole_leaves_the_rest_as_it_is() -> None:
    mask = torch.zeros(28, 28)
    mask[3:9, 20:25] = 1
    method, x = context(mask=mask), pictures()
    filled = method.reconstruct(x)
    assert torch.equal(filled * (1 - mask), x * (1 - mask))
    in_hole = torch.where(mask.bool(), torch.rand_like(x), x)
    assert torch.equal(method.reconstruct(in_hole), filled)  # it cannot look into the hole
    assert torch.equal(filled * mask, method.restore(x * (1 - mask)) * mask)


def test_a_degraded_picture_keeps_the_blocks_means_and_gets_noise() -> None:
    x = pictures(50)
    coarse = degraded(x, 7, noise=0.0).unfold(2, 7, 7).unfold(3, 7, 7)
    blocks = x.unfold(2, 7, 7).unfold(3, 7, 7)
    torch.testing.assert_close(coarse, blocks.mean((4, 5), keepdim=True).expand_as(coarse))
    noise = degraded(x, 4, noise=0.3) - degraded(x, 4, noise=0.0)
    assert noise.std().item() == pytest.approx(0.3, rel=0.02) and abs(noise.mean().item()) < 0.01
    with pytest.raises(ValueError, match=r"factor is 3: give a divisor of the picture's sides \(28, 28\)"):
        degraded(x, 3)


@pytest.mark.parametrize("make", [small, small_vae_gan, paired, context])
def test_colours_and_other_sizes_fit(make: Callable[..., Method]) -> None:
    method, x = make(shape=(3, 32, 32)), pictures(4, (3, 32, 32))
    assert method.reconstruct(x).shape == x.shape
    assert all(math.isfinite(v) for v in method.step(x, Spy()).values())


@pytest.mark.equation("3.23", "3.24")
@pytest.mark.parametrize("make", [lambda: paired(Restorer), lambda: context(HoleFiller)])
def test_the_baseline_is_the_same_regression_without_a_judge(make: Callable[[], Restorer]) -> None:
    method, x, spy = make(), pictures(), Spy()
    record = method.step(x, spy)
    assert list(method.players()) == list(record) == ["restorer"]
    restored = method.restore(method.corrupt(x))
    torch.testing.assert_close(spy.losses["restorer"], method.reconstruction_loss(restored, x))


@pytest.mark.parametrize(
    ("judged", "baseline"),
    [(paired(seed=4), paired(Restorer, seed=4)), (context(seed=4), context(HoleFiller, seed=4))],
)
def test_a_judged_restorer_starts_like_its_baseline(judged: Restorer, baseline: Restorer) -> None:
    for name, weight in baseline.state_dict().items():
        assert torch.equal(judged.state_dict()[name], weight)


def test_training_makes_each_of_them_better() -> None:
    images = torch.zeros(128, *SHAPE, dtype=torch.uint8)
    for row in range(128):
        images[row, 0, 4 + row % 16 : 12 + row % 16, row % 12 : 10 + row % 12] = 255
    data = ImageDataset(images, torch.zeros(128, dtype=torch.int64))
    for method in (small(), small_vae_gan(), paired(), context()):
        before = squared_error(method.reconstruct(data.x), data.x).item()
        fit(method, data, epochs=6, batch_size=16, device="cpu", progress=False)
        assert squared_error(method.reconstruct(data.x), data.x).item() < 0.8 * before


# ---- what cannot be used -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "wrong", "says"),
    [
        (AEGAN, {"network": "deep"}, "network is 'deep': choose one of dense, conv, linear"),
        (AEGAN, {"code_size": 0}, "code_size is 0: give at least 1"),
        (AEGAN, {"sigma": 0.0}, "sigma is 0.0: give a positive number"),
        (AEGAN, {"weight": -1.0}, "weight is -1.0: give a number that is not negative"),
        (VAEGAN, {"beta": math.inf}, "beta is inf: give a positive number"),
        (paired, {"code_size": 0}, "code_size is 0: give at least 1"),
        (paired, {"weight": math.nan}, "weight is nan"),
        (context, {"mask": torch.zeros(28, 28)}, "0 missing pixels: give zeros and at least one 1"),
        (context, {"mask": torch.ones(14, 14)}, r"shape \(14, 14\).*shape \(28, 28\)"),
        (context, {"mask": torch.full((28, 28), 0.5)}, "give zeros and at least one 1"),
    ],
)
def test_wrong_options_are_named(make: Callable[..., Method], wrong: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make(**wrong)


def test_a_wrong_picture_is_named() -> None:
    wrong = torch.zeros(2, 1, 32, 32)
    with pytest.raises(ValueError, match=r"x has shape \(2, 1, 32, 32\): give \(B, 1, 28, 28\)"):
        small().encode(wrong)
    with pytest.raises(ValueError, match=r"given has shape \(2, 1, 32, 32\): give"):
        paired().restore(wrong)


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_adversarys_weight_may_be_small_or_nothing(weight: float) -> None:
    assert VAEGAN(weight=weight).weight == weight
    with pytest.raises(ValueError, match=r"weight is -0\.5"):
        VAEGAN(weight=-0.5)


@pytest.mark.parametrize("spoil", [lambda x: x[:, :, ::2], lambda x: x.tolist()], ids=["shape", "kind"])
def test_a_corruption_that_gives_something_else_is_refused_before_the_first_step(
    spoil: Callable[[Tensor], Tensor],
) -> None:
    with pytest.raises(ValueError, match=r"corrupt gives .*: give a function that keeps"):
        Restorer(spoil, Plan("dense", (8,)), 4).accepts(torch.rand(2, 1, 28, 28), None)


def test_a_kind_of_network_will_do_for_a_plan() -> None:
    assert Restorer(lambda x: x, "dense", 4).plan == Plan("dense", (128,))
