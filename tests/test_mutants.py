"""The tool that breaks the code: it makes the changes that it says, puts files back, and goes on where it was."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILE = Path(__file__).parents[1] / "tools" / "mutants.py"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "mutants", module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def after(tool: ModuleType, source: str) -> set[str]:
    """The source with each of its changes."""
    found = {one.of(source) for one in tool.mutants(source, "a.py")}
    for text in found:
        ast.parse(text)
    return found


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("a + b", {"(a - b)", "(a)"}),
        ("a - b", {"(a + b)", "(a)"}),
        ("a * b", {"(a / b)"}),
        ("a / b", {"(a * b)"}),
        ("a**b", {"(a * b)"}),
        ("a < b", {"(a <= b)", "(a >= b)"}),
        ("a >= b", {"(a > b)", "(a < b)"}),
        ("a == b", {"(a != b)"}),
        ("a is None", {"(a is not None)"}),
        ("a and b", {"(a or b)"}),
        ("-a", {"(a)"}),
        ("not a", {"(a)"}),
        ("3", {"4", "2"}),
        ("0.5", {"1.5", "-0.5"}),
        ("True", {"False"}),
        ("a.sum(1)", {"a.mean(1)", "a.sum(2)", "a.sum(0)"}),
        ("min(a)", {"max(a)"}),
        ("a.detach()", {"(a)"}),
        ("f(a, b)", {"f(b, a)"}),
        ("f(*a, b)", set()),
        ("f(a, a)", set()),
        ("isinstance(a, b)", set()),
        ("x.transpose(a, b)", set()),
        ("f('name', b)", set()),
    ],
)
def test_an_expression_becomes(tool: ModuleType, source: str, changes: set[str]) -> None:
    assert after(tool, source) == changes


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring of 3 words."""',
        "x: Tensor[3]",
        "def f(x: A[1]) -> B[2]: ...",
        "raise ValueError(1 + n)",
        "f'{1 + n} rows'",
        "__all__ = [1]",
        "from a import b",
    ],
)
def test_words_annotations_and_errors_stay(tool: ModuleType, source: str) -> None:
    assert not tool.mutants(source, "a.py")


def test_letters_of_more_than_one_byte_do_not_shift_a_change(tool: ModuleType) -> None:
    assert after(tool, "σ = 'é'; ε = σ * 2\n") == {
        f"σ = 'é'; ε = {new}\n" for new in ("(σ / 2)", "σ * 3", "σ * 1")
    }


def test_a_change_knows_its_function_and_its_line(tool: ModuleType) -> None:
    source = "x = f\ndef g(n=1):\n    def h():\n        return 1\n    return h() and 1\n"
    found = {(one.function, one.name, one.line(source)[0]) for one in tool.mutants(source, "a.py")}
    assert ("g (default)", "a.py::g (default) 1 → 2", 2) in found
    assert ("h", "a.py::h 1 → 2", 4) in found
    assert ("g", "a.py::g 1 → 2", 5) in found
    assert len({name for _, name, _ in found}) == len(found)


def test_a_larger_sample_contains_a_smaller_one_and_is_always_the_same(tool: ModuleType) -> None:
    everything = tool.mutants("\n".join(f"a{n} + b" for n in range(30)), "a.py")
    small, large = tool.sample(everything, 10), tool.sample(everything, 20)
    assert small == tool.sample(everything, 10) and len(small) == 10
    assert set(small) < set(large) < set(everything)


