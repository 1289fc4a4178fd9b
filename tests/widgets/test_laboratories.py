"""What both laboratories promise: one text, settings that an address keeps, and values that have a control."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
import traitlets

from gencourse.widgets import AutoencoderLab, GanLab
from gencourse.widgets.lab import Laboratory
from tests.widgets.laboratory import needs_node, run

LABS = (AutoencoderLab, GanLab)
TRAITS = ("data", "units", "seed", "drawn", "a", "b")
SETTINGS = """
show({
  home: lab.HOME,
  choices: Object.fromEntries(Object.entries({ ...lab.SHARED, ...lab.OWN }).map(([n, of]) => [n, of.map(([v]) => v)])),
  examples: lab.EXAMPLES.map(([, values]) => values),
  back: given.states.map((state) => lab.read(lab.write(state))),
  start: lab.write(lab.HOME),
  others: ["#eq-2-14", given.other].map(lab.read),
  junk: lab.read(given.junk),
});
"""
NAMES = {AutoencoderLab: "autoencoder-lab", GanLab: "gan-lab"}


@needs_node
@pytest.mark.parametrize("kind", LABS)
def test_address_keeps_every_setting(kind: type[Laboratory], tmp_path: Path) -> None:
    choices, first = kind.a.choices, kind.a.first
    last = {name: values[-1] for name, values in choices.items()}
    drawn = [[-3, 3], [0.1, -2.9], [0, 0]]
    units = kind.units.values[-1]
    states = [{"data": "drawn", "units": units, "seed": 999_999, "drawn": drawn, "a": last, "b": first}]
    setting, value = next((n, v[-1]) for n, v in choices.items() if isinstance(v[-1], str))
    junk = f"#{NAMES[kind]}&data=cats&units=7&seed=-1e9&a={value},,,9&b=<b>&drawn=zz!0"
    other = next(f"#{name}&data=ring" for lab, name in NAMES.items() if lab is not kind)
    found = run(kind, tmp_path, SETTINGS, states=states, junk=junk, other=other)
    assert found["back"] == states
    assert found["start"].startswith(f"#{NAMES[kind]}&")
    assert found["others"] == [None, None], "an address about something else was taken for settings"
    assert found["junk"] == {**found["home"], "a": {**found["home"]["a"], setting: value}}
    lab = kind()
    assert found["home"] == {name: getattr(lab, name) for name in TRAITS}
    assert found["choices"].pop("data") == kind.data.values
    assert found["choices"].pop("units") == kind.units.values
    assert found["choices"] == {name: list(values) for name, values in choices.items()}
    for values in found["examples"]:
        kind(**values)


@pytest.mark.parametrize("kind", LABS)
def test_module_needs_nothing_else(kind: type[Laboratory]) -> None:
    """No other file, no network, no kernel: the book runs the text alone, also from a disk."""
    assert isinstance(kind._esm, str) and isinstance(kind._css, str), "text, not a path"
    code = re.sub(r"^\s*//.*$", "", kind._esm, flags=re.M)
    for word in ("import", "require", "http", "fetch", "eval", "Function", "model.send", "msg:custom"):
        assert not re.search(rf"\b{word}\b", code), f"the module says {word!r}"
    assert "@import" not in kind._css and "url(" not in kind._css
    text = (kind._esm + kind._css).encode()
    print(f"{len(text)} bytes, {len(gzip.compress(text))} gzipped")
    assert len(text) < 40_000


@pytest.mark.parametrize("kind", LABS)
def test_state_refers_to_no_other_model(kind: type[Laboratory]) -> None:
    state = kind().get_state()
    assert "IPY_MODEL_" not in repr(state)
    assert {*TRAITS, "_esm", "_css"} <= set(state)


@pytest.mark.parametrize(
    "wrong",
    [
        {"data": "cats"},
        {"units": 7},
        {"seed": 0},
        {"drawn": [[0, 4]]},
        {"drawn": [[0, float("nan")]]},
        {"a": {"speed": 1}},
        {"b": {"rate": 17}},
        {"b": {"rate": True}},
    ],
)
@pytest.mark.parametrize("kind", LABS)
def test_a_value_without_a_control_is_refused(kind: type[Laboratory], wrong: dict) -> None:
    with pytest.raises(traitlets.TraitError, match=f"'{next(iter(wrong))}'"):
        kind(**wrong)
