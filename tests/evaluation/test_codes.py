"""What is said of codes: equal laws, unequal laws, holes, labels left in them, clusters named after one point."""

import pytest
import torch
from torch import Tensor

from gencourse.evaluation import cluster_result, code_report, label_probe, linear_probe


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---- report ------------------------------------------------------------------------------------------


@pytest.mark.equation("4.2")
def test_nothing_gives_away_codes_that_follow_the_prior() -> None:
    found = code_report(normal(0, 1500, 3), normal(1, 1500, 3))
    assert 0.45 < found.two_sample_accuracy < 0.55
    assert abs(found.mmd) < 0.002 and found.mean_gap < 0.12 and found.correlation < 0.1
    assert 0.92 < found.std_ratio[0] <= found.std_ratio[1] < 1.08
    assert found.strays < 0.05 and found.holes < 0.05


@pytest.mark.equation("4.2")
def test_each_number_notices_its_fault() -> None:
    prior = normal(1, 800, 2)
    assert code_report(normal(0, 800, 2) + torch.tensor([0.0, 1.0]), prior).mean_gap == pytest.approx(
        1, abs=0.1
    )
    wide = code_report(normal(0, 800, 2) * torch.tensor([0.5, 3.0]), prior)
    assert wide.std_ratio == pytest.approx((0.5, 3.0), rel=0.08) and wide.mmd > 0.005
    z = normal(0, 800, 2)
    split = code_report(torch.where(z[:, :1] < 0, z - 1, z + 1), prior)
    assert split.holes > 0.2 and split.strays < split.holes
    assert code_report(5 + z, prior).strays > 0.9


@pytest.mark.equation("4.2")
def test_equal_laws_of_every_coordinate_are_not_enough() -> None:
    """Two codes of one sign: means, variances and each coordinate's law are right, a quarter of the plane is not."""
    z = normal(0, 1500, 2)
    z[:, 1] = z[:, 1].abs() * z[:, 0].sign()
    found = code_report(z, normal(1, 1500, 2))
    assert found.mean_gap < 0.1 and found.std_ratio[0] > 0.9 and found.std_ratio[1] < 1.1
    assert found.two_sample_accuracy > 0.6 and found.correlation > 0.5 and found.holes > 0.3


def test_a_scaled_prior_gives_the_same_report() -> None:
    z, prior = 1.3 * normal(0, 600, 2), normal(1, 600, 2)
    one, five = code_report(z, prior), code_report(5 * z, 5 * prior)
    assert (one.mmd, one.mean_gap) == pytest.approx((five.mmd, five.mean_gap), abs=1e-5)
    assert one.std_ratio == pytest.approx(five.std_ratio)


def test_a_coordinate_that_never_varies_has_no_correlation() -> None:
    z = normal(0, 100, 2)
    z[:, 1] = 0
    found = code_report(z, normal(1, 100, 2))
    assert found.correlation == 0 and found.std_ratio[0] == 0


