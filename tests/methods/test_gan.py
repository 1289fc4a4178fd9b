"""Chapter 2's method: who moves when, on what noise, and what each option changes."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gencourse.data import ImageDataset
from gencourse.losses import (
    ADVERSARIAL_KINDS,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    r1_penalty,
)
from gencourse.methods import GAN
from gencourse.methods import load as load_method
from gencourse.networks import Augment, mlp
from gencourse.training import (
    NonFiniteLossError,
    Update,
    adam,
    fit,
    load_weights,
    read_checkpoint,
    save_weights,
)

SHAPE = (1, 28, 28)
QUIET = {"batch_size": 8, "device": "cpu", "progress": False}


def small(**options) -> GAN:
    return GAN(**{"noise_size": 5, "width": 2, **options})


def toy(**options) -> GAN:
    """Points in the plane, networks of one's own."""
    torch.manual_seed(0)
    return GAN(shape=(2,), noise_size=3, generator=mlp((3, 8, 2)), discriminator=mlp((2, 8, 1)), **options)


def pictures(n: int = 6, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


def dataset(n: int = 20) -> ImageDataset:
    images = torch.randint(0, 256, (n, *SHAPE), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return ImageDataset(images, torch.arange(n) % 4)


def updates(method: GAN) -> Update:
    players = {name: list(own) for name, own in method.players().items()}
    return Update(players, {name: adam(own, 1e-2, method.betas) for name, own in players.items()})


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: t.clone() for name, t in module.state_dict().items()}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Spy:
    """Takes the place of update: keeps who moved down what, moves nobody."""

    def __init__(self) -> None:
        self.moves: list[tuple[str, Tensor]] = []

    def __call__(self, player: str, loss: Tensor) -> float:
        self.moves.append((player, loss))
        return loss.item()

    @property
    def players(self) -> list[str]:
        return [player for player, _ in self.moves]


# ---- who moves, and what it costs --------------------------------------------------------------------


@pytest.mark.parametrize("mover", ["discriminator", "generator"])
@pytest.mark.parametrize("loss", ADVERSARIAL_KINDS)
def test_a_move_touches_one_network_alone(mover: str, loss: str) -> None:
    method = small(loss=loss)
    networks = {"discriminator": method.discriminator, "generator": method.generator}
    (other,) = networks.keys() - {mover}
    update = updates(method)

    def only(player: str, loss: Tensor) -> float:
        before = {name: [p.detach().clone() for p in net.parameters()] for name, net in networks.items()}
        value = update(player, loss) if player == mover else loss.item()
        for name, net in networks.items():
            moved = any(not torch.equal(p, q) for p, q in zip(net.parameters(), before[name], strict=True))
            assert moved == (name == player == mover)
        return value

    method.step(pictures(), only)
    assert all(p.grad is not None for p in networks[mover].parameters())
    assert all(p.grad is None for p in networks[other].parameters())


@pytest.mark.parametrize(
    "options", [{}, {"loss": "relativistic"}, {"r1": 1.0, "r2": 1.0}, {"critic_steps": 3}]
)
def test_no_gradient_is_computed_for_a_player_that_does_not_move(options: dict) -> None:
    method = small(**options)
    update, computed, moving = updates(method), [], [""]
    for name, own in method.players().items():
        for weight in own:
            weight.register_hook(lambda _, name=name: computed.append((moving[0], name)))

    def watch(layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        if out.requires_grad:
            out.register_hook(lambda _: computed.append((moving[0], "generator")))

    for layer in method.generator.modules():
        layer.register_forward_hook(watch)

    def watched(player: str, loss: Tensor) -> float:
        moving[0] = player
        return update(player, loss)

    method.step(pictures(), watched)
    assert set(computed) == {("discriminator", "discriminator"), ("generator", "generator")}


def test_the_discriminators_fakes_are_made_without_a_graph() -> None:
    method, made = small(), []
    method.generator.register_forward_hook(lambda _, __, out: made.append(out.requires_grad))
    method.step(pictures(), Spy())
    assert made == [False, True]


@pytest.mark.parametrize("critic_steps", [1, 3])
def test_the_discriminator_moves_so_often_and_then_the_generator_once(critic_steps: int) -> None:
    method, spy = small(critic_steps=critic_steps), Spy()
    record = method.step(pictures(), spy)
    assert spy.players == ["discriminator"] * critic_steps + ["generator"]
    assert record == {"discriminator": spy.moves[-2][1].item(), "generator": spy.moves[-1][1].item()}


def test_each_move_draws_new_noise() -> None:
    method, seen = small(critic_steps=3), []
    method.generator.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    for _ in range(2):
        method.step(pictures(), Spy())
    rows = torch.cat(seen)
    assert len(seen) == 8 and rows.shape == (48, 5)
    assert len(rows.unique(dim=0)) == 48


def test_the_generator_answers_the_discriminator_that_has_just_moved() -> None:
    """Alternating, not simultaneous: the generator's loss is that of the new discriminator."""
    method, at_move = small(), []
    method.discriminator.register_forward_pre_hook(
        lambda net, _: at_move.append(next(net.parameters()).detach().clone())
    )
    update = updates(method)
    method.step(pictures(), update)
    real, fake, answer = at_move
    assert torch.equal(real, fake) and not torch.equal(fake, answer)


def test_real_and_generated_pictures_never_share_a_pass() -> None:
    """Batch norm would tell the discriminator of the dcgan which batch is which, or mix them up."""
    method, seen = GAN("dcgan", (1, 32, 32), noise_size=4), []
    method.discriminator.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    method.step(pictures(3, (1, 32, 32)), Spy())
    assert seen == [3, 3, 3]


def test_two_players_own_all_parameters_once() -> None:
    method = small(classes=4)
    owned = [id(p) for own in method.players().values() for p in own]
    assert list(method.players()) == ["discriminator", "generator"]
    assert len(owned) == len(set(owned)) and set(owned) == {id(p) for p in method.parameters()}


# ---- losses ------------------------------------------------------------------------------------------


@pytest.mark.equation("2.2", "2.5", "2.6", "2.8", "2.10", "2.13", "2.15")
@pytest.mark.parametrize("loss", ADVERSARIAL_KINDS)
def test_the_step_takes_the_loss_of_its_kind(loss: str) -> None:
    method, x, spy, fakes = toy(loss=loss), pictures(6, (2,)), Spy(), []
    method.generator.register_forward_hook(lambda _, __, out: fakes.append(out.detach()))
    method.step(x, spy)
    real, first, second = (method.discriminator(v) for v in (x, *fakes))
    torch.testing.assert_close(spy.moves[0][1], discriminator_loss(real, first, loss))
    torch.testing.assert_close(spy.moves[1][1], generator_loss(second, loss, real_logits=real))


@pytest.mark.parametrize("loss", ADVERSARIAL_KINDS)
def test_a_small_move_raises_real_logits_lowers_fake_ones_and_then_raises_those(loss: str) -> None:
    method, x = toy(loss=loss), pictures(64, (2,))
    z = torch.randn(64, 3, generator=torch.Generator().manual_seed(1))

    def gap() -> float:
        with torch.no_grad():
            return (method.score(x).mean() - method.score(method.generate(z)).mean()).item()

    gaps = [gap()]
    for own, value in (
        (method.discriminator, lambda: method.discriminator_loss(x, method.generate(z).detach())),
        (method.generator, lambda: method.generator_loss(method.generate(z), x)),
    ):
        grads = torch.autograd.grad(value(), list(own.parameters()))
        with torch.no_grad():
            for weight, grad in zip(own.parameters(), grads, strict=True):
                weight -= 1e-2 * grad
        gaps.append(gap())
    assert gaps[1] > gaps[0] and gaps[2] < gaps[1]


@pytest.mark.equation("2.11", "2.14")
@pytest.mark.parametrize("option", ["gradient_penalty", "r1", "r2"])
def test_a_penalty_is_added_with_its_weight(option: str) -> None:
    x = pictures(6, (2,))
    plain, penalised = toy(), toy(**{option: 3.0})
    fake = plain.generate(plain.noise(6)).detach()
    torch.manual_seed(1)
    added = penalised.discriminator_loss(x, fake) - plain.discriminator_loss(x, fake)
    torch.manual_seed(1)
    penalty = {
        "gradient_penalty": lambda: gradient_penalty(plain.score, x, fake),
        "r1": lambda: r1_penalty(plain.score, x),
        "r2": lambda: r1_penalty(plain.score, fake),
    }[option]()
    assert penalty > 0
    torch.testing.assert_close(added, 3 * penalty, rtol=1e-4, atol=1e-6)
    assert penalised.generator_loss(fake, x) == plain.generator_loss(fake, x)


@pytest.mark.equation("2.12")
def test_spectral_norm_is_on_the_discriminator_only() -> None:
    method = small(spectral_norm=True)
    method.train()
    x = pictures()
    for _ in range(50):
        method.score(x)
    method.eval()
    for layer in method.discriminator.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            largest = torch.linalg.svdvals(layer.weight.flatten(1))[0].item()
            assert largest == pytest.approx(1, rel=0.05)
    assert not any("parametrizations" in name for name in method.generator.state_dict())
    fit(method, dataset(), **QUIET)


def test_weights_are_clipped_after_the_discriminators_moves() -> None:
    method = small(loss="wasserstein", clip_weights=0.01)
    generator = state(method.generator)
    method.step(pictures(), updates(method))
    assert all(p.abs().max() <= 0.01 for p in method.discriminator.parameters())
    assert max(p.abs().max() for p in method.generator.parameters()) > 0.1
    assert max(t.abs().max() for t in generator.values()) > 0.1


# ---- what it makes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["conv", "dense", "dcgan"])
@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (3, 28, 28), (1, 32, 32), (3, 32, 32), (1, 64, 64), (3, 64, 64)]
)
def test_it_makes_and_judges_pictures_of_every_size(network: str, shape: tuple[int, int, int]) -> None:
    if network == "dcgan" and shape[1] == 28:
        with pytest.raises(ValueError, match=r"shape is .*multiples of 16"):
            small(network=network, shape=shape)
        return
    method, x = small(network=network, shape=shape), pictures(2, shape)
    made = method.sample(3)
    assert made.shape == (3, *shape) and made.min() >= 0 and made.max() <= 1
    assert not made.requires_grad
    assert method.score(x).shape == (2,)
    assert method.features(x).dim() == 2 and len(method.features(x)) == 2
    method.step(x, Spy())