def test_a_change_is_made_in_the_copy_and_taken_back(tool: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("x = 1 + y\n", "utf-8")
    stale = tmp_path / "__pycache__" / "a.cpython-311.pyc"
    stale.parent.mkdir()
    stale.touch()
    one = tool.mutants(file.read_text("utf-8"), "a.py")[0]
    with pytest.raises(RuntimeError), tool.changed(one, tmp_path):
        assert file.read_text("utf-8") == "x = (1 - y)\n"
        assert not stale.exists()
        stale.touch()
        raise RuntimeError
    assert not stale.exists()
    assert file.read_text("utf-8") == "x = 1 + y\n"


def test_the_tests_of_a_change_are_those_that_call_its_function_quick_ones_first(tool: ModuleType) -> None:
    tests = {
        "slow.py::a": {"calls": ["a.py::f"], "seconds": 9.0},
        "quick.py::b": {"calls": ["a.py::f", "a.py::g"], "seconds": 2.0},
        "quick.py::c": {"calls": ["a.py::f"], "seconds": 1.0},
        "quick.py::d": {"calls": ["b.py::f"], "seconds": 0.1},
    }
    inside = tool.Mutant("a.py", "f", 0, 1, "1", "2")
    assert tool.chosen(inside, tests) == ["quick.py::c", "quick.py::b", "slow.py::a"]
    outside = tool.Mutant("a.py", "", 0, 1, "1", "2")
    assert set(tool.chosen(outside, tests)) == {"quick.py::c", "quick.py::b", "slow.py::a"}
    signature = f"{tool.SIGNATURES}::t"
    tests[signature] = {"calls": [], "seconds": 0.1}
    default = tool.Mutant("a.py", f"g{tool.DEFAULT}", 0, 1, "1", "2")
    assert tool.chosen(default, tests) == [signature, "quick.py::b"]
    assert signature in tool.chosen(outside, tests) and signature not in tool.chosen(inside, tests)
    assert tool.try_code(tool.Mutant("c.py", "f", 0, 1, "1", "2"), Path(), tests) == "no test"


def test_the_watch_sees_which_functions_a_test_calls(tool: ModuleType, tmp_path: Path) -> None:
    watch = tool._Watch(tmp_path)
    code = compile("def f(): pass\nf()", str(tmp_path / "gencourse" / "losses" / "a.py"), "exec")

    class Item:
        nodeid = "t.py::t"

    for _ in watch.pytest_runtest_call(Item()):
        exec(code, {})
    assert "gencourse/losses/a.py::f" in watch.result()["t.py::t"]["calls"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that can fork")
def test_work_apart_tells_its_status_and_is_stopped_in_time(tool: ModuleType) -> None:
    assert tool.apart(lambda: 0, 20) == 0
    assert tool.apart(lambda: 5, 20) == 5
    assert tool.apart(lambda: 1 // 0, 20) == 1
    assert tool.apart(lambda: time.sleep(60) or 0, 0.1) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that can fork")
def test_a_check_is_asked_about_a_changed_solution(tool: ModuleType) -> None:
    from gencourse.exercises import exercise

    source = exercise("2.1").solution
    found = {one.name: one for one in tool.mutants(source, "2.1")}
    wrong = found["2.1::losses_on_logits -real → (real)"]
    assert tool.try_solution(wrong, source) == "killed"
    same = tool.Mutant("2.1", "losses_on_logits", 0, 0, "", "\n")
    assert tool.try_solution(same, source) == "survived"


def test_a_second_run_tries_only_what_survived(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "def f(a, b):\n    return a + b * 2\n"
    tried: list[str] = []

    def verdict(one: Any, _: str) -> str:
        if not one.after:  # the solution as it is
            return "survived"
        tried.append(one.name)
        return "survived" if "→ 3" in one.name else "killed"

    monkeypatch.setattr(tool, "BUILD", tmp_path)
    monkeypatch.setattr(tool, "sources", lambda room: {"9.1": source})
    monkeypatch.setattr(tool, "try_solution", verdict)
    monkeypatch.setattr(tool, "try_code", None)
    equal = {
        "9.1::f 2 → 1": {"line": "return a + b * 2", "reason": "for this test"},
        "9.1::f a + b * 2 → (a)": {"line": "of another day", "reason": "no longer true"},
    }
    monkeypatch.setattr(tool, "copied", lambda: pytest.MonkeyPatch.context())
    first = tool.judge("solutions", 100, equal)
    everything = [one.name for one in tool.mutants(source, "9.1")]
    assert tried == [name for name in everything if name != "9.1::f 2 → 1"]
    with (tmp_path / "solutions.jsonl").open("a") as record:
        record.write('{"key": "half a li')

    tried.clear()
    assert tool.judge("solutions", 100, equal) == first
    assert tried == ["9.1::f 2 → 3"]

    table = tool.report({"solutions": first})
    assert table.splitlines()[1].split() == ["solutions", "5", "3", "1", "1", "75.0%"]
    assert table.splitlines()[-2:] == ["survivors: 1", "  9.1::f 2 → 3"]

    tried.clear()
    source = source.replace("a +", "b +")  # another text, so nothing is known of it
    tool.judge("solutions", 100, {})
    assert len(tried) == 5


def test_each_equivalent_change_exists_and_has_its_reason(tool: ModuleType) -> None:
    listed = json.loads(tool.EQUIVALENT.read_text("utf-8"))
    there = {
        one.name: one.line(text)[1]
        for room in tool.ROOMS
        for path, text in tool.sources(room).items()
        for one in tool.mutants(text, path)
    }
    for name, entry in listed.items():
        assert there.get(name) == entry["line"], name
        assert len(entry["reason"]) > 20, name
