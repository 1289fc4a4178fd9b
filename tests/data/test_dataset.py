"""ImageDataset: what it refuses, and that a pass shows every image exactly once."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gencourse.data import ImageDataset


def numbered(n: int) -> ImageDataset:
    """Image i is filled with the value i, and its label is i."""
    values = torch.arange(n)
    return ImageDataset(
        values.to(torch.uint8).view(n, 1, 1, 1).expand(n, 1, 2, 3).contiguous(), values, "numbered"
    )


@pytest.mark.parametrize(
    "images",
    [torch.zeros(2, 1, 4, 4), torch.zeros(2, 4, 4, dtype=torch.uint8), torch.zeros(2, 1, 4, 4).long()],
)
def test_images_must_be_bytes_with_four_axes(images: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"images is .*give uint8 of shape \(N, C, H, W\)"):
        ImageDataset(images, torch.zeros(2, dtype=torch.int64))


@pytest.mark.parametrize(
    "labels", [torch.zeros(3, dtype=torch.int64), torch.zeros(2), torch.zeros(2, 1, dtype=torch.int64)]
)
def test_labels_must_be_one_integer_an_image(labels: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"labels is .*give int64 of shape \(2,\)"):
        ImageDataset(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), labels)


def test_length_shape_and_values() -> None:
    data = ImageDataset(torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1), torch.tensor([4]))
    assert len(data) == 1
    assert data.shape == (3, 1, 1)
    assert data.x.dtype == torch.float32
    torch.testing.assert_close(data.x.flatten(), torch.tensor([0.0, 0.2, 1.0]))
    assert data.images.flatten().tolist() == [0, 51, 255]  # x is a copy


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 40), batch_size=st.integers(1, 50), seed=st.integers(0, 10))
def test_a_shuffled_pass_shows_every_image_exactly_once(n: int, batch_size: int, seed: int) -> None:
    passed = list(numbered(n).batches(batch_size, generator=torch.Generator().manual_seed(seed)))
    assert sorted(torch.cat([y for _, y in passed]).tolist()) == list(range(n))
    for x, y in passed:  # a picture keeps its label
        assert (x * 255).round()[:, 0, 0, 0].tolist() == y.tolist()
    sizes = [len(y) for _, y in passed]
    assert sizes[:-1] == [batch_size] * (len(sizes) - 1)
    assert 1 <= sizes[-1] <= batch_size


def test_without_a_generator_the_images_come_in_their_order() -> None:
    passed = list(numbered(7).batches(3))
    assert [y.tolist() for _, y in passed] == [[0, 1, 2], [3, 4, 5], [6]]
    assert passed[0][0].shape == (3, 1, 2, 3)


def test_the_order_is_the_generators() -> None:
    def order(generator: torch.Generator) -> list[int]:
        return torch.cat([y for _, y in numbered(50).batches(8, generator=generator)]).tolist()

    first = torch.Generator().manual_seed(1)
    again, other = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    one = order(first)
    assert one == order(again)
    assert one != order(other)
    assert one != order(first)  # the second pass of the same generator is another one
    assert one != list(range(50))


def test_batches_leave_the_global_random_numbers_alone() -> None:
    before = torch.get_rng_state()
    list(numbered(9).batches(2, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("shuffled", [False, True])
def test_batches_are_floats_between_zero_and_one_and_the_bytes_stay(shuffled: bool) -> None:
    data = numbered(256)
    kept = data.images.clone()
    generator = torch.Generator().manual_seed(0) if shuffled else None
    for x, y in data.batches(100, generator=generator):
        assert x.dtype == torch.float32
        assert y.dtype == torch.int64
        torch.testing.assert_close(x[:, 0, 0, 0], y / 255)
        x.zero_()
    assert torch.equal(data.images, kept)


@pytest.mark.parametrize("batch_size", [0, -3])
def test_a_batch_has_at_least_one_image(batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"batch_size is {batch_size}: give at least 1"):
        next(numbered(3).batches(batch_size))


def test_take_the_first_or_those_at_positions() -> None:
    data = numbered(6)
    assert data.take(2).labels.tolist() == [0, 1]
    assert data.take(6).labels.tolist() == list(range(6))
    for rows in ([4, 0, 4], (4, 0, 4), torch.tensor([4, 0, 4])):
        part = data.take(rows)
        assert part.labels.tolist() == [4, 0, 4]
        assert part.images[:, 0, 0, 0].tolist() == [4, 0, 4]
        assert part.name == data.name


@pytest.mark.parametrize("n", [0, -1, 7])
def test_take_says_how_many_there_are(n: int) -> None:
    with pytest.raises(ValueError, match=rf"take\({n}\): numbered has 6 images; give 1 to 6"):
        numbered(6).take(n)


def test_of_class_keeps_the_order() -> None:
    labels = torch.tensor([3, 1, 2, 3, 1])
    data = ImageDataset(
        torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1), labels, classes=("a", "b", "c", "d")
    )
    assert data.of_class(3).images.flatten().tolist() == [0, 3]
    some = data.of_class(1, 3)
    assert some.labels.tolist() == [3, 1, 3, 1]
    assert some.classes == data.classes
    assert len(data.of_class(0)) == 0


def of_three_classes() -> ImageDataset:
    labels = torch.tensor([2, 0, 1, 2, 0, 1, 2, 2])
    images = torch.arange(8, dtype=torch.uint8)[:, None, None, None].expand(8, 1, 2, 2).clone()
    return ImageDataset(images, labels)


def test_a_few_of_each_class_come_from_the_start_or_by_chance() -> None:
    data = of_three_classes()
    few = data.of_each_class(2)
    assert few.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert few.images[:, 0, 0, 0].tolist() == [1, 4, 2, 5, 0, 3]
    drawn = [data.of_each_class(2, torch.Generator().manual_seed(s)) for s in range(8)]
    for some in drawn:
        assert some.labels.tolist() == [0, 0, 1, 1, 2, 2]
        rows = some.images[:, 0, 0, 0].tolist()
        assert len(set(rows)) == 6 and data.labels[rows].tolist() == some.labels.tolist()
    assert len({tuple(some.images[:, 0, 0, 0].tolist()) for some in drawn}) > 1


@pytest.mark.parametrize("n", [0, 3])
def test_more_of_each_class_than_there_are_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match=f"n is {n}: images has 2 images of class 0; give 1 to 2"):
        of_three_classes().of_each_class(n)


def test_hidden_labels_are_minus_one_and_the_images_stay() -> None:
    data = of_three_classes()
    hidden = data.hide_labels(3)
    assert hidden.labels.tolist() == [2, 0, 1, -1, -1, -1, -1, -1]
    assert torch.equal(hidden.images, data.images) and data.labels.min() == 0
    assert data.hide_labels(8).labels.tolist() == data.labels.tolist()
    for keep in (-1, 9):
        with pytest.raises(ValueError, match=f"keep is {keep}"):
            data.hide_labels(keep)
