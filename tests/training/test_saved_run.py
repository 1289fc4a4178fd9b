"""A saved run goes on only as the run it is, all of it or nothing of it is put back, and killing it is survived."""

import random
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from gencourse.data import ImageDataset
from gencourse.methods import GAN, Autoencoder
from gencourse.networks import Plan
from gencourse.training import (
    CheckpointError,
    History,
    Method,
    Mover,
    Update,
    adam,
    fit,
    read_checkpoint,
    warmup_cosine,
    write_checkpoint,
)
from gencourse.training.saved_run import restore_run, run_facts, run_size

QUIET = {"batch_size": 8, "device": "cpu", "progress": False}
SMALL = Plan("dense", (8,))
Edit = Callable[[dict[str, Tensor], dict], object]


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: t.clone() for name, t in module.state_dict().items()}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# ---- which run it is ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"learning_rate": 0.02}, r"rates = \{'encoder': 0.01, .*this run has \{'encoder': 0.02"),
        ({"learning_rate": None}, "rates = "),
        ({"clip": 2.0}, r"clip = 1.0, this run has 2.0"),
        ({"clip": None}, r"clip = 1.0, this run has None"),
        ({"average": 0.99}, r"average = 0.9, this run has 0.99"),
        ({"average": None}, r"average = 0.9, this run has None"),
        ({"batch_size": 9}, "batch_size = 8, this run has 9"),
        ({"seed": 1}, "seed = 0, this run has 1"),
        ({"precision": "bfloat16"}, "precision = 'float32', this run has 'bfloat16'"),
        ({"schedule": None}, "scheduled_epochs = 2, this run has None"),
        ({"schedule": warmup_cosine(0.2)}, r"schedule = \{'class': 'WarmupCosine', 'warmup': 0.1\}"),
        ({"schedule": lambda *_: 1.0}, r"this run has \{'function': .*lambda"),
        ({"epochs": 3}, "scheduled_epochs = 2, this run has 3"),
    ],
)
def test_another_option_is_another_run(
    change: dict, says: str, make_toy: type, toy_data: ImageDataset, tmp_path: Path
) -> None:
    options = {
        "epochs": 2,
        "learning_rate": 0.01,
        "clip": 1.0,
        "average": 0.9,
        "schedule": warmup_cosine(0.1),
    }
    options |= {"checkpoint": tmp_path / "run", **QUIET}
    fit(make_toy(), toy_data, **options)
    saved, method = (tmp_path / "run").read_bytes(), make_toy()
    before = state(method)
    with pytest.raises(CheckpointError, match=says):
        fit(method, toy_data, **(options | {"resume": True} | change))
    assert (tmp_path / "run").read_bytes() == saved
    assert equal(state(method), before)
    fit(method, toy_data, resume=True, **options)


@pytest.mark.parametrize(
    ("name", "value"),
    [("betas", (0.5, 0.9)), ("weight_decay", 0.1), ("learning_rate", 0.5), ("rates", {"decoder": 0.5})],
)
def test_another_optimiser_is_another_run(
    name: str, value: object, make_toy: type, toy_data: ImageDataset, tmp_path: Path
) -> None:
    fit(make_toy(), toy_data, checkpoint=tmp_path / "run", **QUIET)
    method = make_toy()
    setattr(method, name, value)
    with pytest.raises(CheckpointError, match=r"was made with (betas|weight_decay|rates) = "):
        fit(method, toy_data, epochs=2, checkpoint=tmp_path / "run", resume=True, **QUIET)


