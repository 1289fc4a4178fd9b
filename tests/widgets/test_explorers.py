"""The bound controls, driven as a reader drives them: sliders, run, pause, stop; and what the sliders change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from gencourse import widgets
from gencourse.data import load
from gencourse.evaluation import frechet_bias
from gencourse.widgets.explorers import Explorer

DIGITS = load("mnist").take(512)
DRAWS = torch.randn(3, 400, 4, generator=torch.Generator().manual_seed(0))
SETS = {"the same law": DRAWS[0], "another law": DRAWS[1] + 1.0}
MAKERS: dict[str, Callable[[], Explorer]] = {
    "codes": lambda: widgets.explore_codes(DIGITS),
    "ring": lambda: widgets.explore_ring_gan(),
    "hybrid": lambda: widgets.explore_hybrid(DIGITS),
    "prior": lambda: widgets.explore_prior(DIGITS),
    "masks": lambda: widgets.explore_masks(DIGITS),
    "time": lambda: widgets.explore_step_time(DIGITS),
    "size": lambda: widgets.explore_sample_size(SETS, DRAWS[2]),
}
OTHER: dict[str, dict[str, Any]] = {
    "codes": {"noise": 0.7, "code size": 2},
    "ring": {"momentum": 0.5, "R1": 1.0, "loss": "hinge"},
    "hybrid": {"λ": 20.0},
    "prior": {"prior": "petals"},
    "masks": {"mask ratio": 0.4},
    "size": {"samples": "another law", "N": 200},
}


@pytest.fixture
def make() -> Iterator[Callable[[str], Explorer]]:
    made: list[Explorer] = []

    def one(name: str) -> Explorer:
        made.append(MAKERS[name]())
        return made[-1]

    yield one
    for explorer in made:
        explorer.close()


def press(explorer: Explorer, name: str) -> None:
    (row,) = (child for child in explorer.children if hasattr(child, "children"))
    (button,) = (child for child in row.children if child.description == name)
    button.click()


def wait(condition: Callable[[], bool]) -> None:
    """Until it holds; a thread that never gets there is stopped by the test run's own limit."""
    tick = threading.Event()
    while not condition():
        tick.wait(0.01)


@pytest.mark.parametrize("name", MAKERS)
def test_run_pause_and_stop(name: str, make: Callable[[str], Explorer]) -> None:
    explorer = make(name)
    start = explorer.picture.value
    assert bytes(start).startswith(b"\x89PNG") and explorer.steps == 0 and not explorer.running
    before = threading.active_count()

    press(explorer, "run")
    press(explorer, "run")  # a second press changes nothing
    assert explorer.running and threading.active_count() == before + 1
    wait(lambda: explorer.steps > 0)
    press(explorer, "pause")
    steps, there = explorer.steps, explorer.picture.value
    assert not explorer.running and threading.active_count() == before
    assert steps > 0 and there != start and explorer.line.value.startswith(f"step {steps}: ")

    press(explorer, "run")
    wait(lambda: explorer.steps > steps)
    press(explorer, "stop")
    assert explorer.steps == 0 and not explorer.running and explorer.picture.value == start


@pytest.mark.parametrize(("name", "control"), [(n, c) for n, changed in OTHER.items() for c in changed])
def test_a_control_changes_what_the_steps_do(
    name: str, control: str, make: Callable[[str], Explorer]
) -> None:
    pictures = []
    for value in (None, OTHER[name][control]):
        explorer = make(name)
        if value is not None:
            explorer.controls[control].value = value
        torch.manual_seed(0)
        explorer.advance(3)
        pictures.append(explorer.picture.value)
    assert pictures[0] != pictures[1]


@pytest.mark.parametrize(("name", "control"), [("codes", "code size"), ("prior", "prior")])
def test_another_network_begins_anew(name: str, control: str, make: Callable[[str], Explorer]) -> None:
    explorer = make(name)
    explorer.advance(2)
    explorer.controls[control].value = OTHER[name][control]
    assert explorer.steps == 0


def test_sliders_reach_the_run_that_is_going(make: Callable[[str], Explorer]) -> None:
    explorer = make("ring")
    explorer.advance(1)
    session: Any = explorer.session
    explorer.controls["momentum"].value, explorer.controls["R1"].value = 0.4, 0.7
    explorer.controls["loss"].value = "wasserstein"
    explorer.advance(1)
    assert explorer.session is session and explorer.steps == 2
    groups = [group for one in session.update.optimizers.values() for group in one.param_groups]
    assert {group["betas"] for group in groups} == {(0.4, 0.99)}
    assert (session.method.r1, session.method.loss) == (0.7, "wasserstein")


def test_a_heavier_judge_costs_squared_error(make: Callable[[str], Explorer]) -> None:
    errors = []
    for weight in (0.0, 40.0):
        explorer = make("hybrid")
        explorer.controls["λ"].value = weight
        explorer.advance(60)
        errors.append(float(explorer.line.value.split("squared error ")[1].split()[0]))
    assert errors[0] < errors[1]


def test_a_larger_ratio_hides_more_of_the_same(make: Callable[[str], Explorer]) -> None:
    session: Any = make("masks").session
    few, many = session._mask(0.3), session._mask(0.8)
    assert (few <= many).all() and few.sum(1).unique().tolist() == [round(0.3 * 49)]


