"""Two processes are one: equal weights, one voice, one end."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import Tensor

from gencourse import methods
from gencourse.training import Method, adam, fit, read_checkpoint, whole_batch
from gencourse.training.processes import Processes, _of_this_start

sys.path.insert(0, str(Path(__file__).parent))
import together

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="this torch has no torch.distributed")
ROOT = Path(__file__).parents[2]


def torchrun(
    what: str, folder: Path, *options: str, seconds: float = 100
) -> subprocess.CompletedProcess[str]:
    """together.py in two processes; they are all ended, and the test fails, if they hang."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        *options,
    ]
    command += [str(Path(together.__file__)), what, str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    # by its number: a name of this machine may lead out of it
    environment |= {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
    environment.pop("TQDM_DISABLE", None)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, start_new_session=True, **pipes) as job:
        try:
            out, err = job.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(job.pid, signal.SIGTERM)  # torchrun ends its processes
            job.communicate()
            raise
    return subprocess.CompletedProcess(command, job.returncode, out, err)


@pytest.fixture(scope="module")
def side_by_side(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What two processes left behind, and what they showed."""
    folder = tmp_path_factory.mktemp("two")
    together.trained(together.METHODS["VAE"], epochs=1, checkpoint=folder / "one")
    done = torchrun("compare", folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done.stderr


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def test_every_method_is_compared() -> None:
    seen = {type(make()) for make in together.METHODS.values()} | {methods.AdaptiveAEGAN}
    kinds = [getattr(methods, name) for name in methods.__all__]
    assert {k for k in kinds if isinstance(k, type) and issubclass(k, Method)} <= seen


@pytest.mark.parametrize("name", together.METHODS)
def test_two_processes_with_half_batches_are_one_with_the_whole(
    name: str, side_by_side: tuple[Path, str]
) -> None:
    found = [load_file(side_by_side[0] / f"{name} {rank}") for rank in (0, 1)]
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])
    torch.set_num_threads(1)
    weights, history = together.trained(together.METHODS[name], average=0.5 if name == "VAE" else None)
    ours = part(found[0], "weights/")
    assert ours.keys() == weights.keys()
    for key, whole in weights.items():
        off = (ours[key] - whole).abs()
        if key.endswith("qkv.bias"):
            # softmax does not feel a bias of the keys: its gradient is rounding alone, and Adam makes steps of it
            off = off.view(3, -1)[[0, 2]]
        assert off.max() < 1e-5, key
    for key, mean in part(found[0], "history/").items():
        torch.testing.assert_close(mean.tolist(), history[key], rtol=1e-5, atol=1e-5)
    if history.averaged is not None:
        for key, whole in history.averaged.state_dict().items():
            torch.testing.assert_close(part(found[0], "average/")[key], whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", together.SPECIAL)
def test_they_go_on_from_one_and_validate_as_one(name: str, side_by_side: tuple[Path, str]) -> None:
    options = {} if name == "resumed" else together.SPECIAL[name]
    weights, history = together.trained(together.METHODS["VAE"], **options)
    for rank in (0, 1):
        found = load_file(side_by_side[0] / f"{name} {rank}")
        for key, value in weights.items():
            torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-5)
        for key in history.names:
            torch.testing.assert_close(found[f"history/{key}"].tolist(), history[key], rtol=1e-4, atol=1e-5)
    if name == "validated":
        assert any(key.startswith("validation ") for key in history.names)


def test_with_an_adaptive_weight_both_move_alike(
    side_by_side: tuple[Path, str],
) -> None:
    first, second = (load_file(side_by_side[0] / f"AdaptiveAEGAN {rank}") for rank in (0, 1))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_batch_norm_uses_own_rows_and_running_statistics_are_averaged(side_by_side: tuple[Path, str]) -> None:
    """By hand: each half is normalised by itself, gradients are averaged by rows, statistics once an epoch."""
    found, second = (load_file(side_by_side[0] / f"Normed {rank}") for rank in (0, 1))
    assert all(torch.equal(found[key], second[key]) for key in found)
    halves = [together.Normed() for _ in range(2)]
    optimizers = [adam(half.parameters(), 1e-3, half.betas) for half in halves]
    shuffle = torch.Generator().manual_seed(together.OPTIONS["seed"])
    for _ in range(together.OPTIONS["epochs"]):
        for x, _y in together.pictures().batches(together.OPTIONS["batch_size"], generator=shuffle):
            gradients: list[list[Tensor]] = []
            for half, rows in zip(halves, (x[: len(x) // 2], x[len(x) // 2 :]), strict=True):
                found_here = torch.autograd.grad(half.loss(rows), list(half.parameters()))
                gradients.append([g * len(rows) / len(x) for g in found_here])
            for half, optimizer in zip(halves, optimizers, strict=True):
                for parameter, one, other in zip(half.parameters(), *gradients, strict=True):
                    parameter.grad = one + other
                optimizer.step()
        one, other = halves[0].net[2], halves[1].net[2]
        for name in ("running_mean", "running_var"):
            mean = (getattr(one, name) + getattr(other, name)) / 2
            getattr(one, name).copy_(mean)
            getattr(other, name).copy_(mean)
    for name, tensor in halves[0].state_dict().items():
        torch.testing.assert_close(found[f"weights/{name}"], tensor, rtol=0, atol=1e-5)


def test_one_bad_process_stops_both_and_nobody_moves(side_by_side: tuple[Path, str]) -> None:
    folder = side_by_side[0]
    first, second = (load_file(folder / f"poisoned {rank}") for rank in (0, 1))
    moved = [n for n in first if "running" not in n and n != "net.2.num_batches_tracked"]
    assert all(torch.equal(first[name], second[name]) and first[name].isfinite().all() for name in moved)
    for rank in (0, 1):
        assert "became nan at its step 2. Nothing was moved" in (folder / f"poisoned {rank}.txt").read_text()


def test_a_mini_batch_needs_rows_for_each(side_by_side: tuple[Path, str]) -> None:
    for rank in (0, 1):
        told = (side_by_side[0] / f"small {rank}.txt").read_text()
        assert "batch_size is 3" in told and "at least 4" in told and "2 for each of 2 processes" in told


def test_the_first_alone_shows_progress_and_writes(side_by_side: tuple[Path, str]) -> None:
    folder, shown = side_by_side
    assert shown.count("epoch 1/2:   0%") == 1
    facts = read_checkpoint(folder / "shared")[1]
    assert len(facts["epochs"]) == 2 and facts["ran_on"][0]["processes"] == 2


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_shares_are_all_rows_once(count: int) -> None:
    for total in range(20):
        shares = [list(range(total))[Processes(rank, count).rows(total)] for rank in range(count)]
        assert [row for share in shares for row in share] == list(range(total))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


# how a mini-batch draws: n is the number of its rows
DRAWS = {
    "randn(n, d)": lambda n: torch.randn(n, 3),
    "randn((n, d))": lambda n: torch.randn((n, 3)),
    "rand(size=)": lambda n: torch.rand(size=(n, 2, 3)),
    "randint(high, (n,))": lambda n: torch.randint(9, (n,)),
    "randint(low, high, size)": lambda n: torch.randint(2, 9, (n, 2)),
    "randn_like": lambda n: torch.randn_like(torch.zeros(n, 4)),
    "rand_like": lambda n: torch.rand_like(torch.zeros(n)),
    "bernoulli": lambda n: torch.bernoulli(torch.full((n, 8), 0.5)),
    "dropout": lambda n: torch.nn.functional.dropout(torch.ones(n, 8), 0.25),
}
OTHERS = {
    "a permutation": lambda n: torch.randperm(5),
    "a number for all": lambda n: torch.rand(()),
    "another first axis": lambda n: torch.randn(3, 11),
    "another first axis, size=": lambda n: torch.randn(size=(11, 3)),
    "another first axis, in brackets": lambda n: torch.randint(9, (11, 2)),
    "like another first axis": lambda n: torch.rand_like(torch.zeros(11, 2)),
    "like a number": lambda n: torch.rand_like(torch.zeros(())),
    "dropout of others": lambda n: torch.nn.functional.dropout(torch.ones(11, 4), 0.25),
    "dropout of one row": lambda n: torch.nn.functional.dropout(torch.ones(n), 0.25),
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("count", [2, 3])
def test_each_process_draws_its_rows_of_what_one_would_draw(name: str, count: int) -> None:
    total = 8  # for three: 3, 3 and 2 rows
    torch.manual_seed(1)
    whole, after = DRAWS[name](total), torch.rand(())
    shares = []
    for rank in range(count):
        processes = Processes(rank, count)
        rows = processes.rows(total)
        torch.manual_seed(1)
        with processes.step(total):
            shares.append(DRAWS[name](rows.stop - rows.start))
        assert torch.rand(()) == after  # the generators stay equal
    assert torch.equal(torch.cat(shares), whole)


@pytest.mark.parametrize("name", OTHERS)
def test_a_draw_that_belongs_to_no_row_is_equal_in_all(name: str) -> None:
    torch.manual_seed(1)
    alone = OTHERS[name](4)
    for rank in range(2):
        torch.manual_seed(1)
        with Processes(rank, 2).step(8):
            assert torch.equal(OTHERS[name](4), alone)


def test_a_draw_like_the_rows_follows_their_probabilities_and_kind() -> None:
    with Processes(1, 2).step(8):
        kept = torch.bernoulli(torch.eye(4, dtype=torch.float64))
        assert torch.equal(kept, torch.eye(4, dtype=torch.float64))
        half = torch.nn.functional.dropout(torch.full((4, 200), 3.0, dtype=torch.float64), 0.5)
    assert half.dtype == torch.float64 and set(half.unique().tolist()) == {0.0, 6.0}


def test_alone_everything_stays_as_it_is() -> None:
    processes, rows = Processes(), torch.rand(3, 2)
    before = torch.get_rng_state()
    with processes.step(3):
        assert whole_batch(rows) is rows
    assert torch.equal(before, torch.get_rng_state())
    assert (
        processes.means({"a": 2.0}, {"a": 3}) == {"a": 2.0}
        and processes.average_step([], rows[0, 0]) is not None
    )


def test_a_killed_process_is_started_again_then_stops_the_job_in_a_sentence_and_one_goes_on(
    tmp_path: Path,
) -> None:
    done = torchrun("killed", tmp_path, "--max-restarts", "1", seconds=200)
    assert done.returncode != 0
    assert "Signal 9 (SIGKILL)" in done.stderr  # torchrun names who was killed
    assert "Another process of this run is gone" in done.stderr
    # killed in the third epoch; started again by torchrun, gone on from there, and killed in the fifth
    assert len(read_checkpoint(tmp_path / "run")[1]["epochs"]) == 4
    assert (tmp_path / "epochs.txt").read_text().split() == ["1", "2", "3", "4"]
    resumed, whole = together.Dying(), together.Dying()
    with pytest.warns(UserWarning, match="processes 2, now 1"):
        history = fit(resumed, together.pictures(), checkpoint=tmp_path / "run", resume=True, **together.LONG)
    alone = fit(whole, together.pictures(), **together.LONG)
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[key], value, rtol=1e-4, atol=1e-5)
    for name in alone.names:
        torch.testing.assert_close(history[name], alone[name], rtol=1e-4, atol=1e-5)
    assert any(name.startswith("validation ") for name in alone.names)


def test_only_the_answer_to_this_start_s_own_question_is_taken() -> None:
    """What processes that are gone have left in torchrun's store leads nobody astray."""
    store = dist.HashStore()
    store.set("gencourse asks 1", "an old question")
    store.set("gencourse answers an old question", "an old name")
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda rank: _of_this_start(store, rank, 2), (0, 1))
    first.set("address", "here")
    assert second.get("address") == b"here" and not store.check(["an old name/address"])
    assert not store.check(["address"])


def test_a_loss_of_all_rows_is_not_added_up_from_parts() -> None:
    with (
        Processes(0, 2).step(8),
        pytest.raises(ValueError, match=r"^rows has 2 rows, and this process has 4 .* Give accumulate=1"),
    ):
        whole_batch(torch.rand(2, 3))
