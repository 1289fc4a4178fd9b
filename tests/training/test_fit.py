"""fit: the same as the loop written by hand, reproducible, resumable, and plain about what it cannot use."""

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gencourse.data import ImageDataset
from gencourse.methods import Autoencoder
from gencourse.networks import Augment, Plan
from gencourse.training import (
    CheckpointError,
    Method,
    Mover,
    NonFiniteLossError,
    adam,
    choose_device,
    fit,
    load_weights,
    read_checkpoint,
    save_weights,
    seeded,
)

QUIET = {"batch_size": 8, "device": "cpu", "progress": False}


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: t.clone() for name, t in module.state_dict().items()}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def records(history) -> list[dict[str, float]]:
    return [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in history.epochs]


class Linear(Method):
    """One weight a pixel, no randomness: what fit does to it can be worked out by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.shape = (1, 3, 3)
        self.weight = nn.Parameter(torch.zeros(9))
        self.seen: list[Tensor] = []

    def players(self):
        return {"weight": [self.weight]}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, float]:
        assert y is not None and len(y) == len(x)
        self.seen.append(x.clone())
        return {
            "loss": update("weight", (self.weight - x.flatten(1)).square().sum() / len(x)),
            "size": len(x),
        }


# ---- what it computes --------------------------------------------------------------------------------


def test_fit_equals_the_loop_written_by_hand_bit_for_bit(make_toy: type, toy_data: ImageDataset) -> None:
    ours, theirs = make_toy(), make_toy()
    history = fit(ours, toy_data, epochs=2, seed=3, **QUIET)

    theirs.train()
    optimizers = {
        name: adam(own, theirs.learning_rate, theirs.betas) for name, own in theirs.players().items()
    }
    means = []
    with seeded(3):
        shuffle = torch.Generator().manual_seed(3)
        for _ in range(2):
            losses = []
            for x, _y in toy_data.batches(8, generator=shuffle):
                for name in ("encoder", "decoder"):
                    loss = theirs.loss(x + 0.1 * torch.randn_like(x), x)
                    theirs.zero_grad()
                    loss.backward()
                    optimizers[name].step()
                    losses.append((name, loss.item(), len(x)))
            means.append(sum(v * n for name, v, n in losses if name == "encoder") / 37)

    assert equal(state(ours), state(theirs))
    assert history["encoder"] == pytest.approx(means)


def test_the_mean_of_an_epoch_counts_every_picture_once(toy_data: ImageDataset) -> None:
    history = fit(Linear(), toy_data, epochs=1, learning_rate=1e-12, **QUIET)
    assert history["size"] == [(4 * 8 * 8 + 5 * 5) / 37]
    mean = toy_data.x.flatten(1).square().sum(1).mean().item()  # the weights stay at zero
    assert history["loss"] == pytest.approx([mean], rel=1e-5)


def test_what_is_recorded_now_and_then_is_averaged_over_those_times(toy_data: ImageDataset) -> None:
    class Rare(Linear):
        def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, float]:
            record = super().step(x, update, y)
            return record | {"rare": 5.0} if len(self.seen) % 2 else record

    assert fit(Rare(), toy_data, **QUIET)["rare"] == [5.0]


def test_every_epoch_shows_every_picture_once_in_a_new_order(toy_data: ImageDataset) -> None:
    method = Linear()
    fit(method, toy_data, epochs=2, **QUIET)
    passes = torch.cat(method.seen).flatten(1).view(2, 37, 9)
    whole = toy_data.x.flatten(1)
    for one in passes:
        assert sorted(one.tolist()) == sorted(whole.tolist())
        assert not torch.equal(one, whole)
    assert not torch.equal(passes[0], passes[1])


def test_training_makes_the_loss_smaller(toy_data: ImageDataset) -> None:
    losses = fit(Linear(), toy_data, epochs=30, learning_rate=0.03, **QUIET)["loss"]
    best = (toy_data.x - toy_data.x.mean(0)).square().flatten(1).sum(1).mean().item()
    assert losses[-1] < losses[0]
    assert losses[-1] == pytest.approx(best, rel=0.05)


def test_the_learning_rate_is_the_methods_own_unless_given(toy_data: ImageDataset) -> None:
    one = toy_data.take(8)
    for given, expected in ((None, Linear.learning_rate), (0.25, 0.25)):
        method = Linear()
        fit(method, one, learning_rate=given, **QUIET)
        # the first step of Adam has the length of the learning rate
        torch.testing.assert_close(
            method.weight.detach().abs(), torch.full((9,), expected), rtol=1e-3, atol=0
        )


def test_a_player_may_have_a_step_size_of_its_own_unless_one_is_given_to_all(
    make_toy: type, toy_data: ImageDataset
) -> None:
    one = toy_data.take(8)
    for given, slow, fast in ((None, 1e-3, 0.02), (0.25, 0.25, 0.25)):
        method = make_toy()
        method.learning_rate, method.rates = 1e-3, {"decoder": 0.02, "nobody": 7.0}
        before = {name: p.detach().clone() for name, p in method.named_parameters()}
        fit(method, one, learning_rate=given, **QUIET)
        moved = {name: (p - before[name]).abs().max().item() for name, p in method.named_parameters()}
        # the first step of Adam has the length of the learning rate
        assert moved["encoder.1.weight"] == pytest.approx(slow, rel=1e-2)
        assert moved["decoder.0.weight"] == pytest.approx(fast, rel=1e-2)


def test_clip_reaches_the_update(make_toy: type, toy_data: ImageDataset) -> None:
    free, clipped, loose = make_toy(), make_toy(), make_toy()
    fit(free, toy_data, **QUIET)
    fit(
        clipped, toy_data, clip=1e-9, **QUIET
    )  # comparable with Adam's epsilon, so that the steps get shorter
    fit(loose, toy_data, clip=1e9, **QUIET)
    assert equal(state(free), state(loose))
    assert not equal(state(free), state(clipped))


@pytest.mark.parametrize("decay", [0.5, 0.9])
def test_the_average_is_the_exponential_one(toy_data: ImageDataset, decay: float) -> None:
    weights: list[Tensor] = []

    class Watched(Linear):
        def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, float]:
            record = super().step(x, update, y)
            weights.append(self.weight.detach().clone())
            return record

    history = fit(Watched(), toy_data, epochs=2, learning_rate=0.1, average=decay, **QUIET)
    expected = weights[0]  # the first weights start the average
    for weight in weights[1:]:
        expected = decay * expected + (1 - decay) * weight
    torch.testing.assert_close(history.averaged.weight.detach(), expected)
    assert not torch.allclose(expected, weights[-1])
    assert not history.averaged.training


def test_averaging_does_not_change_the_run(make_toy: type, toy_data: ImageDataset) -> None:
    plain, averaged = make_toy(), make_toy()
    assert fit(plain, toy_data, **QUIET).averaged is None
    fit(averaged, toy_data, average=0.9, **QUIET)
    assert equal(state(plain), state(averaged))


def test_bfloat16_stays_near_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (64, 1, 28, 28), dtype=torch.uint8, generator=generator)
    data = ImageDataset(images, torch.zeros(64, dtype=torch.int64))
    losses, seen = {}, {}
    for precision in ("float32", "bfloat16"):
        method = Autoencoder(Plan("dense", (16,)), 4)
        codes: list[torch.dtype] = []
        method.encoder.register_forward_hook(lambda _, __, z, codes=codes: codes.append(z.dtype))
        losses[precision] = fit(method, data, epochs=3, precision=precision, **QUIET)["autoencoder"][-1]
        seen[precision] = codes[0]
        assert all(p.dtype == torch.float32 for p in method.parameters())
    assert seen == {"float32": torch.float32, "bfloat16": torch.bfloat16}
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.01)
    assert losses["bfloat16"] != losses["float32"]


def test_every_mini_batch_is_changed_before_the_method_sees_it_and_never_for_the_validation(
    toy_data: ImageDataset,
) -> None:
    def brighter(x: Tensor) -> Tensor:
        return x + 0.5 + 0.1 * torch.rand_like(x)

    plain, method = Linear(), Linear()
    fit(plain, toy_data, **QUIET)
    fit(method, toy_data, augment=brighter, validation=toy_data, **QUIET)
    validated = method.seen[0:1] + method.seen[6:]  # looked at before the first epoch and after the last
    assert torch.equal(torch.cat(validated[1:]), toy_data.x)
    for before, after in zip(plain.seen, method.seen[1:6], strict=True):
        assert after.max() == 1 and (after >= (before + 0.5).clamp(max=1)).all()
        assert (after <= (before + 0.6).clamp(max=1) + 1e-6).all()


def test_changes_are_part_of_the_run(make_toy: type, toy_data: ImageDataset, tmp_path: Path) -> None:
    change = Augment(flip=True, shift=0.4)
    whole, resumed, plain = make_toy(), make_toy(), make_toy()
    fit(whole, toy_data, epochs=2, augment=change, **QUIET)
    fit(plain, toy_data, epochs=2, **QUIET)
    options = {"checkpoint": tmp_path / "run", **QUIET}
    fit(make_toy(), toy_data, augment=change, **options)
    with pytest.raises(CheckpointError, match="was made with augment = "):
        fit(make_toy(), toy_data, epochs=2, augment=Augment(flip=True), resume=True, **options)
    fit(resumed, toy_data, epochs=2, augment=Augment(flip=True, shift=0.4), resume=True, **options)
    assert equal(state(resumed), state(whole)) and not equal(state(plain), state(whole))


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("flip", "^augment is 'flip': give a function"),
        (lambda x: x[:, 0], "^augment makes a tensor of shape"),
        (lambda x: None, "^augment makes None"),
        (lambda x: x.double(), "^augment makes a tensor of shape"),
    ],
)
def test_what_changes_no_pictures_is_refused_before_training(
    bad: object, says: str, make_toy: type, toy_data: ImageDataset
) -> None:
    method = make_toy()
    method.before_step = lambda: 1 / 0
    with pytest.raises((TypeError, ValueError), match=says):
        fit(method, toy_data, augment=bad, **QUIET)


# ---- seeds -------------------------------------------------------------------------------------------


def test_the_seed_decides(make_toy: type, toy_data: ImageDataset) -> None:
    ends = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(ends))  # the random numbers outside do not matter
        method = make_toy()
        history = fit(method, toy_data, epochs=2, seed=seed, **QUIET)
        ends.append((state(method), records(history)))
    assert equal(ends[0][0], ends[1][0]) and ends[0][1] == ends[1][1]
    assert not equal(ends[0][0], ends[2][0]) and ends[0][1] != ends[2][1]


def test_random_numbers_outside_go_on_as_if_nothing_had_happened(
    toy_data: ImageDataset, make_toy: type
) -> None:
    before = torch.get_rng_state()
    method = make_toy()
    Autoencoder(Plan("dense", (4,)), 2)
    fit(method, toy_data, **QUIET)
    method.before_step = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        fit(method, toy_data, **QUIET)
    assert torch.equal(torch.get_rng_state(), before)


# ---- how it leaves things ----------------------------------------------------------------------------


def test_the_method_trains_in_training_mode_and_is_left_in_eval_mode(
    make_toy: type, toy_data: ImageDataset
) -> None:
    method, modes = make_toy().eval(), set()
    method.before_step = lambda: modes.add(method.training)
    fit(method, toy_data, **QUIET)
    assert modes == {True}
    assert not any(m.training for m in method.modules())


def test_an_interrupted_method_is_in_eval_mode_too(make_toy: type, toy_data: ImageDataset) -> None:
    method = make_toy()

    def interrupt() -> None:
        raise KeyboardInterrupt

    method.before_step = interrupt
    with pytest.raises(KeyboardInterrupt):
        fit(method, toy_data, **QUIET)
    assert not any(m.training for m in method.modules())


@pytest.mark.parametrize("progress", [True, False])
def test_the_progress_bar_is_on_or_off(
    progress: bool,
    toy_data: ImageDataset,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)  # a build of the book sets it
    fit(Linear(), toy_data, epochs=2, batch_size=8, device="cpu", progress=progress)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("epoch 1/2" in err and "epoch 2/2" in err) == progress
    assert progress or err == ""


def test_a_loss_that_is_not_a_number_stops_the_run(
    make_toy: type, toy_data: ImageDataset, tmp_path: Path
) -> None:
    method, path = make_toy(), tmp_path / "run"
    fit(method, toy_data, epochs=1, checkpoint=path, **QUIET)
    saved = path.read_bytes()
    kept = []

    def spoil() -> None:
        kept.append(state(method))
        if len(kept) == 3:
            with torch.no_grad():
                method.decoder[0].bias.fill_(math.nan)
            kept.append(state(method))

    method.before_step = spoil
    with pytest.raises(NonFiniteLossError, match="loss of 'encoder' became nan at its step 8"):
        fit(method, toy_data, epochs=2, checkpoint=path, resume=True, **QUIET)
    for name, parameter in method.encoder.named_parameters():
        assert torch.equal(parameter, kept[-1][f"encoder.{name}"])
    assert path.read_bytes() == saved


# ---- checkpoints -------------------------------------------------------------------------------------


def test_epochs_are_the_total(make_toy: type, toy_data: ImageDataset, tmp_path: Path) -> None:
    options = {"checkpoint": tmp_path / "run", "resume": True, **QUIET}
    method = make_toy()
    assert len(fit(method, toy_data, epochs=2, **options)) == 2
    assert len(fit(make_toy(), toy_data, epochs=3, **options)) == 3
    finished = make_toy()
    finished.before_step = lambda: 1 / 0  # nothing is left to do
    assert len(fit(finished, toy_data, epochs=3, **options)) == 3


@pytest.mark.parametrize("average", [None, 0.8])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(
    make_toy: type, toy_data: ImageDataset, tmp_path: Path, average: float | None
) -> None:
    whole = make_toy()
    expected = fit(whole, toy_data, epochs=3, seed=5, average=average, **QUIET)
    options = {"seed": 5, "average": average, "checkpoint": tmp_path / "run", "resume": True, **QUIET}
    fit(make_toy(), toy_data, epochs=1, **options)
    torch.manual_seed(99)
    resumed = make_toy()
    with torch.no_grad():
        for weight in resumed.parameters():
            weight.fill_(7)  # the file has the right ones
    history = fit(resumed, toy_data, epochs=3, **options)
    assert equal(state(resumed), state(whole))
    assert records(history) == records(expected)
    if average is not None:
        assert equal(state(history.averaged), state(expected.averaged))


def test_a_resumed_denoising_autoencoder_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    images = torch.randint(0, 256, (20, 1, 28, 28), dtype=torch.uint8)
    data = ImageDataset(images, torch.zeros(20, dtype=torch.int64))

    def make() -> Autoencoder:
        return Autoencoder(Plan("dense", (8,)), 3, noise=0.4)

    whole, resumed = make(), make()
    fit(whole, data, epochs=3, **QUIET)
    fit(make(), data, epochs=2, checkpoint=tmp_path / "run", **QUIET)
    fit(resumed, data, epochs=3, checkpoint=tmp_path / "run", resume=True, **QUIET)
    assert equal(state(whole), state(resumed))


@pytest.mark.parametrize("fresh", [True, False])
def test_an_interrupted_run_keeps_its_checkpoint_and_reaches_the_same_end(
    make_toy: type, toy_data: ImageDataset, tmp_path: Path, fresh: bool
) -> None:
    whole = make_toy()
    expected = fit(whole, toy_data, epochs=3, **QUIET)
    method, path, steps = make_toy(), tmp_path / "run", []

    def stop_in_epoch_two() -> None:
        steps.append(1)
        if len(steps) == 5 + 3:
            raise KeyboardInterrupt

    method.before_step = stop_in_epoch_two
    with pytest.raises(KeyboardInterrupt):
        fit(method, toy_data, epochs=3, checkpoint=path, **QUIET)
    tensors, facts = read_checkpoint(path)
    assert len(facts["epochs"]) == 1
    once = make_toy()
    fit(once, toy_data, epochs=1, **QUIET)
    assert all(torch.equal(tensors[f"method/{name}"], t) for name, t in state(once).items())

    if fresh:
        method = make_toy()
    history = fit(method, toy_data, epochs=3, checkpoint=path, resume=True, **QUIET)
    assert equal(state(method), state(whole))
    assert records(history) == records(expected)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_resume_starts_from_nothing_where_there_is_no_file(
    make_toy: type, toy_data: ImageDataset, tmp_path: Path
) -> None:
    plain, resumed = make_toy(), make_toy()
    fit(plain, toy_data, **QUIET)
    fit(resumed, toy_data, checkpoint=tmp_path / "new" / "run", resume=True, **QUIET)
    assert equal(state(plain), state(resumed))
    assert (tmp_path / "new" / "run").is_file()


def test_a_checkpoint_is_not_overwritten_by_accident(
    make_toy: type, toy_data: ImageDataset, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    fit(make_toy(), toy_data, checkpoint=path, **QUIET)
    saved = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"exists and would be lost: pass resume=True"):
        fit(make_toy(), toy_data, checkpoint=path, **QUIET)
    assert path.read_bytes() == saved


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": 1}, "made with seed = 0, this run has 1"),
        ({"batch_size": 9}, "made with batch_size = 8, this run has 9"),
        ({"precision": "bfloat16"}, "made with precision = 'float32', this run has 'bfloat16'"),
        ({"average": 0.9}, "made with average = None, this run has 0.9"),
    ],
)
def test_another_runs_checkpoint_is_refused(
    make_toy: type, toy_data: ImageDataset, tmp_path: Path, change: dict, says: str
) -> None:
    path = tmp_path / "run"
    fit(make_toy(), toy_data, checkpoint=path, **QUIET)
    saved = path.read_bytes()
    with pytest.raises(CheckpointError, match=says):
        fit(make_toy(), toy_data, epochs=2, checkpoint=path, resume=True, **(QUIET | change))
    assert path.read_bytes() == saved


@pytest.mark.parametrize(
    ("make", "rows", "says"),
    [
        (Linear, 37, "made with class = 'Toy', this run has 'Linear'"),
        (None, 36, "made with images = 37, this run has 36"),
        ({"width": 5}, 37, "made with width = 6, this run has 5"),
    ],
)
def test_another_methods_checkpoint_is_refused(
    make_toy: type, toy_data: ImageDataset, tmp_path: Path, make: Callable | dict | None, rows: int, says: str
) -> None:
    path = tmp_path / "run"
    fit(make_toy(), toy_data, checkpoint=path, **QUIET)
    saved = path.read_bytes()
    method = make() if callable(make) else make_toy(**(make or {}))
    before = state(method)
    with pytest.raises(CheckpointError, match=says):
        fit(method, toy_data.take(rows), epochs=2, checkpoint=path, resume=True, **QUIET)
    assert path.read_bytes() == saved
    assert equal(state(method), before)


def test_the_weights_of_a_run_can_be_loaded_alone(
    make_toy: type, toy_data: ImageDataset, tmp_path: Path
) -> None:
    trained, loaded = make_toy(), make_toy(seed=1)
    fit(trained, toy_data, checkpoint=tmp_path / "run", average=0.9, **QUIET)
    facts = load_weights(tmp_path / "run", loaded)
    assert equal(state(trained), state(loaded))
    assert facts["class"] == "Toy" and facts["seed"] == 0


def test_weights_alone_are_not_a_run(make_toy: type, toy_data: ImageDataset, tmp_path: Path) -> None:
    save_weights(tmp_path / "weights", make_toy())
    with pytest.raises(CheckpointError, match="has weights alone and no run to go on with"):
        fit(make_toy(), toy_data, checkpoint=tmp_path / "weights", resume=True, **QUIET)


# ---- arguments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"epochs": 0}, "epochs is 0: give at least 1"),
        ({"batch_size": 0}, "batch_size is 0: give at least 1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0: give a positive number"),
        ({"learning_rate": math.nan}, "learning_rate is nan: give a positive number"),
        ({"learning_rate": math.inf}, "learning_rate is inf: give a positive number"),
        ({"learning_rate": -1e-3}, "learning_rate is -0.001: give a positive number"),
        ({"clip": math.inf}, "clip is inf: give the largest norm"),
        ({"average": math.nan}, "average is nan: give a decay between 0 and 1"),
        ({"seed": -1}, "seed is -1: give 0 to"),
        ({"precision": "float16"}, "precision is 'float16': choose one of float32, bfloat16"),
        ({"clip": 0.0}, "clip is 0.0: give the largest norm"),
        ({"clip": -1.0}, "clip is -1.0: give the largest norm"),
        ({"average": 1.0}, "average is 1.0: give a decay between 0 and 1"),
        ({"average": 0.0}, "average is 0.0: give a decay between 0 and 1"),
        ({"resume": True}, "resume is True but checkpoint is None: give the file"),
        ({"device": "abacus"}, "device is 'abacus': this machine has no such device; try 'auto'"),
    ],
)
def test_a_wrong_argument_is_answered_with_its_name_value_and_cure(
    toy_data: ImageDataset, wrong: dict, says: str
) -> None:
    method = Linear()
    with pytest.raises(ValueError, match=says):
        fit(method, toy_data, **(QUIET | wrong))
    assert not method.seen


def test_no_data_is_an_error(toy_data: ImageDataset) -> None:
    with pytest.raises(ValueError, match="data is empty: give at least one picture"):
        fit(Linear(), toy_data.of_class(99), **QUIET)


# ---- devices -----------------------------------------------------------------------------------------


def test_devices_by_name() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_the_fastest(
    cuda: bool, mps: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device("auto") == torch.device(expected)


@pytest.mark.parametrize("device", ["abacus", "cuda:99", "hpu", ""])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(
        ValueError, match=f"device is '{device}': this machine has no such device; try 'auto'"
    ):
        choose_device(device)


def test_cpu_stays_on_the_cpu(make_toy: type, toy_data: ImageDataset) -> None:
    method = make_toy()
    fit(method, toy_data, **QUIET)
    assert method.device == torch.device("cpu")


def test_the_largest_and_smallest_numbers_that_may_be_given(make_toy: type, toy_data: ImageDataset) -> None:
    fit(make_toy(), toy_data, seed=2**63 - 1, clip=0.5, average=0.5, learning_rate=1e-12, **QUIET)
    with pytest.raises(ValueError, match=f"seed is {2**63}"):
        fit(make_toy(), toy_data, seed=2**63, **QUIET)
    for betas in ((0.0, 0.0), (0.5, 0.9999)):
        method = make_toy()
        method.betas = betas
        fit(method, toy_data, **QUIET)
    for betas in ((1.0, 0.9), (0.5, 1.0), (-0.1, 0.9)):
        method = make_toy()
        method.betas = betas
        with pytest.raises(ValueError, match=r"Toy\.betas is"):
            fit(method, toy_data, **QUIET)


def test_a_last_picture_that_stands_alone_joins_the_mini_batch_before_it_with_its_label(
    make_toy: type,
) -> None:
    """The toy has a batch norm, which cannot learn from one picture."""
    method, seen = make_toy(), []
    assert method.least_batch == 2
    numbers = torch.arange(17, dtype=torch.uint8)
    data = ImageDataset(numbers[:, None, None, None].expand(17, 1, 3, 3).contiguous(), numbers.long())
    real = method.step

    def step(x: torch.Tensor, update, y: torch.Tensor | None = None) -> dict[str, float]:
        seen.append(((x[:, 0, 0, 0] * 255).round().long(), y))
        return real(x, update, y)

    method.step = step
    fit(method, data, **QUIET)
    assert [len(x) for x, _ in seen] == [8, 9]
    assert all(torch.equal(x, y) for x, y in seen)
    assert sorted(torch.cat([y for _, y in seen]).tolist()) == list(range(17))


def test_a_method_with_batch_norm_refuses_data_or_mini_batches_of_one_picture(
    make_toy: type, toy_data: ImageDataset
) -> None:
    with pytest.raises(ValueError, match=r"^data is 1 picture: this Toy needs at least 2 pictures"):
        fit(make_toy(), toy_data.take(1), **QUIET)
    with pytest.raises(ValueError, match=r"^batch_size is 1: this Toy needs at least 2 pictures"):
        fit(make_toy(), toy_data, **{**QUIET, "batch_size": 1})


@pytest.mark.parametrize("least", [1, 2, 3])
def test_as_many_mini_batches_are_announced_as_come(least: int) -> None:
    loop = sys.modules["gencourse.training.fit"]
    for images in range(least, 30):
        rows = torch.arange(images)
        for size in range(least, 9):
            joined = list(loop._joined(zip(rows.split(size), rows.split(size), strict=True), least))
            assert len(joined) == loop._batches(images, size, least), (images, size)
            assert torch.equal(torch.cat([x for x, _ in joined]), rows)
            assert all(len(x) >= least and len(x) <= size + least - 1 for x, _ in joined)
            whole, rest = divmod(images, size)  # a rest that is large enough stays a mini-batch of its own
            assert len(joined) == max(whole + (rest >= least), 1)


def test_the_bar_knows_its_length_and_goes_and_the_time_is_that_of_the_run(
    make_toy: type, toy_data: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["gencourse.training.progress"]
    shown = []

    class Bar(module.tqdm):  # type: ignore[name-defined, misc]
        def close(self) -> None:
            shown.append((self.n, self.total, self.leave))
            super().close()

    monkeypatch.setattr(module, "tqdm", Bar)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    start = time.perf_counter()
    history = fit(make_toy(), toy_data, epochs=2, **{**QUIET, "progress": True})
    assert 0 < history.seconds <= time.perf_counter() - start
    assert set(shown) == {(37, 37, False)} and len(shown) >= 2
