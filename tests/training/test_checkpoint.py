"""Checkpoints: what is written comes back, nothing is half written, and damage is named."""

import json
import os
import random
import shutil
import stat
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file
from torch import Tensor, nn

import gencourse
from gencourse.methods import GAN, Autoencoder
from gencourse.networks import Plan
from gencourse.training import (
    CheckpointError,
    check_destination,
    load_weights,
    read_checkpoint,
    save_weights,
    write_checkpoint,
)
from gencourse.training.checkpoint import clear_leftovers, differences, identity

SMALL = Plan("dense", (8,))


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    tensors = {
        "a": shared.view(2, 3).T,  # not contiguous
        "b": shared,
        "tied": shared,  # shares its memory with b
        "c": torch.tensor(3),
        "d": torch.tensor([1, 2], dtype=torch.uint8),
        "e": torch.zeros(0, 4, dtype=torch.bfloat16),
        "f": torch.ones(2, requires_grad=True),
    }
    facts = {"epochs": [{"loss": 0.1}], "name": "x̂", "none": None}
    write_checkpoint(tmp_path / "deep" / "er" / "file", tensors, facts)
    read, said = read_checkpoint(tmp_path / "deep" / "er" / "file")
    assert said == facts
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor)


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_other(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_checkpoint(path, {"a": torch.zeros(1)}, {"version": 1})
    saved = path.read_bytes()

    def fail(*args: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, broken, fail)
        with pytest.raises(OSError, match="no space"):
            write_checkpoint(path, {"a": torch.ones(1)}, {"version": 2})
    assert path.read_bytes() == saved
    assert list(tmp_path.iterdir()) == [path]
    write_checkpoint(path, {"a": torch.ones(1)}, {"version": 2})
    assert read_checkpoint(path)[1] == {"version": 2}
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing' does not exist: give the path of a saved one"):
        read_checkpoint(tmp_path / "nothing")


@pytest.mark.parametrize("keep", [0, 4, 60, -1])
def test_a_truncated_file_is_damaged_and_left_as_it_is(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_checkpoint(path, {"a": torch.zeros(100)}, {})
    part = path.read_bytes()[:keep]
    path.write_bytes(part)
    with pytest.raises(
        CheckpointError, match=r"is damaged .*left as it was|is damaged .*It was left as it is"
    ):
        read_checkpoint(path)
    assert path.read_bytes() == part


def saved(path: Path) -> bytes:
    """A small checkpoint with all that can be in one, and its bytes."""
    tensors = {"method/a": torch.randn(5, 7), "b": torch.arange(4), "ä é": torch.ones(3, dtype=torch.float16)}
    write_checkpoint(path, tensors, {"epochs": [{"loss": 0.5}], "name": "x̂ \u001f", "none": None})
    return path.read_bytes()


def test_any_flipped_bit_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "file"
    whole = saved(path)
    header = 8 + int.from_bytes(whole[:8], "little")
    draw = random.Random(0)
    places = [draw.randrange(8 * len(whole)) for _ in range(300)] + [
        draw.randrange(8 * header) for _ in range(300)
    ]
    for place in (*range(64), *places):
        broken = bytearray(whole)
        broken[place // 8] ^= 1 << place % 8
        path.write_bytes(broken)
        with pytest.raises(CheckpointError, match=r"is damaged|was not written by gencourse|has the format"):
            read_checkpoint(path)
    path.write_bytes(whole)
    read_checkpoint(path)


def test_any_missing_end_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "file"
    whole = saved(path)
    for keep in range(0, len(whole), 7):
        path.write_bytes(whole[:keep])
        with pytest.raises(CheckpointError, match="is damaged"):
            read_checkpoint(path)
    path.write_bytes(whole + b" ")
    with pytest.raises(CheckpointError, match="is damaged"):
        read_checkpoint(path)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("something was unpickled",))


def _pickled(path: Path) -> None:
    torch.save({"weight": Bomb()}, path)


def _header(words: object) -> Callable[[Path], object]:
    text = json.dumps(words).encode()
    return lambda path: path.write_bytes(struct.pack("<Q", len(text)) + text)


def _forged(facts: str) -> Callable[[Path], None]:
    """A right checksum over wrong facts."""

    def write(path: Path) -> None:
        import hashlib

        data = save({}, {"format": "gencourse-2", "facts": facts, "sha256": "0" * 64})
        path.write_bytes(data.replace(b"0" * 64, hashlib.sha256(data).hexdigest().encode()))

    return write


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (Path.mkdir, "is a folder: give the path of a file"),
        (os.mkfifo, "is no ordinary file"),
        (lambda path: path.symlink_to("/dev/null"), "is no ordinary file"),
        (lambda path: path.symlink_to(path), "is no ordinary file"),
        (Path.touch, "is damaged"),
        (_pickled, "is damaged"),
        (lambda path: path.write_bytes(struct.pack("<Q", 2**63) + b"{}"), "is damaged"),
        (lambda path: path.write_bytes(struct.pack("<Q", 2**40) + b"{}" * 100), "is damaged"),
        (lambda path: path.write_bytes(struct.pack("<Q", 200_000) + b"[" * 200_000), "is damaged"),
        (_header([1]), "was not written by gencourse"),
        (_header({"__metadata__": [1]}), "was not written by gencourse"),
        (_header({"__metadata__": {"format": "gencourse-2"}}), "is damaged"),
        (_header({"__metadata__": {"format": "gencourse-2", "sha256": "0" * 64}}), "is damaged"),
        (_header({"__metadata__": {"format": "gencourse-1", "facts": "{}"}}), "has the format 'gencourse-1'"),
        (_forged("no JSON"), "in spite of its checksum"),
        (_forged("[1, 2]"), "in spite of its checksum"),
    ],
)
def test_what_is_no_checkpoint_gets_one_sentence(
    make: Callable[[Path], object], says: str, tmp_path: Path
) -> None:
    make(tmp_path / "file")
    with pytest.raises(CheckpointError, match=says) as caught:
        read_checkpoint(tmp_path / "file")
    assert "\n" not in str(caught.value)


