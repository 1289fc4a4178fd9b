"""Studies of chapter 6: what is measured is what is said, and the networks are those of the chapter."""

from __future__ import annotations

import pytest
import torch

from gencourse.studies import document_004_network, picture_method, read
from gencourse.studies.scaling import KINDS, PAIRS, EveryGradient
from gencourse.training import adam


@pytest.mark.parametrize("kind", KINDS)
def test_a_method_of_the_chapter_takes_a_step(kind: str) -> None:
    method = picture_method(kind, side=32)
    players = {name: list(own) for name, own in method.players().items()}
    moved: list[str] = []

    def note(player: str, loss: torch.Tensor) -> torch.Tensor:
        moved.append(player)
        return loss.detach()

    method.step(torch.rand(2, 3, 32, 32), note)
    assert set(moved) == set(players) and method.shape == (3, 32, 32)
    with pytest.raises(ValueError, match="kind"):
        picture_method("flow")


def test_the_document_s_network_is_affine_and_its_repair_is_not_and_is_smaller() -> None:
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    gaps = {}
    for name in ("as found", "repaired"):
        torch.manual_seed(0)
        network = document_004_network(name, 32)
        assert network(x).shape == x.shape
        halfway = network(x.mean(0, keepdim=True))
        gaps[name] = (halfway - network(x).mean(0, keepdim=True)).abs().max().item()
    assert gaps["as found"] < 1e-5 < gaps["repaired"] / 10
    with pytest.raises(ValueError, match="network"):
        document_004_network("mended")


def test_the_document_s_parameters_are_those_of_the_errata() -> None:
    with torch.device("meta"):
        network = document_004_network("as found")
    assert sum(p.numel() for p in network[:6].parameters()) == 1_074_401_472  # 004-11
    assert network[4].out_features == 524_288
    code = document_004_network("repaired", 32)[:5](torch.zeros(1, 3, 32, 32))
    assert 6 * code.numel() == 3 * 32 * 32  # a sixth


def test_the_textbook_s_way_also_leaves_gradients_at_the_other_player() -> None:
    ours, other = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    players = {"a": [ours], "b": [other]}
    update = EveryGradient(players, {name: adam(own, 0.1, (0.9, 0.999)) for name, own in players.items()})
    update("a", (ours * other).sum())
    assert other.grad is not None and other.grad.abs().sum() > 0  # the work that the lever saves
    assert torch.equal(other, torch.ones(2)) and not torch.equal(ours, torch.ones(2))


def test_each_lever_changes_one_thing() -> None:
    for without, using in PAIRS.values():
        different = [name for name in vars(without) if getattr(without, name) != getattr(using, name)]
        assert len(different) == 1


def test_gains_are_the_ratio_of_the_rates_beside_them() -> None:
    for row in read("levers"):
        assert row["gain"] == pytest.approx(row["with"] / row["without"], rel=1e-4)
