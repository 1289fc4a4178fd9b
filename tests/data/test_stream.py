"""Streams give what data in memory give, in the same order, and hold a few mini-batches at a time."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, WeightedRandomSampler

import gencourse
from gencourse.data import DamagedFileError, ImageDataset, load_folder, stream
from gencourse.methods import Autoencoder
from gencourse.training import fit

N = 21


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """21 colour pictures of two classes, larger than they will be asked for and not square."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(N):
        (root / "ab"[i % 2]).mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 26, 3), dtype=np.uint8)).save(
            root / "ab"[i % 2] / f"{i:02}.png"
        )
    return root


def shuffled(data: object, batch_size: int = 4, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(data.batches(batch_size, generator=torch.Generator().manual_seed(seed)))  # type: ignore[attr-defined]


def same(one: list, other: list) -> bool:
    return len(one) == len(other) and all(
        a.equal(c) and b.equal(d) for (a, b), (c, d) in zip(one, other, strict=True)
    )


class Counted(IterableDataset):
    """Numbers 0, 1, 2, … as pictures, without a length: like a WebDataset, it can only be gone through."""

    def __init__(self, n: int = N) -> None:
        self.n = n

    def __iter__(self):
        for i in range(self.n):
            yield {"jpg": torch.full((1, 4, 4), i, dtype=torch.uint8), "cls": i}


class Listed(Dataset):
    """These items."""

    def __init__(self, *items: object) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> object:
        return self.items[row]


class Records(Dataset):
    """Rows that are records, as a Hugging Face dataset gives them."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, row: int) -> dict:
        return {"image": Image.fromarray(np.full((4, 4), row, np.uint8)), "label": row}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_streamed_folder_is_the_loaded_one_batch_for_batch(folder: Path, workers: int) -> None:
    streamed, loaded = stream(folder, size=12, workers=workers), load_folder(folder, size=12)
    assert len(streamed) == N and streamed.shape == loaded.shape and streamed.classes == ("a", "b")
    assert streamed.labels.equal(loaded.labels)
    assert same(shuffled(streamed), shuffled(loaded))
    assert same(list(streamed.batches(4)), list(loaded.batches(4)))
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    for _ in range(2):  # the second pass, too
        passes = [
            list(d.batches(5, generator=g)) for d, g in zip((streamed, loaded), generators, strict=True)
        ]
        assert same(*passes)


def test_fit_learns_the_same_from_a_stream(folder: Path) -> None:
    weights = []
    for data in (stream(folder, size=12, channels=1, workers=1), load_folder(folder, size=12, channels=1)):
        model = Autoencoder("dense", 2, (1, 12, 12))
        fit(model, data, epochs=2, batch_size=8, device="cpu", progress=False)
        weights.append(torch.cat([p.flatten() for p in model.parameters()]))
    assert weights[0].equal(weights[1])


@pytest.mark.parametrize("in_turn", [False, True])
def test_a_run_is_validated_on_a_stream_as_on_the_same_in_memory(in_turn: bool) -> None:
    pictures = torch.arange(N, dtype=torch.uint8)[:, None, None, None].expand(N, 1, 4, 4)
    held = ImageDataset(pictures, torch.arange(N))
    rows = Counted() if in_turn else Records()
    looked = stream(rows, size=4, channels=1, workers=0, length=N)
    found = []
    for validation in (held, looked):
        model = Autoencoder("dense", 2, (1, 4, 4))
        options = {"validation": validation, "stop_after": 1, "watch": "autoencoder"}
        found.append(
            fit(model, held, epochs=2, device="cpu", progress=False, **options)["validation autoencoder"]
        )
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", ["folder", "in turn"])
def test_a_run_that_goes_on_after_an_epoch_is_the_uninterrupted_one(
    kind: str, folder: Path, tmp_path: Path
) -> None:
    def data() -> object:
        if kind == "folder":
            return stream(folder, size=12, channels=1, workers=1)
        return stream(Counted(), size=4, channels=1, length=N, buffer=5)

    def model() -> Autoencoder:
        return Autoencoder("dense", 2, data().shape, noise=0.1)  # type: ignore[attr-defined]

    def run(model: Autoencoder, epochs: int, name: str, resume: bool = False) -> torch.Tensor:
        fit(
            model,
            data(),
            epochs=epochs,
            batch_size=8,
            device="cpu",
            checkpoint=tmp_path / name,
            resume=resume,
            progress=False,
        )
        return torch.cat([p.flatten() for p in model.parameters()])

    whole = run(model(), 3, "whole")
    run(model(), 1, "parts")
    assert run(model(), 3, "parts", resume=True).equal(whole)


def test_some_rows_of_a_stream_are_those_of_the_data(folder: Path) -> None:
    rows = torch.tensor([20, 3, 7, 3])
    part, loaded = stream(folder, size=12, workers=0).take(rows), load_folder(folder, size=12).take(rows)
    assert same(shuffled(part), shuffled(loaded)) and part.labels.equal(loaded.labels)
    assert part.digest() != stream(folder, size=12).digest()


def test_what_is_gone_through_in_turn_comes_once_each_and_shuffled() -> None:
    data = stream(Counted(), size=4, channels=1, length=N, buffer=8)
    in_order = torch.cat([y for _, y in data.batches(4)])
    assert in_order.equal(torch.arange(N))
    batches = shuffled(data)
    found = torch.cat([y for _, y in batches])
    assert not found.equal(in_order) and found.sort().values.equal(in_order)
    assert all((x * 255).round()[:, 0, 0, 0].long().equal(y) for x, y in batches)
    assert same(batches, shuffled(data)) and not same(batches, shuffled(data, seed=1))


def test_rows_of_records_and_pairs_give_the_same_pictures() -> None:
    x = torch.arange(N, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    memory = ImageDataset(x, torch.arange(N))
    pairs = TensorDataset(x, torch.arange(N))
    floats = TensorDataset(x / 255, torch.arange(N))
    loader = DataLoader(pairs, batch_size=3, shuffle=True)
    read = stream(Records(), size=4, channels=1, read=lambda item: (item["image"], item["label"]), workers=0)
    for source in (Records(), pairs, floats, loader):
        assert same(shuffled(stream(source, size=4, channels=1, workers=0)), shuffled(memory))
    assert same(shuffled(read), shuffled(memory))


def test_pictures_of_other_sizes_and_channels_are_made_to_fit() -> None:
    grey_wide = TensorDataset(torch.rand(3, 1, 8, 30), torch.zeros(3))
    x, y = next(iter(stream(grey_wide, size=8, channels=3, workers=0).batches(2)))
    assert x.shape == (2, 3, 8, 8) and x[:, 0].equal(x[:, 1]) and y.dtype == torch.int64


def test_random_changes_differ_from_pass_to_pass_and_come_again() -> None:
    class Noisy(Dataset):
        def __len__(self) -> int:
            return 6

        def __getitem__(self, row: int) -> torch.Tensor:
            return torch.rand(1, 4, 4)

    data = stream(Noisy(), size=4, channels=1, workers=1)
    one, again = (torch.Generator().manual_seed(0) for _ in range(2))
    first, second = list(data.batches(6, generator=one)), list(data.batches(6, generator=one))
    assert not same(first, second)
    assert same(first, list(data.batches(6, generator=again)))


def test_an_epoch_is_told_to_a_dataset_that_asks_for_it() -> None:
    class Told(Counted):
        def __init__(self) -> None:
            super().__init__()
            self.told: list[int] = []

        def set_epoch(self, epoch: int) -> None:
            self.told.append(epoch)

    source = Told()
    data = stream(source, size=4, channels=1, length=N, workers=0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        list(data.batches(8, generator=generator))
    assert len(set(source.told)) == 2


def test_the_digest_tells_folders_apart(folder: Path, tmp_path: Path) -> None:
    first = stream(folder, size=12).digest()
    assert first == stream(folder, size=12).digest() != stream(folder, size=8).digest()
    for name in "ab":
        Image.new("RGB", (9, 9)).save(tmp_path / f"{name}.png")
    other = stream(tmp_path).digest()
    (tmp_path / "b.png").rename(tmp_path / "c.png")
    assert other != stream(tmp_path).digest()
    assert stream(Records()).digest() is None


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: stream("nowhere"), "source 'nowhere' does not exist"),
        (lambda: stream(3), "source is 3: give a folder"),  # type: ignore[arg-type]
        (lambda: stream([]), "source is"),  # type: ignore[arg-type]
        (lambda: stream(Counted()), "length is None"),
        (lambda: stream(Records(), length=5), "length is 5, but the dataset has 21"),
        (lambda: stream(Records(), workers=-1), "workers is -1"),
        (lambda: stream(Records(), channels=2), "channels is 2"),
        (lambda: list(stream(Counted(), size=4, length=N + 1).batches(8)), "but the dataset gives 21"),
        (lambda: list(stream(Counted(), size=4, length=N - 1).batches(8)), "gives more"),
        (
            lambda: list(stream(Counted(), size=4, length=N, workers=2).batches(8)),
            "share its pictures among them",
        ),
        (
            lambda: stream(DataLoader(Records(), sampler=WeightedRandomSampler([1.0] * N, N))),
            "with a WeightedRandomSampler",
        ),
        (lambda: stream(DataLoader(Records(), collate_fn=list)), "collate_fn of its own"),
        (
            lambda: list(stream(Listed({"a": 1}), size=4, workers=1).batches(1)),
            "none of them a picture's usual name",
        ),  # type: ignore[arg-type]
        (lambda: list(stream(Listed(torch.zeros(2, 4, 4)), workers=0).batches(1)), "1 or 3 channels"),  # type: ignore[arg-type]
        (lambda: list(stream(Listed(torch.ones(1, 4, 4) * 9), workers=0).batches(1)), r"outside \[0, 1\]"),  # type: ignore[arg-type]
    ],
)
def test_nonsense_gets_a_sentence(make, sentence: str) -> None:
    with pytest.raises((TypeError, ValueError, FileNotFoundError), match=sentence) as error:
        make()
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_picture_is_named_without_a_traceback(tmp_path: Path, workers: int) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(DamagedFileError, match=r"a\.png is not a picture") as error:
        list(stream(tmp_path, workers=workers).batches(1))
    assert len(str(error.value).splitlines()) == 1


class Wrong(Records):
    def __getitem__(self, row: int) -> dict:
        raise ValueError("a fault of their own")


def test_a_fault_in_a_dataset_of_somebody_else_shows_where_it_is() -> None:
    with pytest.raises(ValueError, match="in __getitem__"):
        list(stream(Wrong(), workers=1).batches(1))


class Shards(IterableDataset):
    """What `webdataset.WebDataset(…).decode("pil")` gives: torch's kind, of dictionaries, in the order of its files."""

    def __init__(self, rows: list[tuple[Path, int]]) -> None:
        self.rows = rows

    def __iter__(self):
        for i, (path, label) in enumerate(self.rows):
            yield {"__key__": f"{i:04}", "png": Image.open(path).convert("RGB"), "cls": label}


class Rows:
    """What `datasets.Dataset` gives: dictionaries by their number. It is no class of torch."""

    def __init__(self, rows: list[tuple[Path, int]]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int):
        path, label = self.rows[index]
        return {"image": Image.open(path), "label": label}


class RowsInTurn(IterableDataset):
    """What its `to_iterable_dataset()` gives."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def __iter__(self):
        return (self.rows[i] for i in range(len(self.rows)))


def labelled_files(folder: Path) -> list[tuple[Path, int]]:
    return [(path, "ab".index(path.parent.name)) for path in sorted(folder.rglob("*.png"))]


def test_a_webdataset_streams(folder: Path, tmp_path: Path) -> None:
    """The package itself where it is installed, else what it gives."""
    rows = labelled_files(folder)
    data: Any = Shards(rows)
    if importlib.util.find_spec("webdataset"):
        import webdataset as wds

        with wds.TarWriter(str(tmp_path / "shard-0.tar")) as tar:
            for i, (path, label) in enumerate(rows):
                tar.write({"__key__": f"{i:04}", "png": path.read_bytes(), "cls": str(label)})
        data = wds.WebDataset(str(tmp_path / "shard-0.tar"), shardshuffle=False).decode("pil")
    streamed = stream(data, size=12, length=N)
    assert same(list(streamed.batches(4)), list(load_folder(folder, size=12).batches(4)))


def test_a_hugging_face_dataset_streams(folder: Path) -> None:
    """The package itself where it is installed, else what it gives."""
    rows = labelled_files(folder)
    made: Any = Rows(rows)
    in_order: Any = RowsInTurn(made)
    if importlib.util.find_spec("datasets"):
        import datasets

        columns = {"image": [str(path) for path, _ in rows], "label": [label for _, label in rows]}
        made = datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image())
        in_order = made.to_iterable_dataset()
    loaded = load_folder(folder, size=12)
    assert same(shuffled(stream(made, size=12, workers=0)), shuffled(loaded))
    assert same(list(stream(in_order, size=12, length=N).batches(4)), list(loaded.batches(4)))


MEMORY = """
import sys, resource
from gencourse.data import stream
data = stream(sys.argv[1], size=256, workers=0)
next(iter(data.batches(32)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
seen = sum(len(x) for x, _ in data.batches(32))
print(seen, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path: Path) -> None:
    Image.new("RGB", (256, 256), "red").save(tmp_path / "0.bmp")
    for i in range(1, 600):
        (tmp_path / f"{i}.bmp").hardlink_to(tmp_path / "0.bmp")
    command = [sys.executable, "-c", MEMORY, str(tmp_path)]
    root = Path(gencourse.__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    seen, grown = map(int, done.stdout.split())
    assert seen == 600
    assert grown * 1024 < 60e6  # all of them would be 118 MB as bytes; two mini-batches of floats are 50