def test_a_path_is_a_path() -> None:
    for call in (
        read_checkpoint,
        lambda path: write_checkpoint(path, {}, {}),
        lambda path: check_destination(path, 1),
    ):
        with pytest.raises(TypeError, match="checkpoint is 5: give the path of a file"):
            call(5)  # type: ignore[arg-type]
        with pytest.raises(CheckpointError, match="zero byte"):
            call("a\0b")


def test_nothing_that_was_read_stays_tied_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    size = len(saved(path))
    tensors, _ = read_checkpoint(path)
    before = {name: t.clone() for name, t in tensors.items()}
    with open(path, "r+b") as file:
        file.write(b"?" * size)
        file.flush()
    assert all(torch.equal(t, before[name]) for name, t in tensors.items())
    tensors["b"] += 1  # and it can be written to


@pytest.mark.parametrize(
    "name",
    [
        "digit_classifier",
        "clothes_classifier",
        "shape_classifier",
        "masked_digit",
        "panel_pictures",
        "trade_off",
    ],
)
def test_the_shipped_files_are_whole(name: str) -> None:
    tensors, facts = read_checkpoint(Path(gencourse.__file__).parent / "checkpoints" / f"{name}.safetensors")
    assert tensors and facts["command"].startswith("python -m gencourse.studies.")
    assert len(facts["data_sha256"]) == 64


# ---- where a file is written --------------------------------------------------------------------------


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    real, link, dangling = tmp_path / "there" / "real", tmp_path / "link", tmp_path / "dangling"
    real.parent.mkdir()
    saved(real)
    link.symlink_to(real)
    dangling.symlink_to(tmp_path / "new" / "file")
    for path in (link, dangling):
        write_checkpoint(path, {}, {"version": 2})
        assert path.is_symlink() and read_checkpoint(path)[1] == {"version": 2}
    assert read_checkpoint(real)[1] == {"version": 2}
    assert [p.name for p in real.parent.iterdir()] == ["real"]


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/null")])
def test_only_ordinary_files_are_replaced(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path / "it")
    kind = stat.S_IFMT((tmp_path / "it").lstat().st_mode)
    for call in (lambda path: write_checkpoint(path, {}, {}), lambda path: check_destination(path, 1)):
        with pytest.raises(CheckpointError, match="give the path of"):
            call(tmp_path / "it")
    assert stat.S_IFMT((tmp_path / "it").lstat().st_mode) == kind
    assert Path("/dev/null").is_char_device()


