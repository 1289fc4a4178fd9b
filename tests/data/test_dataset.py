"""ImageDataset: what it refuses, and that a pass shows every image exactly once."""

import hashlib
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, TensorDataset

from gencourse.data import ImageDataset, as_dataset, load, ring


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


@settings(max_examples=40)
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
    with pytest.raises(ValueError, match=rf"index is {n}: numbered has 6 images; give 1 to 6"):
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


def test_more_of_each_class_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="n is 3: images has 2 images of class 0; give 1 to 2"):
        of_three_classes().of_each_class(3)
    with pytest.raises(ValueError, match="n is 0: give at least 1"):
        of_three_classes().of_each_class(0)


def test_hidden_labels_are_minus_one_and_the_images_stay() -> None:
    data = of_three_classes()
    hidden = data.hide_labels(3)
    assert hidden.labels.tolist() == [2, 0, 1, -1, -1, -1, -1, -1]
    assert torch.equal(hidden.images, data.images) and data.labels.min() == 0
    assert data.hide_labels(8).labels.tolist() == data.labels.tolist()
    for keep in (-1, 9):
        with pytest.raises(ValueError, match=f"keep is {keep}"):
            data.hide_labels(keep)


# ---- what is refused -----------------------------------------------------------------------------------

BYTES = torch.zeros(3, 1, 2, 2, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"images": None}, "images is None: give a tensor"),
        ({"images": np.zeros((3, 1, 2, 2), np.uint8)}, "images is array.*give a tensor"),
        ({"images": BYTES.float()}, r"images is torch.float32 .*from_tensor"),
        (
            {"images": torch.zeros(3, 8, 8, 3, dtype=torch.uint8)},
            r"channels last: .*images.permute\(0, 3, 1, 2\)",
        ),
        ({"images": torch.zeros(3, 1, 0, 2, dtype=torch.uint8)}, "each side at least 1"),
        ({"labels": None}, "labels is None: give a tensor"),
        ({"labels": [0, 1, 2]}, r"labels is \[0, 1, 2\]: give a tensor"),
        ({"labels": torch.tensor([0, 1, -2])}, "labels go down to -2: give 0 and more, or −1"),
        ({"labels": torch.zeros(3, device="meta").long()}, "labels is on meta: give it on cpu"),
        ({"name": 3}, "name is 3: give a word"),
        ({"classes": "abc"}, "classes is 'abc': give names"),
        ({"classes": (1, 2, 3)}, "classes is .*: give names"),
        ({"classes": None}, "classes is None: give names"),
        ({"classes": ("a", "b", "a")}, "classes names 'a' twice"),
        ({"classes": ("a", "b")}, "classes has 2 names, but the labels go up to 2: give 3 names"),
    ],
)
def test_what_is_no_dataset_is_refused(change: dict, says: str) -> None:
    good = {"images": BYTES, "labels": torch.tensor([0, -1, 2]), "name": "few", "classes": ["a", "b", "c"]}
    assert ImageDataset(**good).classes == ("a", "b", "c")
    with pytest.raises((TypeError, ValueError), match=says):
        ImageDataset(**(good | change))


