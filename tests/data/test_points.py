"""Points in the plane: the law that is promised, and the form that `fit` asks for."""

import math

import pytest
import torch

from gencourse.data import PointDataset, ring


def test_the_ring_has_round_clusters_evenly_spaced() -> None:
    data = ring(40_000, clusters=8, radius=2.0, spread=0.05)
    for label in range(8):
        own = data.points[data.labels == label]
        centre = torch.tensor([2 * math.cos(label * math.pi / 4), 2 * math.sin(label * math.pi / 4)])
        torch.testing.assert_close(data.centres[label], centre)
        torch.testing.assert_close(own.mean(0), centre, rtol=0, atol=5e-3)
        torch.testing.assert_close(torch.cov(own.T), 0.05**2 * torch.eye(2), rtol=0, atol=2e-4)
        assert len(own) == pytest.approx(5000, rel=0.06)
    assert torch.equal(ring(10, seed=3).points, ring(10, seed=3).points)
    assert not torch.equal(ring(10, seed=3).points, ring(10, seed=4).points)


def test_a_pass_shows_every_point_once_with_its_label() -> None:
    data = ring(50)
    passed = list(data.batches(16, generator=torch.Generator().manual_seed(0)))
    assert [len(x) for x, _ in passed] == [16, 16, 16, 2]
    points, labels = (torch.cat(part) for part in zip(*passed, strict=True))
    assert not torch.equal(points, data.points)
    order = torch.cdist(points, data.points).argmin(1)
    assert sorted(order.tolist()) == list(range(50))
    assert torch.equal(labels, data.labels[order])
    assert torch.equal(torch.cat([x for x, _ in data.batches(16)]), data.points)


def test_a_point_belongs_to_the_nearest_cluster_or_to_none() -> None:
    data = ring(10)
    gap = (data.centres[0] - data.centres[1]).norm()
    away = torch.tensor([1.0, 0.0])
    points = torch.stack(
        [data.centres[3], data.centres[0] + 0.24 * gap * away, data.centres[0] + 0.26 * gap * away]
    )
    assert data.cluster_of(points).tolist() == [3, 0, -1]
    assert data.cluster_of(points, near=1.0).tolist() == [3, 0, 0]


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="spread is 0: give a positive number"):
        ring(10, spread=0)
    with pytest.raises(ValueError, match="batch_size is 0: give at least 1"):
        next(ring(10).batches(0))
    with pytest.raises(ValueError, match=r"points has shape \(4, 2\) and centres \(1, 3\)"):
        PointDataset(torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64), torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"labels is .*give int64 of shape \(4,\)"):
        PointDataset(torch.zeros(4, 2), torch.zeros(4), torch.zeros(1, 2))
