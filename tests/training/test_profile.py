"""profile: the parts add up, what is slow shows in its own row, and nothing changes."""

from __future__ import annotations

import re
import time

import pytest
import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook

from gencourse.data import ImageDataset
from gencourse.methods import AAE
from gencourse.networks import Plan
from gencourse.training import profile

NAP = 0.02


class Nap(torch.autograd.Function):
    """Sleeps in the backward pass."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx, slope: Tensor) -> Tensor:
        time.sleep(NAP)
        return slope


class Late:
    """Data that come late."""

    def __init__(self, data: ImageDataset) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def batches(self, batch_size, *, device, generator):
        for batch in self.data.batches(batch_size, device=device, generator=generator):
            time.sleep(NAP)
            yield batch


def test_every_player_has_its_three_rows_and_all_add_up(
    make_toy: type, toy_data: ImageDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    start = time.perf_counter()
    found = profile(make_toy(), toy_data, batch_size=8, steps=5, device="cpu")
    took = time.perf_counter() - start
    parts = [
        f"{player}: {part}"
        for player in ("encoder", "decoder")
        for part in ("forward", "backward", "optimiser")
    ]
    assert list(found.seconds) == ["data", *parts, "left over"]
    assert all(value > 0 for value in found.seconds.values())
    assert 0 < 5 * sum(found.seconds.values()) < took
    assert found.pictures_per_second == pytest.approx(8 / sum(found.seconds.values()))
    said = capsys.readouterr().out
    assert said.strip() == str(found)
    shares = [float(share) for share in re.findall(r"([\d.]+)%", said)]
    assert len(shares) == 8 and sum(shares) == pytest.approx(100, abs=0.5)


@pytest.mark.parametrize("slow", ["data", "encoder: forward", "decoder: backward", "encoder: optimiser"])
def test_what_is_slow_shows_in_its_own_row(
    slow: str,
    make_toy: type,
    toy_data: ImageDataset,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    method, data = make_toy(), toy_data
    if slow == "data":
        data = Late(toy_data)
    elif slow == "encoder: forward":
        method.before_step = lambda: time.sleep(NAP)  # the encoder moves first
    elif slow == "decoder: backward":
        loss, calls = make_toy.loss, []

        def second_is_slow(self, given: Tensor, x: Tensor) -> Tensor:
            calls.append(1)
            return Nap.apply(loss(self, given, x)) if len(calls) % 2 == 0 else loss(self, given, x)

        monkeypatch.setattr(make_toy, "loss", second_is_slow)
    else:

        def after(optimizer, args, kwargs) -> None:
            if optimizer.param_groups[0]["params"][0].shape == (6, 9):  # the encoder's first
                time.sleep(NAP)

        hook = register_optimizer_step_post_hook(after)
        request.addfinalizer(hook.remove)
    seconds = profile(method, data, batch_size=8, steps=3, device="cpu").seconds
    assert seconds[slow] >= NAP
    assert max(seconds, key=seconds.__getitem__) == slow


def test_it_leaves_no_trace(make_toy: type, toy_data: ImageDataset) -> None:
    method = make_toy().eval()
    before = {name: t.clone() for name, t in method.state_dict().items()}
    state = torch.get_rng_state()
    profile(method, toy_data, batch_size=8, steps=2, device="cpu", precision="bfloat16")
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(t, before[name]) for name, t in method.state_dict().items())
    assert not method.training and all(p.grad is None for p in method.parameters())


def test_it_knows_methods_of_three_players() -> None:
    images = torch.randint(0, 256, (9, 1, 28, 28), dtype=torch.uint8)
    data = ImageDataset(images, torch.zeros(9, dtype=torch.int64))
    seconds = profile(AAE(Plan("dense", (4,)), 2), data, batch_size=8, steps=1, device="cpu").seconds
    assert [name for name in seconds if name.endswith("forward")] == [
        f"{player}: forward" for player in ("autoencoder", "discriminator", "encoder")
    ]


def test_it_says_what_it_cannot_use(make_toy: type, toy_data: ImageDataset) -> None:
    for bad, says in (({"steps": 0}, "^steps is 0"), ({"precision": "half"}, "^precision is 'half'")):
        with pytest.raises(ValueError, match=says):
            profile(make_toy(), toy_data, **bad)
