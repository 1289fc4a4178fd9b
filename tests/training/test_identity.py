"""Descriptions: equal things get equal words, different ones different words, and JSON can hold them."""

from __future__ import annotations

import copy
import functools
import json
import pickle
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from gencourse.data import ImageDataset
from gencourse.methods import GaussianPrior, MixturePrior
from gencourse.training import Method, built_with
from gencourse.training.identity import describe, digest, same


@dataclass(frozen=True)
class Sizes:
    widths: tuple[int, ...] = (3, 4)
    prior: GaussianPrior | None = None


class Strange:
    def __repr__(self) -> str:
        raise RuntimeError("not today")


def pictures(value: int = 0) -> ImageDataset:
    return ImageDataset(torch.full((2, 1, 3, 3), value, dtype=torch.uint8), torch.arange(2))


def one_function() -> None: ...
def other_function() -> None: ...


GROUPS = [  # in each group all are equal, and none equals anything of another group
    [None],
    [1, 1.0, True, torch.Size([1])[0]],
    [0.5],
    ["1"],
    [(1, 2), [1, 2], torch.Size([1, 2])],
    [{"a": 1}],
    [float("nan")],
    [Sizes(), Sizes((3, 4)), Sizes([3, 4])],
    [Sizes((4, 3))],
    [Sizes(prior=GaussianPrior(2))],
    [Sizes(prior=GaussianPrior(3))],
    [MixturePrior(4)],
    [torch.ones(2), torch.ones(2)],
    [torch.ones(2, dtype=torch.float64)],
    [torch.ones(2, 1)],
    [torch.zeros(100, 100)],
    [torch.zeros(100, 101)],
    [torch.eye(100)],
    [pictures(), pictures()],
    [pictures(1)],
    [nn.Linear(2, 2), nn.Linear(3, 3)],  # what is inside a network is in its weights
    [nn.ReLU()],
    [one_function],
    [other_function],
    [Strange(), Strange()],
    [torch.device("cpu")],
    [torch.device("meta")],
    [functools.partial(one_function)],
]


def test_equal_things_and_no_others_are_the_same_also_through_json() -> None:
    told = [[json.loads(json.dumps(describe(value))) for value in group] for group in GROUPS]
    for group, words in enumerate(told):
        for other, others in enumerate(told):
            if group != other:
                assert not any(same(a, b) for a in words for b in others), (words, others)
        assert all(same(words[0], word) for word in words), words
        assert all(same(a, describe(b)) for a, b in zip(words, GROUPS[group], strict=True))


def test_a_digest_depends_on_numbers_shapes_and_types_and_not_on_the_layout() -> None:
    x = torch.randn(3, 4)
    assert digest(x) == digest(x.clone().T.contiguous().T) != digest(x.view(4, 3))
    assert digest(x) != digest(x.double()) and digest(x, x) != digest(torch.cat([x, x]))
    assert (
        len({digest(torch.zeros(0)), digest(torch.tensor(0.0)), digest(torch.zeros(1, dtype=torch.bfloat16))})
        == 3
    )


class Odd(Method):
    """A signature with everything in it, and nothing stored of what is given."""

    def __init__(self, first, /, second=2, *rest, third, fourth: Tensor | None = None, **others) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def players(self):
        return {"one": self.parameters()}

    def step(self, x, update, y=None):
        return {}


class Heir(Odd):
    def __init__(self, size: int = 3) -> None:
        super().__init__(size, third=size)


def test_what_a_method_was_built_with_is_bound_to_its_own_signature() -> None:
    assert built_with(Odd(1, third="x")) == {
        "first": 1,
        "second": 2,
        "rest": [],
        "third": "x",
        "fourth": None,
    }
    assert built_with(Odd(1, 5, 6, third=0, more=(7,))) == {
        "first": 1,
        "second": 5,
        "rest": [6],
        "third": 0,
        "fourth": None,
        "more": [7],
    }
    assert built_with(Heir()) == built_with(Heir(3)) == {"size": 3} != built_with(Heir(4))
    assert built_with(nn.Linear(1, 1)) is None


def test_a_wrong_call_is_answered_by_the_constructor() -> None:
    with pytest.raises(TypeError, match=r"Heir.__init__\(\) got an unexpected keyword argument 'sise'"):
        Heir(sise=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="missing 1 required"):
        Odd(third=3)


def test_copies_know_it_too_and_nothing_given_is_kept_alive() -> None:
    given = [1, 2]
    method = Odd(given, third=(lambda: None), made=(n for n in given))  # neither can be copied or pickled
    given.append(3)
    twins = [copy.deepcopy(method), copy.copy(method), pickle.loads(pickle.dumps(method))]
    twins.append(AveragedModel(method).module)
    for twin in twins:
        assert built_with(twin) == built_with(method) and built_with(twin)["first"] == [1, 2]
        assert torch.equal(twin.layer.weight, method.layer.weight)