def test_permissions_are_those_of_the_old_file_or_the_usual_ones(tmp_path: Path) -> None:
    path, usual = tmp_path / "file", tmp_path / "usual"
    usual.touch()
    saved(path)
    assert path.stat().st_mode == usual.stat().st_mode
    path.chmod(0o604)
    saved(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_writers_do_not_meet(tmp_path: Path) -> None:
    """Eight threads write one file: no temporary name is used twice, and the last one wins as a whole."""
    path = tmp_path / "file"

    def write(number: int) -> None:
        write_checkpoint(path, {"a": torch.full((1000,), number)}, {"number": number})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    tensors, facts = read_checkpoint(path)
    assert (tensors["a"] == facts["number"]).all()
    assert list(tmp_path.iterdir()) == [path]


def test_only_leftovers_of_this_checkpoint_are_cleared(tmp_path: Path) -> None:
    names = [
        "run",
        "run.0123456789abcdef.part",
        "run.4711.part",
        "run.part",
        "other.4711.part",
        "run.notes.part",
    ]
    for name in names:
        (tmp_path / name).touch()
    clear_leftovers(tmp_path / "run")
    assert {p.name for p in tmp_path.iterdir()} == {"run", "run.part", "other.4711.part", "run.notes.part"}


def test_a_destination_is_tried_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "er" / "file"
    check_destination(path, 1000)
    assert path.parent.is_dir() and not list(path.parent.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(
        CheckpointError, match=r"cannot be written \(.*\): give a path in a folder that you may write"
    ):
        check_destination(tmp_path / "file" / "run", 1)
    with pytest.raises(CheckpointError, match=r"cannot be written \(File name too long\)"):
        check_destination(tmp_path / ("n" * 250), 1)
    with pytest.raises(
        CheckpointError, match=r"needs \d+\.0 MB, and its disk has \d+\.\d MB free: make room"
    ):
        check_destination(path, 10**18)
    free = shutil.disk_usage(tmp_path).free

    def no_entry(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", no_entry)
    with pytest.raises(CheckpointError, match=r"cannot be written \(Permission denied\)"):
        check_destination(path, min(1, free))


# ---- weights ------------------------------------------------------------------------------------------


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="was not written by gencourse: give one that was"):
        read_checkpoint(path)
    path.write_text("weights, honestly")
    with pytest.raises(CheckpointError, match="is damaged"):
        read_checkpoint(path)


def test_weights_go_to_a_file_and_back(tmp_path: Path) -> None:
    one = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    other = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    one(torch.randn(5, 3))  # moves the buffers
    save_weights(tmp_path / "w", one, seed=4, command="make weights")
    assert load_weights(tmp_path / "w", other) == {
        "class": "Sequential",
        "seed": 4,
        "command": "make weights",
    }
    assert all(
        torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(
    ("method", "says"),
    [
        (nn.Linear(3, 5), r"has 'weight' of shape \(2, 3\), this method of shape \(5, 3\): build the method"),
        (nn.BatchNorm1d(2), r"has 'weight' of shape \(2, 3\)|has no 'running_mean'"),
        (nn.Sequential(nn.Linear(3, 2)), "has no '0.weight': it was made by another method"),
        (nn.Linear(3, 2, bias=False), "has 'bias', which this method lacks"),
    ],
)
def test_weights_of_another_shape_are_refused(tmp_path: Path, method: nn.Module, says: str) -> None:
    save_weights(tmp_path / "w", nn.Linear(3, 2))
    before = {name: t.clone() for name, t in method.state_dict().items()}
    with pytest.raises(CheckpointError, match=says):
        load_weights(tmp_path / "w", method)
    assert all(torch.equal(t, before[name]) for name, t in method.state_dict().items())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_spoilt_weights_never_replace_good_ones(bad: float, tmp_path: Path) -> None:
    net = nn.Linear(3, 2)
    save_weights(tmp_path / "w", net)
    before = (tmp_path / "w").read_bytes()
    with torch.no_grad():
        net.weight[1, 2] = bad
    with pytest.raises(
        CheckpointError, match="was not written: 1 of the 6 numbers of 'weight' are NaN or infinite"
    ):
        save_weights(tmp_path / "w", net)
    assert (tmp_path / "w").read_bytes() == before


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: t.clone() for name, t in module.state_dict().items()}


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"noise": 0.4}, r"made with noise = 0.0, this method has noise = 0.4: .*load.*ignore=\('noise',\)"),
        (
            {"likelihood": "bernoulli"},
            "made with likelihood = 'gaussian', this method has likelihood = 'bernoulli'",
        ),
        ({"sparsity": 1.0}, "made with sparsity = 0.0"),
        (
            {"network": Plan("dense", (9,))},
            r"made with network = .*\[8\].*, this method has network = .*\[9\]",
        ),
    ],
)
def test_weights_go_only_into_a_method_that_was_built_alike(other: dict, says: str, tmp_path: Path) -> None:
    given = {"network": SMALL, "code_size": 3}
    save_weights(tmp_path / "w", Autoencoder(**given))
    method = Autoencoder(**{**given, **other})
    before = weights(method)
    with pytest.raises(CheckpointError, match=says):
        load_weights(tmp_path / "w", method)
    assert all(torch.equal(t, before[name]) for name, t in weights(method).items())
    if "network" not in other:
        load_weights(tmp_path / "w", method, ignore=tuple(other))