def test_the_last_hidden_layer_is_what_the_head_sees() -> None:
    method, x = small(), pictures()
    method.eval()
    torch.testing.assert_close(method.discriminator.head(method.features(x))[:, 0], method.score(x))


def test_the_sizes_of_the_public_implementations() -> None:
    def count(module: nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    dense, dcgan = GAN("dense", noise_size=100), GAN("dcgan", (1, 32, 32), noise_size=100)
    assert (count(dense.generator), count(dense.discriminator)) == (1_510_032, 533_505)
    assert (count(dcgan.generator), count(dcgan.discriminator)) == (1_049_985, 98_113)
    # 5 -> 4·7·7 -> 2·14·14 -> 28·28, and back
    up = (5 + 1) * 196 + (16 * 4 * 2 + 2) + (16 * 2 + 1)
    down = (16 * 2 + 2) + (16 * 2 * 4 + 4) + 196 + 1
    assert (count(small().generator), count(small().discriminator)) == (up, down)
    assert count(small(batch_norm=True).generator) == up + 2 * 4 + 2 * 2


def test_a_sample_depends_on_its_generator_alone() -> None:
    method = small()

    def draw(seed: int) -> Tensor:
        return method.sample(4, torch.Generator().manual_seed(seed))

    before = torch.get_rng_state()
    one = draw(1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, draw(1)) and not torch.equal(one, draw(2))
    method.eval()
    z = method.noise(4, torch.Generator().manual_seed(1))
    assert torch.allclose(one, method.generate(z), atol=1e-6)


def test_noise_is_standard_normal() -> None:
    z = small(noise_size=50).noise(1000, torch.Generator().manual_seed(0))
    assert z.shape == (1000, 50)
    assert z.mean().item() == pytest.approx(0, abs=0.02) and z.std().item() == pytest.approx(1, abs=0.02)


def test_drawing_in_the_middle_of_a_run_leaves_no_trace() -> None:
    method = small(batch_norm=True)
    method.train()
    before = state(method)
    method.sample(8, torch.Generator().manual_seed(0))
    assert equal(before, state(method)) and method.generator.training


def test_the_seed_decides_the_initial_weights() -> None:
    torch.manual_seed(1)
    one = state(small(seed=3, classes=3))
    torch.manual_seed(2)
    assert equal(one, state(small(seed=3, classes=3)))
    other = state(small(seed=4, classes=3))
    assert not torch.equal(one["generator.body.0.weight"], other["generator.body.0.weight"])


def test_points_in_the_plane() -> None:
    method = toy()
    assert method.sample(7).shape == (7, 2) and method.score(torch.zeros(4, 2)).shape == (4,)
    assert method.sample(2000, torch.Generator().manual_seed(0)).min() < 0  # no sigmoid
    method.step(torch.randn(5, 2), updates(method))
    with pytest.raises(
        NotImplementedError, match="GAN cannot give features: its discriminator has no method"
    ):
        method.features(torch.zeros(1, 2))


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_where_the_data_are(seed: int) -> None:
    # Their middle, 4, from a start near 0: seeds 0 to 7 end between 3.89 and 4.07. How far the two heaps are told
    # apart depends on the seed: the standard deviation is between 0.3 and 1.2 for a true 1.
    torch.manual_seed(seed)
    method = GAN(shape=(1,), noise_size=1, generator=mlp((1, 32, 1)), discriminator=mlp((1, 32, 1)), r1=0.1)
    update = updates(method)
    for _ in range(400):
        heap = 2.0 * torch.randint(2, (64, 1)) + 3
        method.step(heap + 0.1 * torch.randn(64, 1), update)
    made = method.sample(2000, torch.Generator().manual_seed(0))
    assert made.mean().item() == pytest.approx(4, abs=0.4)


# ---- labels ------------------------------------------------------------------------------------------


def test_labels_change_the_picture_and_the_verdict() -> None:
    method = small(classes=3)
    with torch.no_grad():
        method.discriminator.label.weight.normal_()
    method.eval()
    z = method.noise(1, torch.Generator().manual_seed(0)).expand(3, -1)
    made = method.generate(z, torch.arange(3))
    assert len(made.flatten(1).unique(dim=0)) == 3
    assert len(method.score(made[:1].expand(3, -1, -1, -1), torch.arange(3)).unique()) == 3


def test_fakes_get_the_labels_of_the_real_pictures() -> None:
    method, x, y, seen = small(classes=3), pictures(), torch.tensor([2, 0, 1, 1, 2, 0]), []
    for network in (method.generator, method.discriminator):
        network.register_forward_pre_hook(lambda _, given: seen.append(given[1]))
    method.step(x, Spy(), y)
    assert len(seen) == 5 and all(torch.equal(given, y) for given in seen)


def test_without_labels_a_sample_shows_the_classes_in_turn() -> None:
    method, seen = small(classes=3), []
    method.generator.register_forward_pre_hook(lambda _, given: seen.append(given[1].tolist()))
    method.sample(5)
    method.sample(2, y=torch.tensor([1, 1]))
    assert seen == [[0, 1, 2, 0, 1], [1, 1]]


def test_missing_labels_are_named() -> None:
    method = small(classes=3)
    with pytest.raises(ValueError, match="y is None: this network was built with classes"):
        method.step(pictures(), Spy())
    with pytest.raises(ValueError, match="data has no labels: GAN learns from labels, 0 to 2"):
        method.accepts(pictures(), None)
    with pytest.raises(ValueError, match="the labels go from 3 to 8: give 0 to 2"):
        method.accepts(pictures(), torch.tensor([3, 8, 4]))
    for call in (lambda: method.generate(method.noise(2)), lambda: method.score(pictures())):
        with pytest.raises(ValueError, match="y is None: this network was built with classes"):
            call()


# ---- through fit -------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"loss": kind} for kind in ADVERSARIAL_KINDS])
def test_every_kind_trains(options: dict) -> None:
    history = fit(small(**options), dataset(), **QUIET)
    assert sorted(history.names) == ["discriminator", "generator"]
    assert all(math.isfinite(history[name][0]) for name in history.names)


def test_every_option_together_trains() -> None:
    method = small(
        loss="relativistic",
        r1=1.0,
        r2=1.0,
        gradient_penalty=1.0,
        spectral_norm=True,
        classes=4,
        critic_steps=2,
        clip_weights=1.0,
    )
    assert len(fit(method, dataset(), **QUIET)) == 1


@pytest.mark.parametrize(
    "options", [{}, {"classes": 4, "r1": 1.0}, {"spectral_norm": True}, {"batch_norm": True}]
)
def test_a_resumed_run_is_that_of_an_uninterrupted_one(options: dict, tmp_path: Path) -> None:
    whole, parts = small(**options), small(**options)
    history = fit(whole, dataset(), epochs=2, average=0.9, **QUIET)
    run = {"checkpoint": tmp_path / "run.safetensors", "average": 0.9, **QUIET}
    fit(parts, dataset(), epochs=1, **run)
    again = small(**options)
    resumed = fit(again, dataset(), epochs=2, resume=True, **run)
    assert equal(state(whole), state(again))
    assert equal(state(history.averaged), state(resumed.averaged))
    assert history["generator"] == resumed["generator"]


def test_the_average_has_weights_and_batch_norm_of_its_own() -> None:
    method = small(batch_norm=True)
    history = fit(method, dataset(), epochs=2, average=0.9, **QUIET)
    averaged, last = history.averaged.generator, method.generator
    for name in ("body.0.weight", "body.2.running_mean", "body.2.running_var"):
        assert not torch.equal(averaged.state_dict()[name], last.state_dict()[name])
    draw = history.averaged.sample(4, torch.Generator().manual_seed(0))
    assert draw.shape == (4, *SHAPE) and torch.isfinite(draw).all()


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    path, method = tmp_path / "run.safetensors", small()
    fit(method, dataset(), epochs=1, checkpoint=path, **QUIET)
    kept = copy.deepcopy(read_checkpoint(path)[0])
    method.discriminator.register_forward_hook(lambda _, __, out: out / 0)
    with pytest.raises(NonFiniteLossError, match="The loss of 'discriminator' became"):
        fit(method, dataset(), epochs=2, checkpoint=path, resume=True, **QUIET)
    assert equal(kept, read_checkpoint(path)[0])
    again = small()
    load_weights(path, again)
    for kept_weight, weight in zip(again.parameters(), method.parameters(), strict=True):
        assert torch.equal(kept_weight, weight)


# ---- what it refuses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"network": "deep"}, "network is 'deep': choose one of conv, dense, dcgan"),
        ({"loss": "lsgan"}, "loss is 'lsgan': choose one of minimax"),
        ({"shape": (1, 30, 30)}, r"shape is \(1, 30, 30\)"),
        ({"shape": (2,)}, r"shape is \(2,\): give \(C, H, W\), or networks of your own"),
        ({"noise_size": 0}, "noise_size is 0: give at least 1"),
        ({"critic_steps": 0}, "critic_steps is 0: give at least 1"),
        ({"classes": -1}, "classes is -1: give at least 0"),
        ({"r1": -1.0}, "r1 is -1.0: give a number that is not negative"),
        ({"gradient_penalty": math.nan}, "gradient_penalty is nan: give a number"),
        ({"generator": nn.Identity()}, "discriminator is None: give both networks"),
        ({"discriminator": nn.Identity()}, "generator is None: give both networks"),
        ({"network": "dcgan", "shape": (1, 32, 32), "r1": 1.0}, "the discriminator has batch norm"),
    ],
)
def test_wrong_options_are_named(wrong: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        GAN(**wrong)


def test_a_wrong_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"x has shape \(4, 3, 28, 28\): give \(B, 1, 28, 28\)"):
        small().score(torch.zeros(4, 3, 28, 28))


