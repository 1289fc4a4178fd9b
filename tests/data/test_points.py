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


NAN = float("nan")


@pytest.mark.parametrize(
    ("points", "labels", "centres", "says"),
    [
        (None, [0] * 4, torch.zeros(1, 2), "points is None: give a tensor"),
        (torch.zeros(4, 2).double(), [0] * 4, torch.zeros(1, 2), "points is torch.float64: give float32"),
        (torch.zeros(4, 2).long(), [0] * 4, torch.zeros(1, 2), "points is torch.int64: give float32"),
        (torch.zeros(4, 2), [0] * 4, torch.zeros(0, 2), "centres is empty"),
        (torch.full((4, 2), NAN), [0] * 4, torch.zeros(1, 2), "points has 8 of 8 numbers that are NaN"),
        (torch.zeros(4, 2), [0] * 4, torch.full((1, 2), NAN), "centres has 2 of 2 numbers that are NaN"),
        (torch.zeros(4, 2), [0, 1, 2, 3], torch.zeros(3, 2), "labels go up to 3: give −1 to 2"),
        (torch.zeros(4, 2), [0, 0, 0, -2], torch.zeros(3, 2), "labels go down to -2"),
        (torch.zeros(4), [0] * 4, torch.zeros(3, 2), r"points has shape \(4,\)"),
    ],
)
def test_what_is_no_set_of_points_is_refused(
    points: torch.Tensor, labels: list[int], centres: torch.Tensor, says: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        PointDataset(points, torch.tensor(labels), centres)
    PointDataset(torch.zeros(4, 2), torch.tensor([-1, 0, 2, 1]), torch.zeros(3, 2))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"n": 0}, "n is 0: give at least 1"),
        ({"n": 2.5}, "n is 2.5: give a whole number"),
        ({"n": True}, "n is True: give a whole number"),
        ({"clusters": 0}, "clusters is 0: give at least 1"),
        ({"radius": NAN}, "radius is nan: give a positive number"),
        ({"radius": -1}, "radius is -1: give a positive number"),
        ({"spread": "wide"}, "spread is 'wide': give a positive number|a number"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": None}, "seed is None: give a whole number"),
    ],
)
def test_each_argument_of_the_ring_is_checked(wrong: dict, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        ring(**{"n": 10, **wrong})


def test_a_batch_is_no_window_on_the_points() -> None:
    data = ring(10)
    kept = data.points.clone(), data.labels.clone()
    for x, y in data.batches(4):
        x.zero_(), y.zero_()
    assert torch.equal(data.points, kept[0]) and torch.equal(data.labels, kept[1])
    none = PointDataset(data.points[:0], data.labels[:0], data.centres)
    assert list(none.batches(4)) == []


def test_points_move_to_a_device_and_have_a_digest() -> None:
    data = ring(10)
    there = data.to("meta")  # a device without values: whoever looks at one fails
    assert {there.points.device.type, there.labels.device.type, there.centres.device.type} == {"meta"}
    assert [x.shape for x, _ in there.batches(4, device="meta", generator=torch.Generator())] == [
        (4, 2),
        (4, 2),
        (2, 2),
    ]
    assert data.digest() == ring(10).digest() == data.to("cpu").digest()
    others = [ring(10, seed=1), PointDataset(data.points, data.labels.flip(0), data.centres)]
    others.append(PointDataset(data.points, data.labels, -data.centres))
    assert len({other.digest() for other in [data, *others]}) == 4


def test_what_cannot_be_assigned_to_a_cluster_is_named() -> None:
    data = ring(10)
    for points, says in [
        (None, "points is None"),
        (torch.zeros(3), r"points has shape \(3,\): give \(M, 2\)"),
        (torch.zeros(3, 3), r"points has shape \(3, 3\): give \(M, 2\)"),
        (torch.full((3, 2), NAN), "points has 6 of 6 numbers that are NaN"),
    ]:
        with pytest.raises((TypeError, ValueError), match=says):
            data.cluster_of(points)
    for near in (-1, NAN, "far"):
        with pytest.raises((TypeError, ValueError), match="near is"):
            data.cluster_of(data.points, near)
    with pytest.raises(ValueError, match="near is None, and there is one centre only: give a distance"):
        ring(10, clusters=1).cluster_of(data.points)
    assert ring(10, clusters=1).cluster_of(torch.zeros(1, 2), near=3.0).tolist() == [0]
    assert data.cluster_of(data.points[:0]).shape == (0,)
