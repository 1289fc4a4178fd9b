"""Validation looks and does not touch; the best weights are kept, also through an interruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gencourse import methods as m
from gencourse.data import ImageDataset, read_picture
from gencourse.networks import Plan
from gencourse.training import History, Method, SaveSamples, TensorBoard, fit, load_weights, validate

QUIET: dict[str, Any] = {"batch_size": 8, "device": "cpu", "progress": False}
DENSE = Plan("dense", (8,))
SMALL = ImageDataset(torch.randint(0, 256, (12, 1, 28, 28), dtype=torch.uint8), torch.arange(12) % 10)


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: t.clone() for name, t in module.state_dict().items()}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


METHODS = {
    "autoencoder": lambda: m.Autoencoder(DENSE, 4, noise=0.1),
    "gan": lambda: m.GAN("dense", noise_size=4, loss="wasserstein", gradient_penalty=10.0, r1=1.0),
    "clipped": lambda: m.GAN("dense", noise_size=4, clip_weights=0.5),
    "vae": lambda: m.VAE(DENSE, 4),
    "hybrid": lambda: m.VAEGAN(DENSE, 4),
    "adaptive": lambda: m.AdaptiveAEGAN(DENSE, 4),
    "aae": lambda: m.AAE(DENSE, 4),
    "semi": lambda: m.SemiSupervisedAAE(DENSE, 4, labelled=SMALL),
    "wae": lambda: m.WAE(DENSE, 4),
    "mae": lambda: m.MAE(width=8, heads=2, depth=1, decoder_width=8, decoder_heads=2),
}


@pytest.mark.parametrize("make", METHODS.values(), ids=METHODS)
def test_looking_changes_nothing_and_gives_the_same_twice(make) -> None:
    method = make()
    method.train()
    before, random = state(method), torch.get_rng_state()
    one, other = validate(method, SMALL, batch_size=5), validate(method, SMALL, batch_size=5)
    assert one == other and one and all(name.startswith("validation ") for name in one)
    assert equal(state(method), before) and torch.equal(torch.get_rng_state(), random)
    assert method.training and all(p.grad is None for p in method.parameters())


def test_a_mean_is_one_over_pictures_and_metrics_come_along(make_toy: type, toy_data: ImageDataset) -> None:
    method = m.Autoencoder(DENSE, 4)
    found = validate(
        method,
        SMALL,
        batch_size=5,
        metrics={"error": lambda model, data: model.reconstruct(data.x).mean().item()},
    )
    with torch.no_grad():
        error = (method.reconstruct(SMALL.x) - SMALL.x).square().sum((1, 2, 3)).mean().item()
    assert found["validation autoencoder"] == pytest.approx(error, rel=1e-5)
    assert found["validation error"] == pytest.approx(method.reconstruct(SMALL.x).mean().item())
    for metrics, says in (
        (lambda *_: float("nan"), "the value of"),
        (lambda *_: "good", "the value of"),
        (3, "give a function"),
    ):
        with pytest.raises((TypeError, ValueError), match=says):
            validate(method, SMALL, metrics={"bad": metrics})


def test_the_run_is_the_same_with_and_without_validation(make_toy: type, toy_data: ImageDataset) -> None:
    plain, looked = make_toy(), make_toy()
    before = fit(plain, toy_data, epochs=3, **QUIET)
    history = fit(looked, toy_data, epochs=3, validation=toy_data.take(9), **QUIET)
    assert equal(state(plain), state(looked))
    assert history["encoder"] == before["encoder"] and len(history["validation encoder"]) == 3
    assert "validation decoder" in history.names


class Scripted:
    """A metric that follows a list, whatever the method does."""

    def __init__(self, *values: float) -> None:
        self.values, self.weights = list(values), []

    def __call__(self, method: Method, data: Any) -> float:
        self.weights.append(state(method))
        return self.values[len(self.weights) - 1]


def test_it_stops_after_so_many_epochs_without_gain_and_puts_the_best_back(
    make_toy: type, toy_data: ImageDataset
) -> None:
    method, script = make_toy(), Scripted(5, 3, 4, 3, 9, 9)
    watched = {"validation": toy_data, "metrics": {"script": script}, "watch": "script"}
    history = fit(method, toy_data, epochs=6, stop_after=2, **watched, **QUIET)
    assert history["validation script"] == [5, 3, 4, 3]  # an equal value is no gain
    assert equal(state(method), script.weights[1])
    script = Scripted(5, 4, 3)
    history = fit(
        method, toy_data, epochs=3, stop_after=2, **{**watched, "metrics": {"script": script}}, **QUIET
    )
    assert len(history) == 3 and equal(state(method), script.weights[2])


@pytest.mark.parametrize("average", [None, 0.9])
def test_an_interrupted_run_keeps_its_best_weights(
    average: float | None, make_toy: type, toy_data: ImageDataset, tmp_path: Path
) -> None:
    values = (5.0, 3.0, 4.0, 6.0, 7.0)

    def run(path: Path, kill: int | None, start: int = 0) -> tuple[Method, History]:
        def stop(method: Method, history: History) -> None:
            if len(history) == kill:
                raise KeyboardInterrupt

        method, script = make_toy(), Scripted(*values[start:])
        history = fit(
            method, toy_data, epochs=5, validation=toy_data, metrics={"script": script}, watch="script",
            stop_after=3, on_epoch=stop, checkpoint=path, resume=True, average=average, **QUIET,
        )  # fmt: skip
        return method, history

    whole, history = run(tmp_path / "whole", None)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", 3)
    again, resumed = run(tmp_path / "broken", None, start=3)
    assert history["validation script"] == resumed["validation script"] == list(values)
    assert equal(state(whole), state(again))
    if average is not None:
        assert equal(state(history.averaged), state(resumed.averaged))
    loaded = make_toy(seed=1)
    load_weights(tmp_path / "broken", loaded)
    assert equal(state(loaded), state(whole))
    # a run that was over is not trained further
    done, _ = run(tmp_path / "broken", None, start=5)
    assert equal(state(done), state(whole))


def test_what_is_validated_belongs_to_the_run(make_toy: type, toy_data: ImageDataset, tmp_path: Path) -> None:
    fit(make_toy(), toy_data, validation=toy_data.take(9), checkpoint=tmp_path / "run", **QUIET)
    for other in ({}, {"validation": toy_data.take(8)}, {"validation": toy_data.take(9), "stop_after": 2}):
        with pytest.raises(ValueError, match="was made with"):
            fit(make_toy(), toy_data, epochs=2, checkpoint=tmp_path / "run", resume=True, **other, **QUIET)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"stop_after": 2}, "stop_after is 2 but validation is None"),
        ({"watch": "encoder"}, "watch is 'encoder' but validation is None"),
        ({"metrics": {"a": len}}, "metrics is .* but validation is None"),
        ({"validation": 3}, "validation is 3"),
        ({"validation": torch.zeros(4, 1, 5, 5)}, r"data has shape|give"),
        (
            {"validation": True, "watch": "nothing"},
            "watch is 'nothing': what is validated is encoder, decoder",
        ),
        ({"validation": True, "stop_after": 0}, "stop_after is 0"),
        (
            {"validation": True, "metrics": {"encoder": lambda method, data: 1.0}},
            "metrics has 'encoder', which is the name of a loss",
        ),
        ({"augment": lambda x: x[:1]}, r"augment makes a tensor of shape \(1, .* of \(8, "),
        ({"device": None}, "device is 'None': this machine has no such device"),
        ({"on_epoch": 3}, "on_epoch is 3"),
        ({"on_epoch": [3]}, "on_epoch is 3"),
    ],
)
def test_what_cannot_be_watched_is_refused(
    options: dict[str, Any], says: str, make_toy: type, toy_data: ImageDataset
) -> None:
    if options.get("validation") is True:
        options = {**options, "validation": toy_data}
    with pytest.raises((ValueError, TypeError), match=says):
        fit(make_toy(), toy_data, **{**QUIET, **options})


def test_whole_numbers_may_be_those_of_numpy(make_toy: type, toy_data: ImageDataset, tmp_path: Path) -> None:
    plain, numpys = make_toy(), make_toy()
    fit(plain, toy_data, epochs=2, seed=3, batch_size=8, device="cpu", progress=False)
    own = {"epochs": np.int64(2), "seed": np.int64(3), "batch_size": np.int32(8), "accumulate": np.int64(1)}
    fit(numpys, toy_data, **own, device="cpu", progress=False, checkpoint=tmp_path / "run")
    assert equal(state(plain), state(numpys))


def test_several_functions_are_called_after_each_epoch_in_their_order(
    make_toy: type, toy_data: ImageDataset
) -> None:
    method, seen = make_toy(), []
    fit(
        method,
        toy_data,
        epochs=2,
        on_epoch=[
            lambda who, history: seen.append((who is method, len(history))),
            lambda *_: seen.append("second"),
        ],
        **QUIET,
    )
    assert seen == [(True, 1), "second", (True, 2), "second"]


def test_samples_of_each_epoch_are_saved_and_disturb_nothing(tmp_path: Path) -> None:
    plain, shown = m.VAE(DENSE, 4), m.VAE(DENSE, 4)
    fit(plain, SMALL, epochs=2, **QUIET)
    fit(shown, SMALL, epochs=2, on_epoch=SaveSamples(tmp_path / "new" / "folder", 6), **QUIET)
    assert equal(state(plain), state(shown))
    files = sorted((tmp_path / "new" / "folder").iterdir())
    assert [file.name for file in files] == ["epoch_0001.png", "epoch_0002.png"]
    coder = m.Autoencoder(DENSE, 4)
    with pytest.raises(NotImplementedError, match="cannot sample"):
        fit(coder, SMALL, on_epoch=SaveSamples(tmp_path), **QUIET)
    fit(coder, SMALL, on_epoch=SaveSamples(tmp_path / "pairs", pictures=SMALL.x[:3]), **QUIET)
    assert read_picture(tmp_path / "pairs" / "epoch_0001.png").shape[0] == 1


def test_tensorboard_is_written_or_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    class Writer:
        def __init__(self, folder: str) -> None:
            self.rows: list[tuple[str, float, int]] = []

        def add_scalar(self, *row: Any) -> None:
            self.rows.append(row)

        def flush(self) -> None:
            pass

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", type(sys)("stub"))
    with pytest.raises(ImportError, match="pip install tensorboard"):
        TensorBoard(tmp_path)
    sys.modules["torch.utils.tensorboard"].SummaryWriter = Writer  # type: ignore[attr-defined]
    board = TensorBoard(tmp_path)
    board(m.Autoencoder(DENSE, 4), History([{"loss": 3.0, "seconds": 1.0}]))
    assert board.writer.rows == [("loss", 3.0, 1), ("seconds", 1.0, 1)]
