"""The protocol: a method that lacks an ability says why, and seeded blocks do not leak."""

import pytest
import torch
from torch import Tensor

from gencourse.training import History, Method, Mover, seeded


class Bare(Method):
    def players(self):
        return {}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, float]:
        return {}


@pytest.mark.parametrize(
    ("ability", "says"),
    [
        ("encode", "Bare cannot encode: it has no encoder"),
        ("features", "Bare cannot encode"),
        ("reconstruct", "Bare cannot encode"),
        ("decode", "Bare cannot decode: it has no decoder"),
        ("sample", "Bare cannot sample: it has no distribution"),
    ],
)
def test_a_missing_ability_says_why(ability: str, says: str) -> None:
    with pytest.raises(NotImplementedError, match=says):
        getattr(Bare(), ability)(torch.zeros(1))


def test_a_method_must_say_who_plays() -> None:
    with pytest.raises(TypeError, match="players"):
        Method()  # type: ignore[abstract]


def test_features_are_flat_codes() -> None:
    class Spatial(Bare):
        def encode(self, x: Tensor) -> Tensor:
            return x[:, :, ::2, ::2]

    x = torch.rand(3, 2, 4, 4)
    assert torch.equal(Spatial().features(x), x[:, :, ::2, ::2].reshape(3, 8))


def test_seeded_gives_the_same_numbers_and_hides_them() -> None:
    before = torch.get_rng_state()
    with seeded(4):
        first = torch.rand(3)
    with seeded(4):
        assert torch.equal(torch.rand(3), first)
    with seeded(5):
        assert not torch.equal(torch.rand(3), first)
    with pytest.raises(ZeroDivisionError), seeded(6):
        torch.rand(1)
        _ = 1 / 0
    assert torch.equal(torch.get_rng_state(), before)


def test_history_is_read_by_name() -> None:
    history = History([{"d": 1.0, "g": 2.0, "seconds": 3.0}, {"d": 4.0, "g": 5.0, "seconds": 6.0}])
    assert len(history) == 2
    assert history["g"] == [2, 5]
    assert history.names == ["d", "g"]
    assert history.seconds == 9
    with pytest.raises(KeyError, match="'q' was not recorded; there is d, g, seconds"):
        history["q"]


def test_an_empty_history_is_empty() -> None:
    assert (len(History()), History().names, History().seconds) == (0, [], 0)


def test_a_seed_is_any_whole_number_below_two_to_the_sixty_three() -> None:
    for seed in (0, 2**63 - 1):
        with seeded(seed):
            torch.rand(1)
    for seed in (-1, 2**63):
        with pytest.raises(ValueError, match=f"seed is {seed}"), seeded(seed):
            pass


def test_pictures_outside_their_range_are_refused_and_points_may_be_anywhere() -> None:
    class Pictures(Bare):
        shape = (1, 2, 2)

    class Points(Bare):
        shape = (2,)  # type: ignore[assignment]

    Pictures().accepts(torch.rand(3, 1, 2, 2), None)
    Points().accepts(torch.tensor([[-5.0, 9.0]]), None)
    with pytest.raises(ValueError, match="data"):
        Pictures().accepts(torch.full((3, 1, 2, 2), 2.0), None)
    for bad in (torch.full((1, 2), float("nan")), torch.zeros(1, 3)):
        with pytest.raises(ValueError, match="data"):
            Points().accepts(bad, None)


def test_one_picture_is_a_mini_batch_unless_there_is_a_batch_norm() -> None:
    method = Bare()
    assert method.least_batch == 1
    method.norm = torch.nn.BatchNorm1d(2)
    assert method.least_batch == 2