def test_a_list_is_a_tuple_a_whole_number_a_float_and_the_seed_free(tmp_path: Path) -> None:
    one, other = Autoencoder(Plan("dense", [8]), seed=1), Autoencoder(SMALL, noise=0, seed=2)
    save_weights(tmp_path / "w", one)
    load_weights(tmp_path / "w", other)
    assert all(torch.equal(a, b) for a, b in zip(weights(one).values(), weights(other).values(), strict=True))


def test_the_class_counts_unless_ignored(tmp_path: Path) -> None:
    class Mine(Autoencoder):
        pass

    save_weights(tmp_path / "w", Autoencoder(SMALL))
    with pytest.raises(
        CheckpointError, match="made with class = 'Autoencoder', this method has class = 'Mine'"
    ):
        load_weights(tmp_path / "w", Mine(SMALL))
    load_weights(tmp_path / "w", Mine(SMALL), ignore="class")
    with pytest.raises(CheckpointError, match="class = 'Autoencoder'"):
        load_weights(tmp_path / "w", GAN())


def test_an_argument_newer_than_the_file_must_have_its_default(tmp_path: Path) -> None:
    method = Autoencoder(SMALL)
    save_weights(tmp_path / "w", method)
    tensors, facts = read_checkpoint(tmp_path / "w")
    del facts["arguments"]["noise"]
    write_checkpoint(tmp_path / "w", tensors, facts)
    load_weights(tmp_path / "w", method)
    with pytest.raises(CheckpointError, match=r"noise = 0.0, this method has noise = 0.1"):
        load_weights(tmp_path / "w", Autoencoder(SMALL, noise=0.1))
    facts["arguments"]["gone"] = 3
    write_checkpoint(tmp_path / "w", tensors, facts)
    with pytest.raises(CheckpointError, match="gone = 3, this method has gone = 'nothing'"):
        load_weights(tmp_path / "w", method)


class Wrapped(nn.Module):
    """What torch.compile does to names, without compiling."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self._orig_mod = inner


@pytest.mark.parametrize("wrap", [Wrapped, nn.DataParallel, lambda net: nn.DataParallel(Wrapped(net))])
@pytest.mark.parametrize("inside", [False, True])
def test_prefixes_of_wrappers_are_understood_both_ways(
    wrap: Callable[[nn.Module], nn.Module], inside: bool, tmp_path: Path
) -> None:
    def made(wrapped: bool) -> nn.Module:
        method = Autoencoder(SMALL, code_size=3)
        if wrapped and inside:
            method.encoder = wrap(method.encoder)
        return wrap(method) if wrapped and not inside else method

    for from_wrapped in (True, False):
        source, target = made(from_wrapped), made(not from_wrapped)
        with torch.no_grad():
            for weight in source.parameters():
                weight.normal_()
        save_weights(tmp_path / "w", source)
        facts = load_weights(tmp_path / "w", target)
        assert facts["class"] == "Autoencoder" and facts["arguments"]["code_size"] == 3
        for one, other in zip(source.parameters(), target.parameters(), strict=True):
            assert torch.equal(one, other)


def test_a_network_that_calls_a_part_module_keeps_its_names(tmp_path: Path) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module, self.weight = nn.Linear(2, 2), nn.Parameter(torch.zeros(3))

    save_weights(tmp_path / "w", Two())
    load_weights(tmp_path / "w", Two())


def test_floats_may_change_their_size_and_nothing_else_its_type(tmp_path: Path) -> None:
    save_weights(tmp_path / "w", nn.Linear(3, 2).half())
    load_weights(tmp_path / "w", nn.Linear(3, 2))
    norm = nn.BatchNorm1d(2)
    tensors = {**norm.state_dict(), "num_batches_tracked": torch.tensor(3.0)}
    write_checkpoint(tmp_path / "w", tensors, {"class": "BatchNorm1d"})
    with pytest.raises(
        CheckpointError, match=r"'num_batches_tracked' as torch.float32, this method as torch.int64"
    ):
        load_weights(tmp_path / "w", norm)


def test_nothing_is_compared_where_one_side_knows_no_arguments(make_toy: type) -> None:
    plain, method = nn.Linear(2, 2), make_toy()
    facts = identity(method)
    assert "arguments" in facts and "arguments" not in identity(plain)
    assert differences(facts, plain) == []
    assert differences(identity(plain), method) == []


def test_a_size_that_no_file_can_have_is_a_wrong_size_and_not_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"size is {2**63}"):
        check_destination(tmp_path / "run", 2**63)
    with pytest.raises(CheckpointError, match="free"):
        check_destination(tmp_path / "run", 2**63 - 1)