@pytest.mark.parametrize(
    ("index", "says"),
    [
        (True, "index is True: give how many"),
        (2.0, "index is 2.0: give how many"),
        (None, "index is None: give how many"),
        ("12", "index is '12': give how many"),
        (slice(0, 2), r"index is slice\(0, 2, None\): give how many"),
        ([0.5, 1], r"index is \[0.5, 1\]: give how many"),
        ([[0], [1]], "index is .*: give how many"),
        (torch.tensor([0.0, 1.0]), r"index is torch.float32 of shape \(2,\): give how many"),
        (torch.tensor(1), r"index is torch.int64 of shape \(\): give how many"),
        ([0, -1], "index goes from -1 to 0: numbered has 6 images; give 0 to 5"),
        ([0, 6], "index goes from 0 to 6: numbered has 6 images; give 0 to 5"),
        ([True, False], "index has length 2: give True or False for each of 6 images"),
    ],
)
def test_positions_that_are_none_are_refused(index: object, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        numbered(6).take(index)  # type: ignore[arg-type]


def test_positions_of_many_kinds_are_understood() -> None:
    data = numbered(6)
    for rows in ([1, 4], np.array([1, 4]), torch.tensor([1, 4], dtype=torch.uint8), range(1, 5, 3)):
        assert data.take(rows).labels.tolist() == [1, 4]
    mask = (data.labels == 1) | (data.labels == 4)
    for rows in (mask, mask.tolist(), mask.numpy()):
        assert data.take(rows).labels.tolist() == [1, 4]
    assert data.take(np.int64(2)).labels.tolist() == [0, 1]
    for rows in ([], torch.zeros(0, dtype=torch.int64), torch.zeros(6, dtype=torch.bool)):
        none = data.take(rows)
        assert len(none) == 0 and none.shape == data.shape
        assert list(none.batches(4)) == [] and none.x.shape == (0, 1, 2, 3)
        assert len(none.take([])) == len(none.of_class(1)) == len(none.hide_labels(0)) == 0
        with pytest.raises(ValueError, match="numbered has no labelled image"):
            none.of_each_class(1)


def test_classes_and_counts_that_are_none_are_refused() -> None:
    data = of_three_classes()
    for wrong in ((), ([1, 2],), ("1",), (1.0,), (True,), (-2,)):
        with pytest.raises((TypeError, ValueError), match="labels is"):
            data.of_class(*wrong)  # type: ignore[arg-type]
    named = ImageDataset(data.images, data.labels, classes=("a", "b", "c"))
    assert len(named.of_class(2)) == 4 and len(data.of_class(9)) == 0
    with pytest.raises(ValueError, match="labels is 3: give -1 to 2"):
        named.of_class(3)
    for n in (1.5, True, None, -1):
        with pytest.raises((TypeError, ValueError), match=f"n is {n}: give"):
            data.of_each_class(n)  # type: ignore[arg-type]
        if n != -1:
            with pytest.raises(TypeError, match=f"keep is {n}: give a whole number"):
                data.hide_labels(n)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"generator is 0: give torch.Generator"):
        data.of_each_class(1, 0)  # type: ignore[arg-type]
    assert data.hide_labels(3).of_each_class(1).labels.tolist() == [0, 1, 2]  # −1 is no class


