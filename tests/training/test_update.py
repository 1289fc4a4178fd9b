"""Update moves one player, exactly as the loop written by hand would, and nobody else."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.data import ImageDataset
from gencourse.training import Method, Mover, NonFiniteLossError, Update, adam, fit

LR, BETAS = 1e-2, (0.8, 0.95)


class Pair(nn.Module):
    """Two networks in a row, as a generator and a discriminator are."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x))).square().sum()

    def update(self, clip: float | None = None) -> Update:
        players = {"first": list(self.first.parameters()), "second": list(self.second.parameters())}
        return Update(players, {name: adam(own, LR, BETAS) for name, own in players.items()}, clip)


def data(seed: int) -> Tensor:
    return torch.randn(8, 3, generator=torch.Generator().manual_seed(seed))


def copies(module: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(("mover", "other"), [("first", "second"), ("second", "first")])
def test_only_the_player_moves_and_only_its_grad_is_written(mover: str, other: str) -> None:
    net = Pair()
    update = net.update()
    before = {name: copies(getattr(net, name)) for name in (mover, other)}
    update(mover, net(data(0)))
    assert not same(copies(getattr(net, mover)), before[mover])
    assert same(copies(getattr(net, other)), before[other])
    assert all(p.grad is not None for p in getattr(net, mover).parameters())
    assert all(p.grad is None for p in getattr(net, other).parameters())


def test_the_grad_of_the_others_is_left_as_it_was() -> None:
    net = Pair()
    update = net.update()
    for p in net.second.parameters():
        p.grad = torch.full_like(p, 7.0)
    for step in range(2):
        update("first", net(data(step)))
    assert all((p.grad == 7).all() for p in net.second.parameters())


@pytest.mark.parametrize("clip", [None, 0.05, 1e6])
def test_it_equals_the_loop_written_by_hand_bit_for_bit(clip: float | None) -> None:
    ours, theirs = Pair(), Pair()
    update = ours.update(clip)
    optimizers = {name: adam(getattr(theirs, name).parameters(), LR, BETAS) for name in ("first", "second")}
    for step in range(6):
        for name in ("first", "second"):
            value = update(name, ours(data(step)))
            loss = theirs(data(step))
            theirs.zero_grad()
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(getattr(theirs, name).parameters(), clip)
            optimizers[name].step()
            assert value == loss.item()
    assert same(copies(ours), copies(theirs))


def test_adam_is_torchs_adam_whatever_its_form() -> None:
    ours, theirs = Pair(), Pair()
    fast, plain = (
        adam(ours.parameters(), LR, BETAS),
        torch.optim.Adam(theirs.parameters(), LR, BETAS, fused=False),
    )
    for step in range(10):
        for net, optimizer in ((ours, fast), (theirs, plain)):
            optimizer.zero_grad()
            net(data(step)).backward()
            optimizer.step()
    for a, b in zip(copies(ours), copies(theirs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_adam_does_without_a_fused_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    from gencourse.training import update as room

    def picky(parameters: list[nn.Parameter], fused: bool = False, **rest: object) -> torch.optim.Optimizer:
        if fused:
            raise RuntimeError("no fused kernel")
        return torch.optim.Adam(parameters, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(room, "Adam", picky)
    assert adam(nn.Linear(1, 1).parameters(), LR, BETAS).defaults["lr"] == LR


def test_clip_bounds_the_norm_of_the_gradient_and_keeps_its_direction() -> None:
    free, clipped = Pair(), Pair()
    free.update()("first", free(data(0)))
    clipped.update(clip=0.05)("first", clipped(data(0)))
    g, c = (torch.cat([p.grad.flatten() for p in net.first.parameters()]) for net in (free, clipped))
    assert g.norm() > 0.05
    assert c.norm().item() == pytest.approx(0.05, rel=1e-4)
    assert torch.cosine_similarity(g, c, dim=0).item() == pytest.approx(1, abs=1e-6)


def test_steps_are_counted_for_each_player() -> None:
    net = Pair()
    update = net.update()
    for name in ("first", "second", "first"):
        update(name, net(data(0)))
    assert update.steps == {"first": 2, "second": 1}


def test_a_player_may_own_frozen_parameters() -> None:
    net = Pair()
    net.first.bias.requires_grad_(False)
    update = net.update()
    before = net.first.bias.clone(), net.first.weight.detach().clone()
    update("first", net(data(0)))
    assert torch.equal(net.first.bias, before[0])
    assert not torch.equal(net.first.weight, before[1])


@pytest.mark.parametrize(
    ("player", "loss", "says"),
    [
        ("third", lambda net: net(data(0)), "player is 'third': this method's players are first, second"),
        (
            "first",
            lambda net: net.first(data(0)),
            r"loss of 'first' has shape \(8, 4\): reduce it to one number",
        ),
        (
            "first",
            lambda net: net(data(0)).detach(),
            r"does not depend on any parameter: look for detach\(\)",
        ),
        # the classic GAN mistake: the generator's fakes are detached in its own step
        (
            "first",
            lambda net: net.second(torch.tanh(net.first(data(0))).detach()).sum(),
            r"does not depend on the parameters of 'first': look for a detach\(\)",
        ),
    ],
)
def test_mistakes_are_named_and_nothing_moves(player: str, loss, says: str) -> None:
    net = Pair()
    update = net.update()
    before = copies(net)
    with pytest.raises(ValueError, match=says):
        update(player, loss(net))
    assert same(copies(net), before)
    assert update.steps == {"first": 0, "second": 0}


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_not_finite_stops_before_anything_moves(factor: float) -> None:
    net = Pair()
    update = net.update()
    update("first", net(data(0)))
    before, state = copies(net), copy.deepcopy(update.optimizers["first"].state_dict())
    with pytest.raises(
        NonFiniteLossError, match=r"loss of 'first' became .* at its step 2. Nothing was moved"
    ):
        update("first", net(data(0)) * factor)
    assert same(copies(net), before)
    after = update.optimizers["first"].state_dict()["state"]
    assert all(torch.equal(after[i][k], v) for i, s in state["state"].items() for k, v in s.items())


@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_finite_loss_with_an_infinite_slope_stops_before_anything_moves(clip: float | None) -> None:
    """The root of zero is zero, and its slope is not finite: looking at the loss would find nothing."""
    net = Pair()
    update = net.update(clip)
    update("first", net(data(0)))
    before, state = copies(net), update.optimizers["first"].state_dict()["state"]
    kept = {i: {k: v.clone() for k, v in s.items()} for i, s in state.items()}
    hidden = net(data(0)) + (net.first.weight * 0).sum().sqrt()
    assert torch.isfinite(hidden)
    with pytest.raises(
        NonFiniteLossError, match=r"'first' is .* at its step 2, but its gradient is not finite"
    ):
        update("first", hidden)
    assert same(copies(net), before)
    after = update.optimizers["first"].state_dict()["state"]
    assert all(torch.equal(after[i][k], v) for i, s in kept.items() for k, v in s.items())
    assert update.steps["first"] == 1


def test_two_players_may_own_one_network_and_each_moves_it_with_its_own_optimiser() -> None:
    """An adversarial autoencoder's encoder moves in two phases. Each must start from no gradient at all, and
    keep its own running averages."""
    net, by_hand = Pair(), Pair()
    players = {name: list(net.first.parameters()) for name in ("one", "other")}
    update = Update(players, {name: adam(own, LR, BETAS) for name, own in players.items()})
    optimizers = [torch.optim.Adam(by_hand.first.parameters(), lr=LR, betas=BETAS) for _ in range(2)]
    for step in range(3):
        for index, player in enumerate(players):
            update(player, net(data(2 * step + index)))
            by_hand.zero_grad()
            by_hand(data(2 * step + index)).backward()
            optimizers[index].step()
    torch.testing.assert_close(copies(net), copies(by_hand))
    assert all(p.grad is None for p in net.second.parameters())


def test_weight_decay_is_no_negative_number() -> None:
    with pytest.raises(ValueError, match=r"weight_decay is -0\.5"):
        adam([nn.Parameter(torch.zeros(2))], 1e-3, (0.9, 0.999), -0.5)


def test_in_bfloat16_the_second_player_answers_to_where_the_first_has_moved(toy_data: ImageDataset) -> None:
    """autocast keeps copies of the weights: an old one would let a generator look at yesterday's discriminator."""

    class Twice(Method):
        shape = (1, 3, 3)

        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(9, 1)
            self.looked: list[tuple[float, float]] = []

        def players(self):
            return {"net": self.net.parameters()}

        def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
            loss = update("net", self.net(x.flatten(1)).square().mean())
            with torch.no_grad():
                cast = self.net.weight.bfloat16(), self.net.bias.bfloat16()
            true = F.linear(x.flatten(1).bfloat16(), *cast).square().mean()
            self.looked.append((self.net(x.flatten(1)).square().mean().item(), true.item()))
            return {"net": loss}

    method = Twice()
    fit(method, toy_data, learning_rate=0.3, precision="bfloat16", device="cpu", progress=False)
    assert all(seen == pytest.approx(true) for seen, true in method.looked)
