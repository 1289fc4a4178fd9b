"""The panel's study: strange pictures are strange in one way only, budgets are kept, baselines do what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gencourse.data import ImageDataset, load
from gencourse.evaluation import nearest_neighbours
from gencourse.studies import BASELINES, LEARNT, chimeras, left_out, panel_method, panel_row
from gencourse.studies.panel_pictures import record_pictures
from gencourse.training import read_checkpoint


@pytest.fixture(autouse=True)
def smoke(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", "smoke")


def test_a_chimera_has_halves_of_two_classes() -> None:
    data = load("mnist").take(200)
    strange = chimeras(data)
    assert 100 < len(strange) <= 200 and (strange.labels == -1).all()
    upper, lower = data.images[:, :, :14].flatten(1), data.images[:, :, 14:].flatten(1)
    for picture in strange.images[:20]:
        own = (upper == picture[:, :14].flatten()).all(1)
        other = (lower == picture[:, 14:].flatten()).all(1)
        assert own.any() and other.any()
        assert not set(data.labels[own].tolist()) & set(data.labels[other].tolist())
    assert torch.equal(chimeras(data).images, strange.images)
    with pytest.raises(ValueError, match="one class only"):
        chimeras(data.of_class(3))


@pytest.mark.parametrize("name", ["autoencoder", "hybrid + mixture"])
def test_a_method_sees_as_many_pictures_as_its_budget_buys(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{panel_method.__module__}.SECONDS", {"smoke": 0.2})
    method, cost = panel_method(name, load("mnist").take(500))
    assert cost["pictures_seen"] == pytest.approx(max(256, 0.2 * LEARNT[name][1]), abs=cost["passes"])
    assert cost["training_seconds"] > 0
    if name.endswith("mixture"):
        drawn = method.sample(5, torch.Generator().manual_seed(0))
        assert drawn.shape == (5, 1, 28, 28)


def test_baselines_do_what_they_say() -> None:
    train = load("mnist").take(300)
    x, draws = train.x[:20], torch.Generator().manual_seed(0)
    made = {name: panel_method(name, train)[0] for name in BASELINES}
    assert torch.equal(made["memory"].reconstruct(x), x)
    assert nearest_neighbours(made["memory"].sample(10, draws), train.x)[0].max() < 1e-3
    answers = made["k-means"].reconstruct(train.x).flatten(1).unique(dim=0)
    assert 1 < len(answers) <= 64
    assert nearest_neighbours(made["k-means"].sample(10, draws).flatten(1), answers)[0].max() < 1e-3
    assert made["PCA"].encode(x).shape == (20, 16)
    torch.testing.assert_close(made["GMM"].encode(x).sum(1), torch.ones(20))
    noise = torch.rand(20, 1, 28, 28, generator=draws)
    assert made["GMM"].anomaly_score(noise).min() > made["GMM"].anomaly_score(x).max()
    assert torch.equal(made["raw pixels"].features(x), x.flatten(1))
    with pytest.raises(ValueError, match="name is 'dalle'"):
        panel_method("dalle", train)


def test_a_row_names_its_sample_size() -> None:
    row = panel_row("k-means", 0)
    assert "classifier_distance_512" in row and "code_mmd" not in row
    assert isinstance(load("mnist"), ImageDataset) and row["pictures_seen"] == 1024


def test_a_share_of_the_budget_buys_that_share_of_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{panel_method.__module__}.SECONDS", {"smoke": 1.0})
    seen = [panel_method("VAE", load("mnist").take(500), share=s)[1]["pictures_seen"] for s in (0.05, 0.1)]
    assert seen[1] / seen[0] == pytest.approx(2, rel=0.02)
    with pytest.raises(ValueError, match="share is 0"):
        panel_method("VAE", load("mnist").take(500), share=0)


def test_the_class_that_is_left_out_is_never_seen_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spy(name, train, seed, share):
        seen.append((train.labels.unique().tolist(), share))
        return panel_method(name, train, seed, share)

    monkeypatch.setattr(f"{panel_method.__module__}.panel_method", spy)
    found = left_out("memory", 1, 0)["auroc"]
    assert seen == [([0, 2, 3, 4, 5, 6, 7, 8, 9], 0.1)]
    # a one is near to something in every other digit; a zero is not
    assert left_out("memory", 0, 0)["auroc"] > 0.8 > found


def test_pictures_of_one_method_are_recorded_anew_beside_those_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "pictures.safetensors"
    record_pictures("mnist", path, methods=("PCA", "k-means"))
    before, _ = read_checkpoint(path)
    record_pictures("mnist", path, seed=1, methods=("k-means",))
    after, facts = read_checkpoint(path)
    assert set(before) == set(after) and facts["mnist"]["seed"] == 1
    assert torch.equal(before["mnist/PCA/redrawn"], after["mnist/PCA/redrawn"])
    assert not torch.equal(before["mnist/k-means/drawn"], after["mnist/k-means/drawn"])
    assert "mnist/PCA/drawn" not in after  # it cannot draw