def test_each_step_is_timed_where_the_controls_stand(make: Callable[[str], Explorer]) -> None:
    explorer = make("time")
    seen: list[tuple[int, bool]] = []
    session: Any = explorer.session
    own = session.method.step

    def step(x: torch.Tensor, update: Any) -> Any:
        seen.append((len(x), torch.is_autocast_enabled("cpu")))
        return own(x, update)

    session.method.step = step
    for pictures, precision in ((2, "float32"), (16, "float32"), (16, "bfloat16")):
        explorer.controls["pictures"].value, explorer.controls["precision"].value = pictures, precision
        explorer.advance(2)
    # the first step of a size is not counted
    assert seen == [(2, False)] * 3 + [(16, False)] * 3 + [(16, True)] * 3
    counted = {name: {n: len(t) for n, t in times.items()} for name, times in session.spent.items()}
    assert counted == {"float32": {2: 2, 16: 2}, "bfloat16": {16: 2}}
    assert all(t > 0 for times in session.spent.values() for one in times.values() for t in one)


def test_fixed_part_and_time_for_a_picture_are_read_from_a_line(make: Callable[[str], Explorer]) -> None:
    explorer = make("time")
    session: Any = explorer.session
    assert session.fixed_and_each("float32") is None
    # a slow one and a fast one on either side of the median
    session.spent["float32"] = {n: [0.02 + 0.003 * n, 9.0, 0.001] for n in (4, 32, 128)}
    assert session.fixed_and_each("float32") == pytest.approx((0.02, 0.003))
    explorer.controls["pictures"].value = 4
    assert explorer.line.value.endswith("float32, 4 pictures: 8.00 ms a picture; a = 20.0 ms, b = 3.00 ms")


def test_the_distance_of_equal_laws_falls_to_nothing_and_of_others_does_not(
    make: Callable[[str], Explorer],
) -> None:
    explorer = make("size")
    session: Any = explorer.session
    sizes = explorer.controls["N"].options
    for name in SETS:
        explorer.controls["samples"].value = name
        for n in sizes:
            explorer.controls["N"].value = n
            explorer.advance(8)
    means = {name: {n: sum(d) / len(d) for n, d in found.items()} for name, found in session.found.items()}
    equal = list(means["the same law"].values())
    assert equal == sorted(equal, reverse=True)
    smallest, largest = sizes[0], sizes[-1]
    expected = frechet_bias(4, smallest, smallest)
    assert means["the same law"][smallest] == pytest.approx(expected, rel=0.3)
    end, slope = session.limit("the same law")
    assert abs(end) < 0.1 * means["the same law"][smallest] and slope > 0
    # a unit aside in each of four numbers
    assert session.limit("another law")[0] == pytest.approx(4, rel=0.15)
    assert means["another law"][largest] > 10 * means["the same law"][largest]


@pytest.mark.parametrize(
    ("features", "real", "sentence"),
    [
        ({"few": DRAWS[0, :12]}, DRAWS[2], "give 25 or more"),
        ({"narrow": DRAWS[0, :, :3]}, DRAWS[2], r"features\['narrow'\] has shape \(400, 3\)"),
        ({}, DRAWS[2], "features is empty"),
        ({str(k): DRAWS[0] for k in range(5)}, DRAWS[2], "at most 4"),
    ],
)
def test_sets_that_cannot_be_compared_are_refused(
    features: dict[str, torch.Tensor], real: torch.Tensor, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        widgets.explore_sample_size(features, real)


def test_an_error_in_the_thread_is_told(
    make: Callable[[str], Explorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer = make("codes")

    def fail(settings: dict[str, Any]) -> None:
        raise ArithmeticError("the loss is no longer a number")

    monkeypatch.setattr(explorer.session, "step", fail)
    explorer.run()
    wait(lambda: not explorer.running)
    explorer.pause()
    assert explorer.line.value == "Stopped: the loss is no longer a number"


def test_closing_ends_the_thread(make: Callable[[str], Explorer]) -> None:
    explorer, before = make("masks"), threading.active_count()
    explorer.run()
    explorer.close()
    assert threading.active_count() == before


def test_pictures_that_the_network_cannot_take_are_refused() -> None:
    with pytest.raises(ValueError, match="give pictures of 1×28×28"):
        widgets.explore_masks(load("digits"))


CELLS = """\
import sys, time
sys.path.insert(0, {root!r})
from gencourse import widgets
explorer = widgets.explore_ring_gan()
explorer
---
explorer.controls["R1"].value = 0.5
explorer.children[-3].children[0].click()  # run; this cell ends, the run goes on
---
while explorer.steps < 50:
    time.sleep(0.01)
explorer.pause()
print(explorer.steps)
"""


def test_in_a_kernel_the_page_follows_the_thread() -> None:
    root = str(Path(widgets.__file__).parents[2])
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS.format(root=root).split("---\n")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=300).execute()
    steps = int(notebook.cells[2].outputs[0].text)
    states = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"].values()
    (line,) = [one["state"]["value"] for one in states if one["model_name"] == "LabelModel"]
    assert line.startswith(f"step {steps}: ")
    assert notebook.cells[0].outputs[0].data["application/vnd.jupyter.widget-view+json"]["model_id"]