# ---- few pictures ------------------------------------------------------------------------------------


def _watched_augment(gan: GAN) -> list[Tensor]:
    """What the discriminator is shown, call by call."""
    seen: list[Tensor] = []
    gan.discriminator.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    return seen


def test_the_discriminator_sees_real_and_generated_pictures_changed_while_it_learns() -> None:
    cutout = Augment(cutout=0.5)
    x = torch.full((6, 1, 28, 28), 0.5)
    for augment, training, holes in ((None, True, False), (cutout, True, True), (cutout, False, False)):
        method = GAN(network="dense", noise_size=4, augment=augment).train(training)
        seen = _watched_augment(method)
        method.step(x, lambda player, loss: loss.detach())
        assert len(seen) == 3  # real and generated for the discriminator, generated for the generator
        assert [bool((one == 0).any()) for one in seen] == [holes] * 3


def test_the_generator_learns_through_the_changes() -> None:
    """Where the square is, nothing comes through; elsewhere the gradient is that of the discriminator."""
    gan = GAN(network="dense", noise_size=4, augment=Augment(cutout=0.5))
    fake = gan.generate(gan.noise(5)).detach().requires_grad_()
    seen = _watched_augment(gan)
    gan.generator_loss(fake, torch.zeros(5, 1, 28, 28)).backward()
    hidden = (seen[0] == 0) & (fake != 0)
    assert hidden.any() and fake.grad is not None
    assert (fake.grad[hidden] == 0).all() and (fake.grad[~hidden] != 0).float().mean() > 0.9
    loss = gan.generator_loss(gan.generate(gan.noise(5)), torch.zeros(5, 1, 28, 28))
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in gan.generator.parameters())


def test_an_augmented_gan_is_built_again_from_its_file(tmp_path: Path) -> None:
    gan = GAN(network="dense", noise_size=4, augment=Augment(shift=0.125, colour=1.0))
    save_weights(tmp_path / "gan", gan)
    again = load_method(tmp_path / "gan")
    assert isinstance(again, GAN) and again.augment == gan.augment
    with pytest.raises(ValueError, match=r"^shape is \(2,\): augment changes pictures"):
        toy(augment=Augment(shift=0.1))
    with pytest.raises(TypeError, match=r"^augment is 'flip': give gencourse.networks.Augment"):
        small(augment="flip")
