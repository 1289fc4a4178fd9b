"""Curves over many passes are measured where they say, and the papers' studies keep to their protocols."""

from __future__ import annotations

import pytest
import torch

from gencourse.data import load
from gencourse.methods import Autoencoder
from gencourse.networks import Plan
from gencourse.studies import papers
from gencourse.studies.long_runs import curve, gan_long
from gencourse.training import Method


@pytest.fixture(autouse=True)
def smoke(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", "smoke")


def test_a_curve_is_measured_after_each_quarter_on_the_averaged_weights() -> None:
    model, seen = Autoencoder(Plan("dense", (8,)), 2), []

    def measure(averaged: Method) -> dict[str, float]:
        seen.append(averaged)
        return {"calls": float(len(seen)), "moved": averaged.encoder[1].weight.sum().item()}

    row = curve(model, load("mnist").take(200), 0, measure, 8)
    assert [row[f"calls_{quarter}"] for quarter in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert len({row[f"moved_{quarter}"] for quarter in (1, 2, 3, 4)}) == 4
    assert all(one is not model for one in seen)


def test_the_variants_of_the_long_gan_differ_where_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    built = {}

    def listen(gan: Method, *_: object, **__: object) -> dict[str, float]:
        built[len(built)] = gan
        return {}

    monkeypatch.setattr("gencourse.studies.long_runs.curve", listen)
    for variant in ("plain", "R1", "batch norm"):
        gan_long(variant, 0)
    plain, with_r1, normed = built.values()
    assert (plain.r1, with_r1.r1, normed.r1) == (0.0, 0.1, 0.0)
    kinds = [any(isinstance(m, torch.nn.BatchNorm2d) for m in gan.modules()) for gan in built.values()]
    assert kinds == [False, False, True]


def test_a_parzen_width_is_chosen_without_test_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thousand pictures that choose it are neither samples nor asked about."""
    held = load("mnist").images[59_000:].float().flatten(1) / 255
    asked = []
    choose = papers.choose_sigma

    def listen(samples: torch.Tensor, validation: torch.Tensor, sigmas: list[float]) -> float:
        asked.append((samples, validation))
        return choose(samples, validation[:50], sigmas)

    monkeypatch.setattr(papers, "choose_sigma", listen)
    found = papers.parzen("training pictures", 0)
    ((samples, validation),) = asked
    assert torch.equal(validation, held) and torch.cdist(samples, held).min() > 0.5
    assert found["sigma"] == pytest.approx(round(found["sigma"], 2), abs=1e-6) and found["error"] > 0


def test_pairs_have_the_loss_and_the_penalties_that_they_are_named_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built = []
    monkeypatch.setattr(papers, "fit", lambda gan, *_, **__: built.append(gan))
    for loss in ("relativistic", "non_saturating"):
        for penalties in papers.PENALTIES:
            papers.r3gan_pairs("ring", loss, penalties, 0)
    found = [(gan.loss, gan.r1 > 0, gan.r2 > 0) for gan in built]
    assert found == [
        (loss, *which)
        for loss in ("relativistic", "non_saturating")
        for which in ((False, False), (True, False), (True, True))
    ]