@pytest.mark.parametrize(("n", "m"), [((30, 2), (31, 2)), ((30, 2), (30, 3)), ((10, 2), (10, 2))])
def test_samples_that_do_not_fit_are_refused(n: tuple[int, ...], m: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        code_report(torch.zeros(n), torch.zeros(m))


# ---- probe -------------------------------------------------------------------------------------------


def test_the_probe_finds_a_label_that_no_straight_line_finds() -> None:
    z, test = normal(0, 1500, 2), normal(1, 500, 2)
    y, test_y = ((v[:, 0] * v[:, 1] > 0).long() for v in (z, test))
    assert linear_probe(z, y, test, test_y) < 0.65
    assert label_probe(z, y, test, test_y) > 0.9


def test_the_probe_stays_at_chance_when_there_is_nothing_to_find() -> None:
    y, test_y = torch.arange(1500) % 3, torch.arange(600) % 3
    assert 0.25 < label_probe(normal(0, 1500, 4), y, normal(1, 600, 4), test_y) < 0.42


def test_a_probe_on_lengths_or_widths_that_differ_is_refused() -> None:
    y = torch.zeros(4, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"labels has shape \(4,\): give 3 labels, one for each of codes"):
        label_probe(torch.zeros(3, 2), y, torch.zeros(4, 2), y)
    with pytest.raises(ValueError, match="codes has 2 columns and test_codes 3"):
        label_probe(torch.zeros(4, 2), y, torch.zeros(4, 3), y)


# ---- clusters ----------------------------------------------------------------------------------------

Q = torch.tensor(
    [
        [0.90, 0.05, 0.05],  # the surest of cluster 0
        [0.80, 0.10, 0.10],
        [0.60, 0.20, 0.20],
        [0.10, 0.70, 0.20],
        [0.05, 0.90, 0.05],  # the surest of cluster 1
        [0.20, 0.15, 0.65],  # the surest of cluster 2
        [0.25, 0.15, 0.60],
        [0.30, 0.15, 0.55],
    ]
)
Y = torch.tensor([2, 1, 1, 0, 0, 1, 1, 2])


@pytest.mark.equation("4.19")
def test_a_cluster_is_named_after_its_surest_point_and_no_vote_is_taken() -> None:
    """In cluster 0 two of three are ones, but its surest point is a two: by a vote the error would be 2/8."""
    found = cluster_result(Q, Y)
    assert found.names.tolist() == [2, 0, 1]
    assert found.error == 3 / 8
    assert found.clusters == 3 and found.majority_error == 4 / 8


@pytest.mark.equation("4.19")
def test_two_clusters_may_have_one_name() -> None:
    """A matching of clusters to classes would forbid it."""
    y = torch.tensor([1, 1, 1, 0, 0, 1, 1, 1])
    assert cluster_result(Q, y).names.tolist() == [1, 0, 1]
    assert cluster_result(Q, y).error == 0


@pytest.mark.equation("4.19")
def test_the_order_of_clusters_and_points_is_of_no_account() -> None:
    q, y = (
        (3 * normal(0, 200, 7)).softmax(1),
        torch.randint(5, (200,), generator=torch.Generator().manual_seed(0)),
    )
    found = cluster_result(q, y)
    rows, columns = torch.randperm(200), torch.randperm(7)
    turned = cluster_result(q[rows][:, columns], y[rows])
    assert turned.error == found.error and torch.equal(turned.names, found.names[columns])


def test_as_many_clusters_as_points_make_no_error() -> None:
    """Why K must be stated."""
    assert cluster_result(torch.eye(8), Y).error == 0


@pytest.mark.parametrize(
    ("q", "y", "message"),
    [
        (Q[:, 0], Y, "posteriors has shape"),
        (Q[:5], Y, "one for each of posteriors"),
        (Q[:0], Y[:0], "posteriors is empty"),
        (Q.log(), Y, "no distributions"),
        (Q / 2, Y, "no distributions"),
    ],
)
def test_posteriors_that_are_none_are_refused(q: Tensor, y: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cluster_result(q, y)


def test_codes_that_match_a_prior_far_from_the_origin_have_no_gap() -> None:
    generator = torch.Generator().manual_seed(0)
    z, prior = (5 + torch.randn(2000, 2, generator=generator) for _ in range(2))
    assert code_report(z, prior).mean_gap < 0.15
    assert code_report(z + 1, prior).mean_gap > 0.8


def test_a_class_with_a_single_code_is_refused_by_the_probe() -> None:
    codes, labels = torch.randn(60, 2), torch.arange(60) % 2
    labels[0] = 2
    with pytest.raises(ValueError, match="the rarest 1 times"):
        label_probe(codes, labels, codes, labels)


def test_a_point_without_a_class_is_refused() -> None:
    posteriors = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    with pytest.raises(ValueError, match="labels go down to -1"):
        cluster_result(posteriors, torch.tensor([0, 1, -1]))


def test_a_vote_names_each_cluster_by_its_commonest_class() -> None:
    # three clusters of two classes; six points: cluster 0 holds 0 0 1, cluster 1 holds 0 0, cluster 2 holds 1
    cluster, labels = torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([0, 0, 1, 0, 0, 1])
    posteriors = torch.nn.functional.one_hot(cluster, 3).float()
    assert cluster_result(posteriors, labels).vote_error == pytest.approx(1 / 6)
    # more clusters than points
    wide = torch.nn.functional.one_hot(torch.tensor([8, 2]), 9).float()
    assert cluster_result(wide, torch.tensor([0, 1])).vote_error == 0