@pytest.mark.parametrize("data", [numbered(3), ring(3)], ids=["images", "points"])
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"batch_size": 2.0}, "batch_size is 2.0: give a whole number"),
        ({"batch_size": True}, "batch_size is True: give a whole number"),
        ({"batch_size": None}, "batch_size is None: give a whole number"),
        ({"device": None}, "device is None: give a name"),
        ({"device": 3}, "device is 3: give a name"),
        ({"device": "gpu"}, "device is 'gpu': this machine has no such device"),
        ({"device": "auto"}, "device is 'auto': this machine has no such device"),
        ({"generator": 3}, "generator is 3: give torch.Generator"),
    ],
)
def test_a_pass_that_cannot_be_made_is_refused_at_once(data: ImageDataset, wrong: dict, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        data.batches(**({"batch_size": 2} | wrong))  # not only when the first batch is asked for
    if "device" in wrong:
        with pytest.raises((TypeError, ValueError), match=says):
            data.to(wrong["device"])


# ---- other things made a dataset -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_tensor_of_pictures_becomes_a_dataset(dtype: torch.dtype, channels: int) -> None:
    made = torch.arange(4 * channels * 20).view(4, channels, 4, 5) % 256
    made[0, 0, 0, :2] = torch.tensor([0, 255])
    x = made.to(torch.uint8) if dtype == torch.uint8 else (made / 255).to(dtype).requires_grad_()
    data = as_dataset(x)
    assert isinstance(data, ImageDataset) and data.shape == (channels, 4, 5)
    slack = 1 if dtype == torch.bfloat16 else 0
    assert (data.images.int() - made).abs().max() <= slack
    assert data.labels.tolist() == [-1] * 4 and not data.images.requires_grad
    labels = torch.tensor([3, 1, 2, 0], dtype=torch.uint8)
    told = ImageDataset.from_tensor(x, labels, name="mine")
    assert told.labels.dtype == torch.int64 and told.labels.tolist() == [3, 1, 2, 0] and told.name == "mine"


def test_every_byte_survives_the_way_through_floats() -> None:
    data = numbered(256)
    assert torch.equal(ImageDataset.from_tensor(data.x).images, data.images)
    assert ImageDataset.from_tensor(torch.full((1, 1, 2, 2), 1.0005)).images.max() == 255  # no wrap to 0
    assert ImageDataset.from_tensor(torch.full((1, 1, 2, 2), -0.0005)).images.max() == 0


PICTURES = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, r"data is None: give a dataset, for example gencourse.data.load\('mnist'\)"),
        (3, "data is 3: give a dataset"),
        ("mnist", r"data is 'mnist': give gencourse.data.load\(name\), or .*load_folder"),
        (Path("pictures"), r"give gencourse.data.load\(name\), or .*load_folder"),
        (["a.png", Path("b.png")], r"give the folder .* to gencourse.data.load_folder"),
        ([], r"data is \[\]: give a dataset"),
        (list(PICTURES), r"from_tensor\(torch.stack\(list\(data\)\)\)"),
        ((PICTURES, torch.zeros(4).long()), r"from_tensor\(\*data\)"),
        (PICTURES.numpy(), r"data is a ndarray: .*torch.from_numpy\(data\)"),
        (DataLoader(PICTURES), r"data is a DataLoader: .*from_tensor\(\*map\(torch.cat, zip\(\*data\)\)\)"),
        (TensorDataset(PICTURES), r"data is a TensorDataset: .*torch.stack"),
        (ImageDataset, "data is <class .*: give a dataset"),
        (
            PICTURES * 2 - 1,
            r"x goes from -.* to .*: give pictures in \[0, 1\], for example by \(x \+ 1\) / 2",
        ),
        (PICTURES * 255, r"x goes from .* to 25\d.*: give pictures in \[0, 1\], for example by x / 255"),
        ((PICTURES * 255).long(), "x is torch.int64: give uint8"),
        ((PICTURES > 0.5).to(torch.uint8), "x goes from 0 to 1 in bytes, .*: give 255 . x"),
        (PICTURES.where(PICTURES > 0.5, torch.nan), "x has .* of 256 numbers that are NaN"),
        (PICTURES[:, 0], r"x has shape \(4, 8, 8\): give \(N, C, H, W\), for grey pictures by x\[:, None\]"),
        (PICTURES[0], r"x has shape \(1, 8, 8\): give \(N, C, H, W\), for one picture by x\[None\]"),
        (
            PICTURES.flatten(1),
            r"data has shape \(4, 64\): give pictures, .*view.* or points as a PointDataset",
        ),
        (PICTURES.expand(4, 3, 8, 8).permute(0, 2, 3, 1), r"channels last: .*permute\(0, 3, 1, 2\)"),
        (PICTURES.expand(4, 2, 8, 8), "give 1 .grey. or 3 .colour. channels, not 2"),
        (PICTURES[:0], "x is empty"),
    ],
)
def test_what_cannot_be_trained_on_is_answered_with_what_can(data: object, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        as_dataset(data)


def test_the_advice_given_for_other_datasets_works() -> None:
    labels = torch.arange(4)
    pairs = TensorDataset(PICTURES, labels)
    expected = ImageDataset.from_tensor(PICTURES, labels).digest()
    data: object = DataLoader(pairs, batch_size=3)
    assert ImageDataset.from_tensor(*map(torch.cat, zip(*data, strict=True))).digest() == expected
    data = pairs
    x, y = torch.stack([x for x, y in data]), torch.tensor([y for x, y in data])
    assert ImageDataset.from_tensor(x, y).digest() == expected
    assert as_dataset(PICTURES.flatten(1).view(-1, 1, 8, 8)).images.equal(as_dataset(PICTURES).images)


def test_a_dataset_stays_what_it_is() -> None:
    class Stream:
        def __len__(self) -> int:
            return 3

        def batches(self, batch_size: int) -> None: ...

    for data in (numbered(3), ring(3), Stream()):
        assert as_dataset(data) is data


@pytest.mark.parametrize(
    "labels", [[0, 1, 2, 3], torch.zeros(3).long(), torch.zeros(4), torch.full((4,), -2)]
)
def test_labels_that_do_not_fit_a_tensor_are_refused(labels: object) -> None:
    with pytest.raises((TypeError, ValueError), match="labels"):
        ImageDataset.from_tensor(PICTURES, labels)  # type: ignore[arg-type]


# ---- once to the device, and what tells two datasets apart ---------------------------------------------


class Copies(TorchDispatchMode):
    """Counts the elements that go from one device to another, by their type."""

    def __init__(self) -> None:
        super().__init__()
        self.moved: Counter[torch.dtype] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and args[0].device != out.device:
            self.moved[out.dtype] += out.numel()
        return out


def test_images_move_to_the_device_once_a_run() -> None:
    data = numbered(20)
    with Copies() as copies:
        there = data.to("meta")  # a device without values: `.item()`, `bool()` and `.tolist()` fail on it
    assert copies.moved == {torch.uint8: data.images.numel(), torch.int64: 20}
    assert there.images.device.type == there.labels.device.type == "meta"
    generator = torch.Generator().manual_seed(0)
    with Copies() as copies:
        for _ in range(3):
            shapes = [
                (x.shape[0], x.device.type, y.device.type)
                for x, y in there.batches(8, device="meta", generator=generator)
            ]
            assert shapes == [(8, "meta", "meta"), (8, "meta", "meta"), (4, "meta", "meta")]
    assert copies.moved == {torch.int64: 3 * 20}  # the order of each pass, and no image
    with Copies() as copies:
        list(there.batches(8, device="meta"))
    assert not copies.moved
    assert data.to("cpu").images.data_ptr() == data.images.data_ptr()


@pytest.mark.parametrize("data", [numbered(50), ring(50)], ids=["images", "points"])
def test_the_order_of_a_pass_is_one_permutation_of_the_cpus_generator(data: ImageDataset) -> None:
    order = torch.randperm(50, generator=torch.Generator().manual_seed(7))
    passed = list(data.batches(8, generator=torch.Generator().manual_seed(7)))
    assert torch.equal(torch.cat([y for _, y in passed]), data.labels[order])


def test_a_digest_tells_contents_apart_and_nothing_else() -> None:
    data = of_three_classes()
    digest = data.digest()
    assert len(digest) == 16 and set(digest) <= set("0123456789abcdef")
    same = ImageDataset(data.images.clone(), data.labels.clone(), "another name", ("a", "b", "c"))
    spread = ImageDataset(data.images[:, :, :1, :1].expand(8, 1, 2, 2), data.labels)  # not contiguous
    assert {same.digest(), spread.digest(), data.take(8).digest()} == {digest}
    pixel = data.images.clone()
    pixel[7, 0, 1, 1] += 1
    others = [
        ImageDataset(pixel, data.labels),
        ImageDataset(data.images, data.labels.flip(0)),
        ImageDataset(data.images.view(8, 1, 4, 1), data.labels),
        data.take(7),
        data.take([]),
        data.take([1, 0, *range(2, 8)]),
    ]
    assert len({digest, *(other.digest() for other in others)}) == 7
    # by hand: the type, the shape and the bytes of each tensor
    assert ImageDataset(torch.tensor([[[[7]]]], dtype=torch.uint8), torch.tensor([1])).digest() == by_hand(
        b"torch.uint8 (1, 1, 1, 1)" + b"\x07" + b"torch.int64 (1,)" + (1).to_bytes(8, "little")
    )


def by_hand(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def test_a_digest_is_quick() -> None:
    data = load("mnist")
    data.digest()
    times = []
    for _ in range(5):
        start = time.process_time()
        data.digest()
        times.append(time.process_time() - start)
    assert min(times) < 0.5  # 47 MB; on an idle machine well below a tenth of a second


def test_two_datasets_can_be_compared() -> None:
    data = numbered(3)
    assert (
        data == data and data != numbered(3) and len({data, numbered(3)}) == 2
    )  # by identity, without an error
