"""Clusters in the long run: what the decoder is handed, who teaches whom, and what nobody may look at."""

from __future__ import annotations

import pytest
import torch

from gencourse.data import ImageDataset, load
from gencourse.methods import ClusteringAAE
from gencourse.methods.priors import CategoricalPrior
from gencourse.networks import Plan
from gencourse.studies import HardLabelAAE, TaughtAAE, clusters
from gencourse.studies.aae import nearness
from gencourse.training import fit

SMALL = Plan("dense", (16,))


@pytest.fixture(autouse=True)
def smoke(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", "smoke")


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    return load("mnist").take(400)


def handed(method: ClusteringAAE, x: torch.Tensor) -> torch.Tensor:
    """The rows (B, K) of labels that the decoder is handed while the method learns to redraw x."""
    seen: list[torch.Tensor] = []
    hook = method.decoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    method.reconstruction_loss(x)
    hook.remove()
    return seen[0][:, method.code_size :].detach()


def test_a_hard_label_is_one_entry_drawn_by_its_probability(digits: ImageDataset) -> None:
    hard, soft = (kind(SMALL, 2, classes=4) for kind in (HardLabelAAE, ClusteringAAE))
    x = digits.x[:1].expand(4000, -1, -1, -1)
    rows = handed(hard, x)
    assert set(rows.unique().tolist()) == {0.0, 1.0} and (rows.sum(1) == 1).all()
    probabilities = hard.parts(x[:1])[0][0].detach()
    torch.testing.assert_close(rows.mean(0), probabilities, atol=0.04, rtol=0)
    assert ((handed(soft, x) > 0) & (handed(soft, x) < 1)).all()  # which the plain one could read as a code


def test_the_encoder_hears_through_a_hard_label(digits: ImageDataset) -> None:
    hard = HardLabelAAE(SMALL, 2, classes=4)
    last = hard.encoder[-1].weight
    (slope,) = torch.autograd.grad(hard.reconstruction_loss(digits.x[:50]), [last])
    assert slope[: hard.read].abs().max() > 0
    redrawn = hard.reconstruct(digits.x[:5])
    label, z = hard.parts(digits.x[:5])
    torch.testing.assert_close(redrawn, hard.decode(z, label.argmax(1)))


def test_a_lesson_hands_the_teachers_clusters_to_both(digits: ImageDataset) -> None:
    def teacher(x: torch.Tensor) -> torch.Tensor:
        """Bright pictures are in cluster 2, the others in 0."""
        return torch.eye(4)[torch.where(x.mean((1, 2, 3)) > 0.13, 2, 0)]

    taught = TaughtAAE(SMALL, 2, classes=4, teacher=teacher)
    torch.testing.assert_close(handed(taught, digits.x[:9]), teacher(digits.x[:9]))
    fit(taught, digits, epochs=12, learning_rate=5e-3, progress=False)
    agree = (taught.classify(digits.x) == teacher(digits.x).argmax(1)).float().mean()
    assert agree > 0.8


def test_what_is_measured_of_clusters() -> None:
    posteriors = torch.tensor([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.2, 0.8, 0.0], [0.7, 0.3, 0.0]])
    found = clusters.named(posteriors, torch.tensor([1, 1, 0, 0]))
    assert found == pytest.approx({"error": 0.25, "vote": 0.25, "used": 2.0, "sure": 0.75})


def test_nearness_prefers_the_nearest_centre() -> None:
    around = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    noise = torch.randn(90, 2, generator=torch.Generator().manual_seed(0))
    known = around.repeat(30, 1) + 0.3 * noise
    posteriors = nearness(known, around, count=3, seed=0)
    assert posteriors.argmax(1).unique().numel() == 3
    torch.testing.assert_close(posteriors.sum(1), torch.ones(3))
    assert posteriors.max(1).values.min() > 0.9


def test_a_penalised_judge_pays_for_its_slope() -> None:
    """A linear judge is as steep everywhere: its loss is larger by γ/2 of its squared weights, the others' are not."""
    train = load("mnist").take(8)

    def losses(kind: type[HardLabelAAE]) -> dict[str, torch.Tensor]:
        model = kind(SMALL, 2, classes=4, seed=0)
        model.label_discriminator = torch.nn.Linear(4, 1)
        torch.nn.init.constant_(model.label_discriminator.weight, 0.3)
        torch.nn.init.zeros_(model.label_discriminator.bias)
        model.label_prior = CategoricalPrior(4, 0.0)
        seen: dict[str, torch.Tensor] = {}

        def update(player: str, loss: torch.Tensor) -> torch.Tensor:
            return seen.setdefault(player, loss.detach())

        torch.manual_seed(0)
        model.step(train.x, update)
        return seen

    plain, punished = losses(HardLabelAAE), losses(clusters.PenalisedJudgeAAE)
    slope = 4 * 0.3**2
    torch.testing.assert_close(
        punished["label_discriminator"] - plain["label_discriminator"], torch.tensor(10.0 * slope / 2)
    )
    for player in ("autoencoder", "discriminator"):
        torch.testing.assert_close(punished[player], plain[player])


@pytest.mark.parametrize("label", ["hard, taught", "hard, slow judge", "hard, penalised judge", "soft"])
def test_no_label_of_a_training_picture_is_looked_at(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = load("mnist").take(400), load("mnist", split="test").take(200)
    turned = ImageDataset(train.images, (train.labels + 3) % 10)
    rows = []
    for data in (train, turned):
        monkeypatch.setattr(clusters, "pictures", lambda data=data: (data, test))
        rows.append(clusters.cluster_labels(label, 10, seed=1))
    assert rows[0] == rows[1] and rows[0]["passes"] == 8


def test_clusters_of_codes_are_found_without_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = load("mnist").take(400), load("mnist", split="test").take(200)
    turned = ImageDataset(train.images, (train.labels + 3) % 10)
    rows = []
    for data in (train, turned):
        monkeypatch.setattr(clusters, "pictures", lambda data=data: (data, test))
        rows.append(clusters.cluster_codes("unmatched", seed=1))
    assert rows[0] == rows[1]
    assert all(0 <= value <= 1 for name, value in rows[0].items() if name != "passes")