def points(shape: tuple[int, int, int]) -> ImageDataset:
    images = torch.randint(0, 256, (8, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return ImageDataset(images, torch.arange(8))


@pytest.mark.parametrize(
    ("kind", "built", "change"),
    [
        (Autoencoder, {"network": SMALL}, {"noise": 0.1}),
        (Autoencoder, {"network": SMALL}, {"sparsity": 0.1}),
        (Autoencoder, {"network": SMALL}, {"likelihood": "bernoulli"}),
        (Autoencoder, {"network": SMALL}, {"seed": 1}),
        (GAN, {"width": 2, "noise_size": 4}, {"loss": "hinge"}),
        (GAN, {"width": 2, "noise_size": 4}, {"r1": 1.0}),
        (GAN, {"width": 2, "noise_size": 4}, {"gradient_penalty": 1.0}),
        (GAN, {"width": 2, "noise_size": 4}, {"critic_steps": 2}),
        (GAN, {"width": 2, "noise_size": 4}, {"clip_weights": 0.1}),
    ],
)
def test_another_constructor_argument_is_another_run(
    kind: type, built: dict, change: dict, tmp_path: Path
) -> None:
    options = {"checkpoint": tmp_path / "run", **QUIET}
    data = points((1, 28, 28))
    fit(kind(**built), data, **options)
    (name,) = change
    with pytest.raises(CheckpointError, match=f"was made with {name} = "):
        fit(kind(**(built | change)), data, epochs=2, resume=True, **options)
    fit(kind(**built), data, epochs=2, resume=True, **options)


@pytest.mark.parametrize("what", ["images", "labels"])
def test_other_data_of_equal_number_are_another_run(
    what: str, make_toy: type, toy_data: ImageDataset, tmp_path: Path
) -> None:
    fit(make_toy(), toy_data, checkpoint=tmp_path / "run", **QUIET)
    images, labels = toy_data.images.clone(), toy_data.labels.clone()
    (images if what == "images" else labels).view(-1)[5] += 1
    with pytest.raises(CheckpointError, match="was made with other pictures or labels, though as many"):
        fit(
            make_toy(),
            ImageDataset(images, labels),
            epochs=2,
            checkpoint=tmp_path / "run",
            resume=True,
            **QUIET,
        )
    copied = ImageDataset(toy_data.images.clone(), toy_data.labels.clone(), name="another name")
    fit(make_toy(), copied, epochs=2, checkpoint=tmp_path / "run", resume=True, **QUIET)


def test_another_machine_is_noted_and_warned_about(
    make_toy: type, toy_data: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"checkpoint": tmp_path / "run", "resume": True, **QUIET}
    fit(make_toy(), toy_data, **options)
    first = read_checkpoint(tmp_path / "run")[1]["ran_on"]
    assert [set(place) for place in first] == [{"torch", "threads", "device", "processes"}]
    threads = torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads + 1)
    with pytest.warns(
        UserWarning, match=f"threads {threads}, now {threads + 1}: the result may differ"
    ) as caught:
        fit(make_toy(), toy_data, epochs=2, **options)
    assert len(caught) == 1 and caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monkeypatch.setattr(torch, "get_num_threads", lambda: threads + 2)
        method = make_toy()
        before = state(method)
        with pytest.raises(UserWarning):
            fit(method, toy_data, epochs=2, **options)
        assert equal(state(method), before)
    assert read_checkpoint(tmp_path / "run")[1]["ran_on"] == [*first, {**first[0], "threads": threads + 1}]


# ---- all or nothing -----------------------------------------------------------------------------------


class Run:
    """The parts of a run, as `fit` holds them, and what they were before."""

    def __init__(self, method: Method, data: ImageDataset) -> None:
        self.method = method
        players = {name: list(own) for name, own in method.players().items()}
        self.update = Update(players, {name: adam(own, 1e-3, (0.9, 0.999)) for name, own in players.items()})
        self.averaged = AveragedModel(method, use_buffers=True)
        self.shuffle = torch.Generator().manual_seed(3)
        self.history = History()
        self.facts = run_facts(
            method,
            data,
            epochs=1,
            batch_size=8,
            rates=dict.fromkeys(players, 1e-3),
            schedule=None,
            precision="float32",
            seed=0,
            clip=None,
            average=0.9,
        )

    def restore(self, path: Path) -> None:
        restore_run(path, self.method, self.update, self.averaged, self.shuffle, self.history, self.facts)

    def all(self) -> dict[str, Tensor]:
        found = state(self.method) | {f"average/{n}": t for n, t in state(self.averaged).items()}
        found |= {"shuffle": self.shuffle.get_state(), "cpu": torch.get_rng_state()}
        for player, optimizer in self.update.optimizers.items():
            for index, own in optimizer.state_dict()["state"].items():
                found |= {f"{player}/{index}/{key}": t.clone() for key, t in own.items()}
        steps = torch.tensor(list(self.update.steps.values()))
        return found | {"epochs": torch.tensor(len(self.history)), "steps": steps}


def reshape(name: str, *shape: int) -> Edit:
    return lambda tensors, facts: tensors.update({name: torch.zeros(shape, dtype=tensors[name].dtype)})


def retype(name: str, dtype: torch.dtype) -> Edit:
    return lambda tensors, facts: tensors.update({name: tensors[name].to(dtype)})


def drop(name: str) -> Edit:
    return lambda tensors, facts: tensors.pop(name)


def add(name: str) -> Edit:
    return lambda tensors, facts: tensors.update({name: torch.zeros(6, 9)})


MOMENT = "optimizer/encoder/0/exp_avg"  # of a weight of shape (6, 9)
EDITS: list[tuple[str, Edit, str]] = [
    (
        "weight shape",
        reshape("method/decoder.0.weight", 9, 5),
        r"of shape \(9, 5\), this method of shape \(9, 6\)",
    ),
    (
        "weight type",
        retype("method/decoder.0.weight", torch.float64),
        "as torch.float64, this method as torch.float32",
    ),
    ("weight half", retype("method/decoder.0.bias", torch.float16), "as torch.float16"),
    ("no weight", drop("method/decoder.0.bias"), "has no 'decoder.0.bias'"),
    ("a weight more", add("method/decoder.1.weight"), "which this method lacks"),
    (
        "counter type",
        retype("method/encoder.2.num_batches_tracked", torch.float32),
        "this method as torch.int64",
    ),
    ("moment shorter", reshape(MOMENT, 1), r"of shape \(1,\), this method of shape \(6, 9\)"),
    ("moment longer", reshape(MOMENT, 600, 9), r"of shape \(600, 9\)"),
    ("moment turned", reshape(MOMENT, 9, 6), r"of shape \(9, 6\)"),
    ("moment empty", reshape("optimizer/decoder/1/exp_avg_sq", 0), r"of shape \(0,\)"),
    ("moment type", retype(MOMENT, torch.float64), "as torch.float64"),
    ("moment half", retype("optimizer/decoder/0/exp_avg_sq", torch.float16), "as torch.float16"),
    ("step shape", reshape("optimizer/encoder/0/step", 2), r"of shape \(2,\), this method of shape \(\)"),
    ("step type", retype("optimizer/encoder/0/step", torch.int64), "as torch.int64"),
    ("no moment", drop(MOMENT), "Adam needs step, exp_avg, exp_avg_sq"),
    ("another moment", add("optimizer/encoder/0/max_exp_avg_sq"), "Adam needs step, exp_avg, exp_avg_sq"),
    (
        "a parameter more",
        add("optimizer/encoder/4/exp_avg"),
        "moments for parameter 4 of 'encoder', which owns 4",
    ),
    ("no number", add("optimizer/encoder/x/exp_avg"), "moments for parameter x of 'encoder'"),
    ("no average", drop("average/module.decoder.0.bias"), "has no 'decoder.0.bias'"),
    ("average shape", reshape("average/module.decoder.0.bias", 1), r"of shape \(1,\)"),
    ("average type", retype("average/n_averaged", torch.float32), "'n_averaged' as torch.float32"),
    ("average double", retype("average/module.decoder.0.bias", torch.float64), "as torch.float64"),
    ("no generator", drop("rng/cpu"), "has no 'rng/cpu' that fits"),
    ("no shuffling", drop("rng/shuffle"), "has no 'rng/shuffle' that fits"),
    ("generator shape", reshape("rng/shuffle", 5), "has no 'rng/shuffle' that fits"),
    ("generator type", retype("rng/cpu", torch.float32), "has no 'rng/cpu' that fits"),
    ("no steps", lambda tensors, facts: facts.pop("steps"), "has weights alone"),
    (
        "other steps",
        lambda tensors, facts: facts.update(steps={"encoder": 5}),
        "lacks steps or moments of player",
    ),
    (
        "no moments",
        lambda t, facts: [t.pop(n) for n in list(t) if n.startswith("optimizer/enc")],
        "lacks steps or",
    ),
    ("class", lambda tensors, facts: facts.update({"class": "Other"}), "made with class = 'Other'"),
    ("width", lambda tensors, facts: facts["arguments"].update(width=7), "made with width = 7"),
    ("images", lambda tensors, facts: facts.update(images=38), "made with images = 38"),
    ("data", lambda tensors, facts: facts.update(data="0" * 64), "made with other pictures or labels"),
]


@pytest.mark.parametrize(("edit", "says"), [e[1:] for e in EDITS], ids=[e[0] for e in EDITS])
def test_what_does_not_fit_changes_nothing(
    edit: Edit, says: str, make_toy: type, toy_data: ImageDataset, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    fit(make_toy(), toy_data, checkpoint=path, average=0.9, **QUIET)
    tensors, facts = read_checkpoint(path)
    edit(tensors, facts)
    write_checkpoint(path, tensors, facts)
    run = Run(make_toy(seed=0), toy_data)
    # moments of its own, which must stay, too
    run.update("encoder", run.method.loss(toy_data.x, toy_data.x))
    before = run.all()
    with pytest.raises(CheckpointError, match=says):
        run.restore(path)
    assert equal(run.all(), before)


def test_what_fits_is_put_back_whole(make_toy: type, toy_data: ImageDataset, tmp_path: Path) -> None:
    path = tmp_path / "run"
    fit(make_toy(), toy_data, checkpoint=path, average=0.9, **QUIET)
    run = Run(make_toy(), toy_data)
    kept = torch.get_rng_state()
    try:
        run.restore(path)
        found = run.all()
    finally:
        torch.set_rng_state(kept)
    tensors, facts = read_checkpoint(path)
    names = {"shuffle": "rng/shuffle", "cpu": "rng/cpu"}
    for name, tensor in found.items():
        if name not in ("epochs", "steps"):
            places = (names.get(name), name, f"method/{name}", f"optimizer/{name}")
            assert torch.equal(next(tensors[place] for place in places if place in tensors), tensor), name
    assert found["epochs"] == 1 and run.update.steps == facts["steps"] == {"encoder": 5, "decoder": 5}


def test_the_size_of_a_run_is_known_beforehand(
    make_toy: type, toy_data: ImageDataset, tmp_path: Path
) -> None:
    for average in (None, 0.9):
        method = Autoencoder(Plan("dense", (256,)))
        path = tmp_path / f"run {average}"
        fit(method, points((1, 28, 28)), checkpoint=path, average=average, **QUIET)
        assert path.stat().st_size <= run_size(method, average) < 1.2 * path.stat().st_size + 1_000_000


def test_no_room_is_noticed_before_the_first_step(
    make_toy: type, toy_data: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    method = make_toy()
    method.before_step = lambda: 1 / 0
    with pytest.raises(CheckpointError, match=r"and its disk has 0.0 MB free"):
        fit(method, toy_data, checkpoint=tmp_path / "run", **QUIET)
    with pytest.raises(CheckpointError, match="is a folder"):
        fit(method, toy_data, checkpoint=tmp_path, **QUIET)


@pytest.mark.parametrize("bad", [float("nan"), float("-inf")])
def test_spoilt_weights_never_replace_a_good_run(
    bad: float, make_toy: type, toy_data: ImageDataset, tmp_path: Path
) -> None:
    class Spoils(make_toy):  # type: ignore[misc, valid-type]
        """A buffer can be spoilt without any loss or gradient showing it."""

        epoch = 0

        def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, float]:
            record = super().step(x, update, y)
            self.epoch += 1
            if self.epoch == 10:
                self.encoder[2].running_var[1] = bad
            return record

    path = tmp_path / "run"
    fit(Spoils(), toy_data, checkpoint=path, **QUIET)
    saved = path.read_bytes()
    method = Spoils()
    method.epoch = 5
    with pytest.raises(
        CheckpointError, match=r"1 of the 6 numbers of 'method/encoder.2.running_var' are NaN or inf"
    ):
        fit(method, toy_data, epochs=2, checkpoint=path, resume=True, **QUIET)
    assert path.read_bytes() == saved


def test_leftovers_are_cleared_on_resume(make_toy: type, toy_data: ImageDataset, tmp_path: Path) -> None:
    options = {"checkpoint": tmp_path / "run", "resume": True, **QUIET}
    for _ in range(2):  # without a file and with one
        (tmp_path / "run.0123456789abcdef.part").touch()
        fit(make_toy(), toy_data, **options)
        assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_a_method_may_be_wrapped_on_the_way(make_toy: type, toy_data: ImageDataset, tmp_path: Path) -> None:
    """A run whose encoder was behind DataParallel goes on without it."""
    wrapped, plain, whole = make_toy(), make_toy(), make_toy()
    wrapped.encoder = nn.DataParallel(wrapped.encoder)
    fit(wrapped, toy_data, checkpoint=tmp_path / "run", **QUIET)
    fit(plain, toy_data, epochs=2, checkpoint=tmp_path / "run", resume=True, **QUIET)
    fit(whole, toy_data, epochs=2, **QUIET)
    assert equal(state(plain), state(whole))


# ---- threads and kills --------------------------------------------------------------------------------


def test_runs_in_threads_do_not_mix(make_toy: type, toy_data: ImageDataset) -> None:
    def run(seed: int) -> dict[str, Tensor]:
        before = torch.get_num_threads()  # each thread has its own number, and results depend on it
        torch.set_num_threads(1)
        try:
            method = make_toy(seed)
            fit(method, toy_data, epochs=2, seed=seed, **QUIET)
        finally:
            torch.set_num_threads(before)
        return state(method)

    expected, found = [run(seed) for seed in range(4)], {}
    outside = torch.get_rng_state()
    threads = [threading.Thread(target=lambda s=seed: found.update({s: run(s)})) for seed in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert [seed for seed in range(4) if not equal(found[seed], expected[seed])] == []
    assert torch.equal(torch.get_rng_state(), outside)


KILLED = """
import os, random, signal, sys, time
import torch
from gencourse.data import ImageDataset
from gencourse.methods import AAE, GAN, MAE, Autoencoder
from gencourse.networks import Augment, Plan
from gencourse.training import fit
torch.set_num_threads(1)
images = torch.randint(0, 256, (21, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
data = ImageDataset(images, torch.arange(21) % 10)
def run(path):
    fit({method}, data, epochs=25, checkpoint=path, resume=True, batch_size=8, device="cpu", progress=False, average=.9)
run({whole!r})
start = time.perf_counter()
run({whole!r} + " again")  # the first one also warmed up: what it took says little of the next
whole, draw, kills = time.perf_counter() - start, random.Random({seed}), 0
for _ in range(5):
    child = os.fork()
    if not child:
        run({broken!r})
        os._exit(0)
    time.sleep(draw.uniform(0, whole / 4))
    os.kill(child, signal.SIGKILL)
    kills += os.WIFSIGNALED(os.waitpid(child, 0)[1])
run({broken!r})
print(kills)
"""

KILLED_METHODS = {
    "denoising autoencoder": "Autoencoder(Plan('dense', (8,)), 3, noise=.4)",
    "augmented GAN": "GAN(width=2, noise_size=4, augment=Augment(shift=.1, cutout=.5))",
    "AAE": "AAE(Plan('dense', (8,)), 2)",
    "MAE": "MAE(patch=7, width=16, depth=1, heads=2, decoder_width=8, decoder_depth=1, decoder_heads=2)",
}


@pytest.mark.parametrize("method", KILLED_METHODS.values(), ids=KILLED_METHODS)
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_run_killed_at_any_moment_goes_on_bit_for_bit(method: str, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole" / "run", tmp_path / "broken" / "run"
    code = KILLED.format(method=method, whole=str(whole), broken=str(broken), seed=random.randrange(10**6))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1
    one, other = read_checkpoint(whole), read_checkpoint(broken)
    assert equal(one[0], other[0])
    for facts in (one[1], other[1]):
        assert len(facts["epochs"]) == 25
        for epoch in facts["epochs"]:
            del epoch["seconds"]
    assert one[1] == other[1]
    assert [p.name for p in broken.parent.iterdir()] == ["run"]
