"""Chapter 4's methods: which phase moves whom, what labels do, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.data import ImageDataset
from gencourse.losses import discriminator_loss, generator_loss, mmd, squared_error
from gencourse.methods import (
    AAE,
    WAE,
    ClusteringAAE,
    ConditionalAAE,
    GaussianPrior,
    LabelledAAE,
    MixturePrior,
    SemiSupervisedAAE,
    SwissRollPrior,
)
from gencourse.networks import Plan
from gencourse.training import Update, adam, fit, load_weights, save_weights

SHAPE = (1, 28, 28)
KINDS = (AAE, LabelledAAE, ConditionalAAE, SemiSupervisedAAE, ClusteringAAE)
ENCODERS = ("deterministic", "gaussian", "universal")
QUIET = {"batch_size": 8, "device": "cpu", "progress": False}


def pictures(n: int = 6, shape: tuple[int, ...] = SHAPE, seed: int = 0) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))


def dataset(n: int = 20) -> ImageDataset:
    images = torch.randint(0, 256, (n, *SHAPE), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return ImageDataset(images, torch.arange(n) % 4)


def small(kind: type = AAE, network: str = "dense", hidden: tuple[int, ...] = (14, 11), **options):
    if kind is SemiSupervisedAAE:
        options.setdefault("labelled", dataset(5))
    if kind in KINDS:
        options = {"judge": (9, 8), **options}
    if kind in KINDS[1:]:
        options = {"classes": 4, **options}
    return kind(Plan(network, hidden, 2), **{"code_size": 3, "encoder_noise": 4, **options})


def updates(method) -> Update:
    players = {name: list(own) for name, own in method.players().items()}
    return Update(players, {name: adam(own, 1e-2, method.betas) for name, own in players.items()})


class Spy:
    """Takes the place of update: keeps who moved down what, moves nobody."""

    def __init__(self) -> None:
        self.moves: list[tuple[str, Tensor]] = []

    def __call__(self, player: str, loss: Tensor) -> Tensor:
        self.moves.append((player, loss))
        return loss.detach()

    @property
    def losses(self) -> dict[str, Tensor]:
        return dict(self.moves)


def stepped(method, x: Tensor | None = None, y: Tensor | None = None, seed: int = 3) -> Spy:
    """One step that moves nobody, with its own random numbers."""
    spy = Spy()
    x = pictures() if x is None else x
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        method.step(x, spy, torch.arange(len(x)) % 4 if y is None else y)
    return spy


# ---- phases ------------------------------------------------------------------------------------------

ORDER = {
    AAE: ["autoencoder", "discriminator", "encoder"],
    LabelledAAE: ["autoencoder", "discriminator", "encoder"],
    ConditionalAAE: ["autoencoder", "discriminator", "encoder"],
    ClusteringAAE: ["autoencoder", "discriminator", "label_discriminator", "encoder"],
    SemiSupervisedAAE: ["autoencoder", "discriminator", "label_discriminator", "encoder", "classifier"],
}
MOVED = {
    "autoencoder": {"encoder", "decoder"},
    "discriminator": {"discriminator"},
    "label_discriminator": {"label_discriminator"},
    "encoder": {"encoder"},
    "classifier": {"encoder"},
}


@pytest.mark.equation("4.1", "4.3", "4.4", "4.17", "4.18")
@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_phase_moves_its_networks_and_no_other(kind: type, encoder: str) -> None:
    method, order = small(kind, encoder=encoder), []
    update = updates(method)
    assert list(update.players) == ORDER[kind]
    home = {id(p): name.split(".")[0] for name, p in method.named_parameters()}
    assert {name: {home[id(p)] for p in own} for name, own in update.players.items()} == {
        name: MOVED[name] for name in ORDER[kind]
    }

    def watched(player: str, loss: Tensor) -> float:
        before = {name: p.detach().clone() for name, p in method.named_parameters()}
        for p in method.parameters():
            p.grad = None
        value = update(player, loss)
        moved = {
            name.split(".")[0] for name, p in method.named_parameters() if not torch.equal(p, before[name])
        }
        written = {name.split(".")[0] for name, p in method.named_parameters() if p.grad is not None}
        assert moved == written == MOVED[player]
        order.append(player)
        return value

    record = method.step(pictures(), watched, torch.arange(6) % 4)
    assert order == list(record) == ORDER[kind]


@pytest.mark.equation("4.3", "4.4")
def test_the_prior_is_real_the_codes_are_fake_and_the_encoder_wants_the_opposite() -> None:
    method, x = small(), pictures()
    spy = stepped(method, x)
    torch.manual_seed(3)
    prior, codes = method.draw(len(x)), method.encode(x)
    torch.testing.assert_close(
        spy.losses["discriminator"], discriminator_loss(method.score(prior), method.score(codes))
    )
    torch.testing.assert_close(spy.losses["encoder"], generator_loss(method.score(codes)))
    # a step of the discriminator raises the logits of the prior and lowers those of codes
    real, fake = method.score(prior).mean().item(), method.score(codes).mean().item()
    weights = list(method.discriminator.parameters())
    for p, g in zip(weights, torch.autograd.grad(spy.losses["discriminator"], weights), strict=True):
        p.data -= 1e-2 * g
    assert method.score(prior).mean() - method.score(codes).mean() > real - fake
    # a step of the encoder raises the logits of its codes
    before, weights = method.score(method.encode(x)).mean().item(), list(method.encoder.parameters())
    loss = generator_loss(method.score(method.encode(x)))
    for p, g in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        p.data -= 1e-2 * g
    assert method.score(method.encode(x)).mean() > before


@pytest.mark.equation("4.3", "4.17")
@pytest.mark.parametrize("kind", KINDS)
def test_the_discriminators_losses_do_not_reach_back_into_the_encoder(kind: type) -> None:
    method = small(kind, encoder="gaussian")
    for player, loss in stepped(method).moves:
        if player.endswith("discriminator"):
            found = torch.autograd.grad(loss, list(method.encoder.parameters()), allow_unused=True)
            assert all(g is None for g in found)


@pytest.mark.equation("4.1")
def test_the_first_phase_is_the_reconstruction_alone() -> None:
    method, x = small(), pictures()
    torch.testing.assert_close(
        stepped(method, x).losses["autoencoder"], squared_error(method.reconstruct(x), x)
    )


@pytest.mark.equation("4.17")
@pytest.mark.parametrize("kind", [SemiSupervisedAAE, ClusteringAAE])
def test_two_discriminators_each_see_their_half_of_the_code(kind: type) -> None:
    method, x = small(kind), pictures()
    spy = stepped(method, x)
    torch.manual_seed(3)
    label, z = method.label_logits(x).softmax(1), method.encode(x)
    prior = method.draw(len(x))
    torch.testing.assert_close(
        spy.losses["discriminator"], discriminator_loss(method.score(prior), method.score(z))
    )
    one_hot = method.label_prior.draw(len(x))
    torch.testing.assert_close(
        spy.losses["label_discriminator"],
        discriminator_loss(method.score_label(one_hot), method.score_label(label)),
    )
    torch.testing.assert_close(
        spy.losses["encoder"], generator_loss(method.score(z)) + generator_loss(method.score_label(label))
    )
    rebuilt = squared_error(method.decode(z, label), x)
    torch.testing.assert_close(spy.losses["autoencoder"], rebuilt)
    # all three terms teach the encoder which label to give
    weights = list(method.encoder.parameters())
    for found, wanted in (
        (spy.losses["autoencoder"], rebuilt),
        (spy.losses["encoder"], generator_loss(method.score(z)) + generator_loss(method.score_label(label))),
    ):
        pairs = zip(
            *(torch.autograd.grad(loss, weights, retain_graph=True) for loss in (found, wanted)), strict=True
        )
        for a, b in pairs:
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    # a label is a distribution over the classes, row by row
    torch.testing.assert_close(method.decode(z, method.label_logits(x).softmax(1)), method.reconstruct(x))


@pytest.mark.equation("4.18")
def test_the_supervised_phase_is_the_cross_entropy_on_the_few_labels() -> None:
    few = dataset(5)
    method = small(SemiSupervisedAAE, labelled=few)
    expected = F.cross_entropy(method.label_logits(few.x), few.labels)
    # all five fit into a batch, whatever their order, and the labels of the mini-batch are not looked at
    for y in (torch.zeros(6, dtype=torch.int64), torch.full((6,), -1)):
        torch.testing.assert_close(stepped(method, y=y).losses["classifier"], expected)
    one = small(SemiSupervisedAAE, labelled=few, labelled_batch=1)
    found = {round(stepped(one, seed=s).losses["classifier"].item(), 4) for s in range(12)}
    each = F.cross_entropy(one.label_logits(few.x), few.labels, reduction="none")
    assert len(found) > 2 and found <= {round(v, 4) for v in each.tolist()}


# ---- labels ------------------------------------------------------------------------------------------


@pytest.mark.equation("4.15")
def test_the_discriminator_is_told_the_label_with_an_entry_for_none() -> None:
    method = small(LabelledAAE, code_size=2, prior=MixturePrior(4))
    z, y = torch.zeros(5, 2), torch.tensor([0, 1, 2, 3, -1])
    by_hand = method.discriminator(torch.cat([z, torch.eye(5)], dim=1)).squeeze(1)
    torch.testing.assert_close(method.score(z, y), by_hand)
    assert len(by_hand.unique()) == 5


@pytest.mark.equation("4.15")
def test_the_prior_is_drawn_from_the_part_of_the_label_and_from_all_of_it_without() -> None:
    method, drawn = small(LabelledAAE, code_size=2, prior=MixturePrior(4)), []
    score = method.score
    method.score = lambda z, y=None: drawn.append((z, y)) or score(z, y)
    y = torch.tensor([0, 1, 2, 3, -1] * 200)
    stepped(method, pictures(1000), y)
    z, told = drawn[0]
    assert torch.equal(told, y)
    angle = torch.atan2(z[:, 1], z[:, 0])
    part = torch.round(angle / (torch.pi / 2)).long() % 4
    assert torch.equal(part[y >= 0], y[y >= 0])
    assert len(part[y < 0].unique()) == 4


@pytest.mark.equation("4.15")
def test_without_parts_the_prior_is_the_same_for_every_label() -> None:
    method = small(LabelledAAE)
    assert stepped(method, y=torch.tensor([0, 1, 2, 3, -1, 0])).losses.keys() == set(ORDER[LabelledAAE])


@pytest.mark.equation("4.16")
def test_the_decoder_is_told_the_label_and_the_encoder_is_not() -> None:
    method, x = small(ConditionalAAE), pictures()
    y = torch.arange(6) % 4
    expected = squared_error(method.decode(method.encode(x), y), x)
    torch.testing.assert_close(stepped(method, x, y).losses["autoencoder"], expected)
    z = method.encode(x)
    assert not torch.equal(method.decode(z, y), method.decode(z, (y + 1) % 4))
    torch.testing.assert_close(method.decode(z, y), method.decode(z, F.one_hot(y, 4)))
    torch.testing.assert_close(method.reconstruct(x, y), method.decode(z, y))
    (slope,) = torch.autograd.grad(method.score(z).sum(), z)
    assert slope.shape == z.shape


def test_a_semi_supervised_one_classifies_by_its_label_half() -> None:
    method, x = small(SemiSupervisedAAE), pictures()
    assert torch.equal(method.classify(x), method.label_logits(x).argmax(1))
    assert method.label_logits(x).shape == (6, 4)
    label = method.label_logits(x).softmax(1)
    torch.testing.assert_close(method.reconstruct(x), method.decode(method.encode(x), label))


# ---- encoders ----------------------------------------------------------------------------------------


@pytest.mark.equation("4.8")
@pytest.mark.parametrize("network", ["dense", "conv"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_only_a_deterministic_encoder_repeats_itself(encoder: str, network: str) -> None:
    method, x = small(network=network, encoder=encoder), pictures()
    assert method.encode(x).shape == (6, 3)
    assert torch.equal(method.encode(x), method.encode(x)) == (encoder == "deterministic")


@pytest.mark.equation("4.8")
def test_a_gaussian_encoder_draws_from_its_mean_and_variance() -> None:
    method, x = small(encoder="gaussian"), pictures(1)
    mean, log_var = method.posterior(x)
    torch.testing.assert_close(method.features(x), mean)
    z = method.encode(x.expand(4000, -1, -1, -1))
    std = (log_var / 2).exp()[0]
    torch.testing.assert_close(z.mean(0), mean[0], rtol=0, atol=0.08 * std.max().item())
    torch.testing.assert_close(z.std(0), std, rtol=0.06, atol=0)
    assert torch.corrcoef(z.T).fill_diagonal_(0).abs().max() < 0.06
    loss = squared_error(method.decode(method.encode(x)), x)
    slopes = torch.autograd.grad(loss, list(method.encoder.parameters()))
    assert all(g.abs().sum() > 0 for g in slopes)
    to_mean, to_log_var = slopes[-1].chunk(2)  # the last layer's biases: of the means, of the log variances
    assert (to_mean != 0).all() and (to_log_var != 0).all()


@pytest.mark.equation("4.8")
def test_a_universal_encoder_bends_its_noise() -> None:
    """f(x, η) is not f(x, 0) plus something linear in η, so q(z|x) need not be Gaussian."""
    method, x = small(encoder="universal", encoder_noise=2), pictures(1)
    eta = torch.tensor([[0.0, 0.0], [3.0, 0.0], [-3.0, 0.0]])
    z = method.encoder(x.expand(3, -1, -1, -1), eta)
    assert ((z[1] - z[0]) + (z[2] - z[0])).abs().max() > 1e-2
    torch.manual_seed(5)
    given = torch.randn(1, 2)
    torch.manual_seed(5)
    torch.testing.assert_close(method.encode(x), method.encoder(x, given))


@pytest.mark.parametrize("network", ["dense", "conv"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
@pytest.mark.parametrize("kind", [AAE, WAE])
def test_it_encodes_decodes_reconstructs_and_samples(kind: type, shape: tuple, network: str) -> None:
    method, x = small(kind, network, shape=shape), pictures(4, shape)
    z = method.encode(x)
    assert z.shape == method.features(x).shape == (4, 3)
    assert torch.equal(method.reconstruct(x), method.decode(z))
    drawn = method.sample(5, torch.Generator().manual_seed(0))
    assert drawn.shape == (5, *shape) and drawn.min() >= 0 and drawn.max() <= 1
    prior = method.prior.draw(5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn, method.decode(prior))


def test_samples_take_labels_in_turn_or_as_given() -> None:
    told = small(ConditionalAAE)
    z = told.prior.draw(6, generator=torch.Generator().manual_seed(0))
    turn = torch.tensor([0, 1, 2, 3, 0, 1])
    for y, expected in ((None, turn), (turn.flip(0), turn.flip(0))):
        found = told.sample(6, torch.Generator().manual_seed(0), y)
        torch.testing.assert_close(found, told.decode(z, expected))
    parted = small(LabelledAAE, code_size=2, prior=MixturePrior(4))
    z = parted.prior.draw(6, turn, torch.Generator().manual_seed(0))
    torch.testing.assert_close(parted.sample(6, torch.Generator().manual_seed(0), turn), parted.decode(z))


def test_noise_goes_to_the_input_and_not_to_the_target() -> None:
    method, x = small(noise=0.5), pictures()
    found = stepped(method, x).losses["autoencoder"]
    torch.manual_seed(3)
    noisy = x + 0.5 * torch.randn_like(x)
    torch.testing.assert_close(found, squared_error(method.reconstruct(noisy), x))


# ---- WAE ---------------------------------------------------------------------------------------------


@pytest.mark.equation("4.10")
def test_the_wae_adds_the_weighted_distance_to_the_reconstruction() -> None:
    method, x = small(WAE, weight=7.0, prior=GaussianPrior(3, 2.0)), pictures()
    spy = stepped(method, x)
    assert list(spy.losses) == list(method.players()) == ["autoencoder"]
    torch.manual_seed(3)
    z = method.encode(x)
    expected = squared_error(method.decode(z), x) + 7 * mmd(z, method.draw(6), 2.0)
    torch.testing.assert_close(spy.losses["autoencoder"], expected)
    weights = list(method.encoder.parameters())  # the encoder feels both terms
    slopes = (torch.autograd.grad(loss, weights) for loss in (spy.losses["autoencoder"], expected))
    for found, wanted in zip(*slopes, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5)
    record = method.step(x, Spy())
    torch.testing.assert_close(record["autoencoder"], record["reconstruction"] + 7 * record["mmd"])


def test_the_wae_takes_its_scale_from_any_prior() -> None:
    prior = SwissRollPrior()
    method = small(WAE, code_size=2, prior=prior)
    assert method.std == pytest.approx(prior.draw(5000).std(0).mean().item(), rel=0.05)


# ---- with the loop -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_weights_and_a_resumed_run_is_the_same(kind: type, tmp_path: Path) -> None:
    whole, again, parts = (small(kind, encoder="gaussian") for _ in range(3))
    fit(whole, dataset(), epochs=2, **QUIET)
    fit(again, dataset(), epochs=2, **QUIET)
    for epochs in (1, 2):
        fit(parts, dataset(), epochs=epochs, checkpoint=tmp_path / "run", resume=True, **QUIET)
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
        assert torch.equal(weight, parts.state_dict()[name])


def test_the_few_labelled_pictures_are_not_stored_with_the_weights(tmp_path: Path) -> None:
    trained = small(SemiSupervisedAAE, encoder_noise=16)
    save_weights(tmp_path / "w", trained)
    loaded = small(SemiSupervisedAAE, labelled=None, encoder_noise=16, seed=9)
    load_weights(tmp_path / "w", loaded)
    x = pictures()
    assert torch.equal(loaded.classify(x), trained.classify(x))
    with pytest.raises(ValueError, match="labelled is None: a semi-supervised AAE learns"):
        fit(loaded, dataset(), **QUIET)


def test_codes_start_narrow_and_end_as_wide_as_the_prior() -> None:
    rows = torch.rand(400, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    data = ImageDataset((rows * 255).to(torch.uint8), torch.zeros(400, dtype=torch.int64))
    method = AAE(Plan("dense", (32,)), 2, (1, 4, 4), judge=(32,))
    with torch.no_grad():
        method.encoder[-1].weight.mul_(0.2)
    x = data.x
    assert method.encode(x).std(0).max() < 0.3
    fit(method, data, epochs=40, learning_rate=3e-3, batch_size=40, device="cpu", progress=False)
    z = method.encode(x)
    assert z.mean(0).abs().max() < 0.5 and z.std(0).min() > 0.6 and z.std(0).max() < 1.4


# ---- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "vit"}, "network is 'vit'"),
        ({"encoder": "stochastic"}, "encoder is 'stochastic'"),
        ({"code_size": 0}, "code_size is 0"),
        ({"hidden": (0,)}, r"hidden\[0\] is 0"),
        ({"encoder_noise": 0}, "encoder_noise is 0"),
        ({"noise": -0.1}, "noise is -0.1"),
        ({"kind": ClusteringAAE, "classes": 1}, "classes is 1"),
        ({"kind": SemiSupervisedAAE, "labelled_batch": 0}, "labelled_batch is 0"),
        ({"code_size": 3, "prior": GaussianPrior(4)}, "the prior draws codes of 4"),
        ({"kind": LabelledAAE, "code_size": 2, "prior": MixturePrior(3)}, "the prior has 3 parts"),
        (
            {"kind": SemiSupervisedAAE, "labelled": dataset(8), "classes": 3},
            "the labels go from 0 to 3: give 0 to 2",
        ),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**options)


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="weight is -1"):
        small(WAE, weight=-1.0)


@pytest.mark.parametrize("kind", [LabelledAAE, ConditionalAAE])
def test_wrong_labels_are_refused_before_the_first_step(kind: type) -> None:
    method, x = small(kind), pictures()
    steps: list[int] = []
    method.step = lambda *_: steps.append(1)
    least = -1 if kind is LabelledAAE else 0
    for wrong in (4, least - 1):
        with pytest.raises(ValueError, match=f"the labels go from {wrong} to {wrong}: give {least} to 3"):
            method.accepts(x, torch.full((6,), wrong))
    with pytest.raises(ValueError, match=f"the labels go from 4 to 4: give {least} to 3"):
        fit(method, ImageDataset((x * 255).byte(), torch.full((6,), 4)), **QUIET)
    with pytest.raises(ValueError, match=f"has no labels: {kind.__name__} learns from labels"):
        method.accepts(x, None)
    assert not steps


def test_a_method_says_what_it_cannot_do() -> None:
    plain, told = small(), small(ConditionalAAE)
    with pytest.raises(NotImplementedError, match="AAE cannot give a posterior: its encoder is not Gaussian"):
        plain.posterior(pictures())
    with pytest.raises(ValueError, match="y is None: this decoder is told labels"):
        told.decode(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="y has shape"):
        told.decode(torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"x has shape \(2, 1, 8, 8\): give \(B, 1, 28, 28\)"):
        plain.encode(pictures(2, (1, 8, 8)))


def test_the_judge_without_labels_judges_as_without_a_label_told() -> None:
    method, z = LabelledAAE(Plan("dense", (8,)), 2, prior=MixturePrior()), torch.randn(5, 2)
    unknown = method.score(z, torch.full((5,), -1))
    assert torch.equal(method.score(z), unknown)
    assert not torch.equal(method.score(z, torch.zeros(5, dtype=torch.int64)), unknown)


@pytest.mark.parametrize("method", [ConditionalAAE, ClusteringAAE, SemiSupervisedAAE])
def test_one_class_is_no_choice(method: type) -> None:
    with pytest.raises(ValueError, match="classes is 1: give at least 2"):
        method(Plan("dense", (8,)), 2, classes=1)
