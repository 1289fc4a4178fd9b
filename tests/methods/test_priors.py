"""Laws of codes: do the draws have the law that the name promises, and does a label choose its part?"""

import math

import pytest
import torch
from torch import Tensor

from gencourse.methods import CategoricalPrior, GaussianPrior, MixturePrior, Prior, SwissRollPrior

PARTED = [MixturePrior(), SwissRollPrior(), CategoricalPrior()]
ALL = [GaussianPrior(), *PARTED]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def name(prior: Prior) -> str:
    return type(prior).__name__


@pytest.mark.parametrize("prior", ALL, ids=name)
def test_draws_have_the_shape_and_follow_the_generator(prior: Prior) -> None:
    z = prior.draw(7, generator=seeded())
    assert z.shape == (7, prior.size) and z.dtype == torch.float32
    assert torch.equal(z, prior.draw(7, generator=seeded()))
    assert not torch.equal(z, prior.draw(7, generator=seeded(1)))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert torch.equal(z, prior.draw(7))


@pytest.mark.equation("4.14")
@pytest.mark.parametrize("std", [1.0, 5.0])
def test_the_gaussian_has_its_moments(std: float) -> None:
    z = GaussianPrior(3, std).draw(20_000, generator=seeded())
    torch.testing.assert_close(torch.cov(z.T), std**2 * torch.eye(3), rtol=0, atol=0.04 * std**2)
    torch.testing.assert_close(z.mean(0), torch.zeros(3), rtol=0, atol=0.03 * std)


@pytest.mark.equation("4.15")
def test_a_petal_is_long_away_from_the_centre_and_narrow_across() -> None:
    prior = MixturePrior(classes=6)
    for k in range(6):
        z = prior.draw(4000, torch.full((4000,), k), seeded(k))
        angle = 2 * math.pi * k / 6
        out, side = (torch.tensor([math.cos(angle + a), math.sin(angle + a)]) for a in (0, math.pi / 2))
        assert (z @ out).mean().item() == pytest.approx(prior.distance, abs=0.05)
        assert (z @ out).std().item() == pytest.approx(prior.long, rel=0.05)
        assert (z @ side).mean().item() == pytest.approx(0, abs=0.02)
        assert (z @ side).std().item() == pytest.approx(prior.narrow, rel=0.05)


def test_the_roll_winds_outwards_from_part_to_part() -> None:
    prior = SwissRollPrior(noise=1e-6)
    radii = [prior.draw(500, torch.full((500,), k), seeded(k)).norm(dim=1) for k in range(10)]
    for k, r in enumerate(radii):
        assert r.min() >= prior.radius * math.sqrt(k / 10) - 1e-4
        assert r.max() <= prior.radius * math.sqrt((k + 1) / 10) + 1e-4
    z = prior.draw(2000, generator=seeded())
    turned = torch.atan2(z[:, 1], z[:, 0])
    expected = 2 * math.pi * prior.turns * z.norm(dim=1) / prior.radius
    torch.testing.assert_close((turned - expected).cos(), torch.ones(2000), rtol=0, atol=1e-4)


@pytest.mark.equation("4.17")
def test_categorical_draws_are_one_hot_and_even() -> None:
    z = CategoricalPrior(4).draw(8000, generator=seeded())
    assert torch.equal(z.sum(1), torch.ones(8000)) and set(z.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(z.mean(0), torch.full((4,), 0.25), rtol=0, atol=0.02)


def part_of(prior: Prior, z: Tensor) -> Tensor:
    """Which part a code most likely comes from, found from draws of each part."""
    centres = [prior.draw(400, torch.full((400,), k), seeded(k)) for k in range(prior.classes)]
    return torch.stack([torch.cdist(z, c).min(dim=1).values for c in centres], dim=1).argmin(1)


@pytest.mark.equation("4.15")
@pytest.mark.parametrize("prior", PARTED, ids=name)
def test_a_label_chooses_the_part_and_minus_one_any(prior: Prior) -> None:
    y = torch.arange(1000) % 10
    z = prior.draw(1000, y, seeded())
    assert (part_of(prior, z) == y).float().mean() > 0.93
    for given in (None, torch.full((1000,), -1)):
        found = torch.bincount(part_of(prior, prior.draw(1000, given, seeded())), minlength=10)
        assert found.min() > 60
    mixed = torch.where(y < 5, y, -1)
    found = part_of(prior, prior.draw(1000, mixed, seeded()))
    assert (found == y)[y < 5].float().mean() > 0.9
    assert len(found[y >= 5].unique()) == 10


def test_a_softened_class_still_stands_out_and_is_never_certain() -> None:
    y = torch.arange(4).repeat(500)
    z = CategoricalPrior(4, soften=0.3).draw(2000, y, seeded())
    torch.testing.assert_close(z.sum(1), torch.ones(2000))
    assert torch.equal(z.argmax(1), y)
    of_class = z.gather(1, y[:, None])
    assert of_class.min() > 0.7 and of_class.max() < 1 and (z > 0).all()
    # the share is uniform up to 0.3 and a quarter of it goes to the class itself
    assert of_class.mean().item() == pytest.approx(1 - 0.15 * 3 / 4, abs=0.01)
    with pytest.raises(ValueError, match="soften is 1"):
        CategoricalPrior(4, soften=1.0)


@pytest.mark.parametrize("prior", PARTED, ids=name)
@pytest.mark.parametrize("y", [torch.tensor([0, 1]), torch.tensor([0, 10, 1]), torch.tensor([0, -2, 1])])
def test_labels_that_do_not_fit_are_refused(prior: Prior, y: Tensor) -> None:
    with pytest.raises(ValueError, match=r"y has shape|the labels go from"):
        prior.draw(3, y)


def test_a_gaussian_has_no_parts() -> None:
    with pytest.raises(ValueError, match="GaussianPrior is the same for all labels"):
        GaussianPrior().draw(3, torch.zeros(3, dtype=torch.int64))


@pytest.mark.parametrize(
    "make",
    [
        lambda: GaussianPrior(0),
        lambda: GaussianPrior(2, 0.0),
        lambda: MixturePrior(classes=0),
        lambda: MixturePrior(narrow=-1.0),
        lambda: SwissRollPrior(turns=0.0),
        lambda: CategoricalPrior(1),
    ],
)
def test_sizes_that_are_not_positive_are_refused(make) -> None:
    with pytest.raises(ValueError, match=r"is (0|-1|1)"):
        make()


def test_the_rolls_noise_is_gaussian_around_the_roll() -> None:
    n = 20_000

    def drawn(noise: float) -> torch.Tensor:
        return SwissRollPrior(noise=noise).draw(n, generator=torch.Generator().manual_seed(0))

    # the same numbers of the generator make the same places on the roll, and the same noise
    noise = (drawn(0.5) - drawn(1e-9)) / 0.5
    assert noise.mean().abs() < 4 / n**0.5 and (noise.std() - 1).abs() < 0.02
    assert (noise.abs() < 1).float().mean().item() == pytest.approx(0.683, abs=0.01)
