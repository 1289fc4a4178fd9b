"""Break the code mechanically, one small change at a time, and count the changes that no test notices.

python tools/mutants.py                       a fixed sample of every room, and of the exercises' solutions
python tools/mutants.py --room losses         of one room; may be given more than once
python tools/mutants.py --count 100           a larger sample: it contains the smaller one
python tools/mutants.py --list                name the changes, try none

A change is made in a copy of the package in a temporary folder, never here. Then the tests run that call the
changed function, the quickest first, until one fails. For an exercise's solution its own check is asked. Verdicts
are kept under _build/mutants, so a run that was stopped goes on where it was; what survived is tried again each time.
A change that leaves the meaning as it was is listed in tools/mutants.json: its name, the line that it stands in, and
the reason.

Each change is tried in a process of its own that is forked from this one, so this needs Linux or macOS.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import importlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build" / "mutants"
EQUIVALENT = Path(__file__).with_suffix(".json")

ROOMS = {"losses": 80, "methods": 40, "networks": 40, "training": 40, "evaluation": 40, "solutions": 250}
"""Where changes are made, and how many of them make the default sample."""

MORE = {"networks": ("methods",), "training": ("methods",)}
"""Other rooms whose tests are a room's tests too: networks and steps are tested in the methods that use them."""

LIMIT = 120.0
"""Seconds that the tests of one change may take; a change that makes them endless has been noticed."""

_LIBRARIES = (
    "pytest",
    "hypothesis",
    "torch",
    "torchvision",
    "torchmetrics",
    "matplotlib.pyplot",
    "scipy.stats",
)
_LIBRARIES += ("sklearn.cluster", "sklearn.linear_model", "sklearn.mixture", "sklearn.neural_network")
"""What tests and package import: loaded once, before the forks, not once for each change."""

DEFAULT = " (default)"
SIGNATURES = "tests/test_signatures.py"
"""The tests that know every default value."""


# --- changes -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """One change of one file, or of one solution.

    Attributes:
        path: the file, or the number of the exercise.
        function: name of the innermost function that holds the change, "" outside of all; followed by `DEFAULT`
            if the change is one of a default value.
        start, end: the bytes of the source that are replaced.
        before, after: what stands there, and what is put there.
        nth: which of the changes of this function that read the same, from 1.
    """

    path: str
    function: str
    start: int
    end: int
    before: str
    after: str
    nth: int = 1

    @property
    def name(self) -> str:
        """How lists and verdicts call it; stays the same when lines move."""
        number = f" #{self.nth}" if self.nth > 1 else ""
        before, after = (" ".join(text.split()) for text in (self.before, self.after))
        return f"{self.path}::{self.function} {before} → {after}{number}"

    def line(self, source: str) -> tuple[int, str]:
        """The line of the source in which the change begins: its number, from 1, and its text."""
        number = source.encode()[: self.start].count(b"\n")
        return number + 1, source.splitlines()[number].strip()

    def of(self, source: str) -> str:
        """The source with the change."""
        text = source.encode()
        return (text[: self.start] + self.after.encode() + text[self.end :]).decode()


_OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
_PAIRS = (
    "min max",
    "amin amax",
    "argmin argmax",
    "sum mean",
    "any all",
    "rand randn",
    "rand_like randn_like",
)
_PAIRS += ("ones zeros", "ones_like zeros_like", "floor ceil", "sin cos", "exp log", "train eval")
_NAMES = dict(pair for a, b in map(str.split, _PAIRS) for pair in ((a, b), (b, a)))
_ORDERLESS = {
    "isinstance",
    "min",
    "max",
    "minimum",
    "maximum",
    "equal",
    "isclose",
    "transpose",
}  # or pointless
_REMOVED = {"detach", "square", "sqrt", "abs", "sigmoid"}  # calls without an argument: x.detach() → x


def mutants(source: str, path: str) -> list[Mutant]:
    """All changes of a source text, in the order of the text."""
    tree = ast.parse(source)
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found: list[Mutant] = []
    seen: dict[str, int] = {}
    for node, function, after in _changes(tree, ""):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        before = source.encode()[start:end].decode()
        one = Mutant(path, function, start, end, before, after)
        if before in (after, after[1:-1]):
            continue
        nth = seen[one.name] = seen.get(one.name, 0) + 1
        found.append(Mutant(path, function, start, end, before, after, nth))
    return found


def _changes(node: ast.AST, function: str) -> Iterator[tuple[Any, str, str]]:
    """(what to replace, in which function, by which text). Strings, errors, annotations, `__all__` stay as they are."""
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return
    if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
        return
    if isinstance(node, ast.FunctionDef):
        function = node.name
    if isinstance(node, ast.arguments):
        function += DEFAULT
    if isinstance(node, ast.expr):
        for after in _changed(node):
            yield node, function, after if isinstance(after, str) else f"({ast.unparse(after)})"
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _changes(child, function)


def _changed(node: ast.expr) -> Iterator[ast.expr | str]:
    """What one expression may become."""

    def like(**fields: Any) -> ast.expr:
        other = copy.copy(node)
        for name, value in fields.items():
            setattr(other, name, value)
        return other

    if isinstance(node, ast.BinOp | ast.BoolOp):
        for kind in _OPERATORS.get(type(node.op), ()):
            yield like(op=kind())
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub) and not _text(node.left):
            yield node.left  # the term is dropped
    elif isinstance(node, ast.Compare):
        for kind in _OPERATORS.get(type(node.ops[0]), ()):
            yield like(ops=[kind(), *node.ops[1:]])
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        yield node.operand
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield str(not node.value)
        elif isinstance(node.value, int | float):
            yield repr(node.value + 1)
            yield repr(node.value - 1)
    elif isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Attribute):
            if called.attr in _NAMES:
                other = ast.Attribute(called.value, _NAMES[called.attr], ast.Load())
                yield ast.unparse(like(func=other))
            if called.attr in _REMOVED and not node.args and not node.keywords:
                yield called.value
        elif isinstance(called, ast.Name) and called.id in _NAMES:
            yield ast.unparse(like(func=ast.Name(_NAMES[called.id], ast.Load())))
        plain = not any(isinstance(argument, ast.Starred) for argument in node.args)
        orderless = ast.unparse(called).split(".")[-1] in _ORDERLESS
        if len(node.args) > 1 and plain and not orderless and not _text(node.args[0]):
            yield ast.unparse(like(args=[node.args[1], node.args[0], *node.args[2:]]))


def _text(node: ast.expr) -> bool:
    """Whether an expression is a string: names of arguments and parts of sentences."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def sample(everything: list[Mutant], count: int) -> list[Mutant]:
    """So many of them, always the same: those whose names have the least hashes, in the order of the text."""
    least = sorted(everything, key=lambda one: hashlib.sha256(one.name.encode()).digest())[:count]
    return [one for one in everything if one in set(least)]


def sources(room: str) -> dict[str, str]:
    """Path, or number of an exercise, to the text that is changed."""
    if room == "solutions":
        return {one.number: one.solution for one in _exercises()}
    files = sorted((ROOT / "gencourse" / room).glob("*.py"))
    return {str(file.relative_to(ROOT)): file.read_text("utf-8") for file in files}


def _exercises() -> list[Any]:
    rooms = importlib.import_module("gencourse.exercises")
    modules = (importlib.import_module(f"gencourse.exercises.{name}") for name in rooms.CHAPTERS.values())
    return [one for module in modules for one in module.EXERCISES]


# --- trying one ----------------------------------------------------------------------------------------


def apart(work: Callable[[], int], seconds: float) -> int | None:
    """Run something in a forked process of its own; its exit status, None when it took longer than that.

    A process that is killed by a signal counts as status 1.
    """
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setpgid(0, 0)
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            status = work()
        finally:
            os._exit(status)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, how = os.waitpid(child, os.WNOHANG)
        if done:
            return os.WEXITSTATUS(how) if os.WIFEXITED(how) else 1
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of the package and of its tests in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        here = Path(folder).resolve()
        for name in ("gencourse", "tests"):
            shutil.copytree(ROOT / name, here / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", here)
        for name in ("chapters", "book", "tools"):  # some tests read them
            (here / name).symlink_to(ROOT / name)
        yield here


@contextmanager
def changed(one: Mutant, folder: Path) -> Iterator[None]:
    """The change made in the copy, and taken back."""
    file = folder / one.path
    source = file.read_text("utf-8")

    def put(text: str) -> None:
        file.write_text(text, "utf-8")
        # bytecode is told from older one by seconds and size, and a change may alter neither
        for stale in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
            stale.unlink()

    put(one.of(source))
    try:
        yield
    finally:
        put(source)


class _Watch:
    """A pytest plugin: which functions of the package each test calls, and how many seconds it takes."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder / "gencourse") + os.sep
        self.tests: dict[str, dict[str, Any]] = {}
        self.shared: set[str] = set()  # called while something was set up that other tests may use too
        self.calls: set[str] = set()

    def __call__(self, frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(self.folder):
            path = "gencourse/" + frame.f_code.co_filename[len(self.folder) :]
            self.calls.add(f"{path}::{frame.f_code.co_name}")

    def during(self, item: Any) -> Any:
        self.calls, start = set(), time.monotonic()
        sys.setprofile(self)
        yield
        sys.setprofile(None)
        entry = self.tests.setdefault(item.nodeid, {"calls": [], "seconds": 0.0})
        entry["seconds"] += time.monotonic() - start

    def pytest_runtest_setup(self, item: Any) -> Any:
        yield from self.during(item)
        self.shared |= self.calls

    def pytest_runtest_call(self, item: Any) -> Any:
        yield from self.during(item)
        self.tests[item.nodeid]["calls"] = sorted(self.calls)

    def result(self) -> dict[str, dict[str, Any]]:
        for entry in self.tests.values():
            entry["calls"] = sorted(self.shared.union(entry["calls"]))
        return self.tests


class _Only:
    """A pytest plugin: run these tests alone, in this order."""

    def __init__(self, names: list[str]) -> None:
        self.place = {name: n for n, name in enumerate(names)}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = sorted((i for i in items if i.nodeid in self.place), key=lambda i: self.place[i.nodeid])


def run_tests(folder: Path, files: list[str], plugin: object) -> int:
    """pytest in the copy, file by file up to the first failure; its exit status. Only in a process of its own."""
    import pytest
    import torch

    torch.set_num_threads(1)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # notebooks and browsers are not wanted here
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        for file in files:  # one by one: mostly the first fails, and the others need not even be read
            status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", file], plugins=[plugin])
            if status:
                break
        import gencourse

        if not Path(gencourse.__file__).is_relative_to(folder):
            return 99  # the tests took another package: their verdict means nothing
        return int(status)


def survey(folder: Path, room: str) -> dict[str, dict[str, Any]]:
    """What `_Watch` learns of the tests of a room, of those in `MORE`, and of the derivations.

    They must pass before anything is changed.

    Kept under _build, per file of tests, until that file changes.
    """
    import pytest

    kept = BUILD / "tests.json"
    known = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    tests: dict[str, dict[str, Any]] = {}
    folders = [ROOT / "tests" / name for name in (room, *MORE.get(room, ()), "derivations")]
    for file in [ROOT / SIGNATURES, *(file for one in folders for file in sorted(one.glob("test_*.py")))]:
        name = str(file.relative_to(ROOT))
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if known.get(name, {}).get("digest") != digest:
            print(f"  looking at {name} …", flush=True)
            out = folder / "watched.json"

            def work(name: str = name, out: Path = out) -> int:
                watch = _Watch(folder)
                for hook in (_Watch.pytest_runtest_setup, _Watch.pytest_runtest_call):
                    pytest.hookimpl(hookwrapper=True)(hook)
                status = run_tests(folder, [name], watch)
                out.write_text(json.dumps(watch.result()), "utf-8")
                return status

            status = apart(work, 20 * LIMIT)
            if status:
                sys.exit(
                    f"mutants: {name} fails before anything is changed (status {status}); mend that first."
                )
            known = json.loads(kept.read_text("utf-8")) if kept.exists() else {}  # another run may have added
            known[name] = {"digest": digest, "tests": json.loads(out.read_text("utf-8"))}
            kept.write_text(json.dumps(known), "utf-8")
        tests.update(known[name]["tests"])
    return tests


def chosen(one: Mutant, tests: dict[str, dict[str, Any]]) -> list[str]:
    """The tests that call the changed function, or any of its file for a change outside of all; quickest first.

    Tests of one file stay together, so that what they share is set up once.
    """
    function = one.function.removesuffix(DEFAULT)

    def calls(name: str) -> bool:
        if name.startswith(SIGNATURES):
            return function != one.function or not function
        called = tests[name]["calls"]
        if function:
            return f"{one.path}::{function}" in called
        return any(call.startswith(f"{one.path}::") for call in called)

    calling = [name for name in tests if calls(name)]
    seconds: dict[str, float] = {}
    for name in calling:
        file = name.split("::")[0]
        seconds[file] = seconds.get(file, 0.0) + tests[name]["seconds"]
    return sorted(
        calling, key=lambda name: (seconds[name.split("::")[0]], name.split("::")[0], tests[name]["seconds"])
    )


def try_code(one: Mutant, folder: Path, tests: dict[str, dict[str, Any]]) -> str:
    """The verdict of the tests on a change of the package: "killed", "survived" or "no test"."""
    names = chosen(one, tests)
    if not names:
        return "no test"
    files = list(dict.fromkeys(name.split("::")[0] for name in names))
    with changed(one, folder):
        status = apart(lambda: run_tests(folder, files, _Only(names)), LIMIT)
    if status in (5, 99):
        sys.exit(f"mutants: no verdict on {one.name} (status {status}).")
    return "survived" if status == 0 else "killed"


def try_solution(one: Mutant, source: str) -> str:
    """The verdict of an exercise's own check on its changed solution."""

    def work() -> int:
        import math

        import torch
        from torch import nn

        from gencourse import evaluation, exercises, losses

        torch.set_num_threads(1)
        names: dict[str, Any] = {"torch": torch, "nn": nn, "math": math}
        names |= {"evaluation": evaluation, "losses": losses}
        exec(one.of(source), names)
        right, _ = exercises.verdict(one.path, names[exercises.exercise(one.path).answer])
        return 0 if right else 1

    return "survived" if apart(work, LIMIT) == 0 else "killed"


# --- all of them ---------------------------------------------------------------------------------------


def remembered(file: Path) -> dict[str, str]:
    """Key to verdict, from the lines of a file; a line that a stopped run left half written is skipped."""
    verdicts = {}
    for line in file.read_text("utf-8").splitlines() if file.exists() else []:
        with suppress(json.JSONDecodeError):
            entry = json.loads(line)
            verdicts[entry["key"]] = entry["verdict"]
    return verdicts


def judge(room: str, count: int, equal: dict[str, dict[str, str]]) -> dict[str, str]:
    """The verdict on each change of a room's sample, by name: killed, survived, no test, or equivalent."""
    texts = sources(room)
    everything = [one for path, text in texts.items() for one in mutants(text, path)]
    file = BUILD / f"{room}.jsonl"
    old = remembered(file)
    verdicts: dict[str, str] = {}
    keys = {path: hashlib.sha256(text.encode()).hexdigest()[:12] for path, text in texts.items()}
    todo = []
    for one in sample(everything, count):
        if one.name in equal and equal[one.name]["line"] == one.line(texts[one.path])[1]:
            verdicts[one.name] = "equivalent"
        elif old.get(f"{keys[one.path]} {one.name}") == "killed":
            verdicts[one.name] = "killed"
        else:
            todo.append(one)
    print(
        f"{room}: {len(everything)} changes, a sample of {len(verdicts) + len(todo)}, {len(todo)} to try",
        flush=True,
    )
    if not todo:
        return verdicts
    BUILD.mkdir(parents=True, exist_ok=True)
    with copied() as folder, file.open("a", encoding="utf-8") as record:
        tests = {} if room == "solutions" else survey(folder, room)
        for path in dict.fromkeys(one.path for one in todo) if room == "solutions" else ():
            if try_solution(Mutant(path, "", 0, 0, "", ""), texts[path]) != "survived":
                sys.exit(f"mutants: the solution of exercise {path} is refused before anything is changed.")
        for one in todo:
            start = time.monotonic()
            if room == "solutions":
                verdict = try_solution(one, texts[one.path])
            else:
                verdict = try_code(one, folder, tests)
            verdicts[one.name] = verdict
            seconds = round(time.monotonic() - start, 1)
            entry = {"key": f"{keys[one.path]} {one.name}", "verdict": verdict, "seconds": seconds}
            print(json.dumps(entry, ensure_ascii=False), file=record, flush=True)
            if verdict != "killed":
                number, line = one.line(texts[one.path])
                print(f"  {verdict}: {one.name}\n    line {number}: {line}", flush=True)
    return verdicts


def report(results: dict[str, dict[str, str]]) -> str:
    """The table, and what survived."""
    lines = [f"{'room':<11}{'mutants':>8}{'killed':>8}{'equivalent':>12}{'survived':>10}{'rate':>9}"]
    for room, verdicts in results.items():
        n, all_ = list(verdicts.values()).count, len(verdicts)
        others = all_ - n("equivalent")
        rate = n("killed") / others if others else 1.0
        survived = others - n("killed")
        lines.append(f"{room:<11}{all_:>8}{n('killed'):>8}{n('equivalent'):>12}{survived:>10}{rate:>9.1%}")
    left = [
        name for v in results.values() for name, verdict in v.items() if verdict in ("survived", "no test")
    ]
    return "\n".join([*lines, "", f"survivors: {len(left)}", *(f"  {name}" for name in left)])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--room", action="append", choices=list(ROOMS), help="this room only")
    parser.add_argument("--count", type=int, help="changes in each room's sample")
    parser.add_argument("--list", action="store_true", help="name the changes of the sample, try none")
    asked = parser.parse_args()
    if not hasattr(os, "fork"):
        sys.exit("mutants: this system cannot fork a process; use Linux or macOS.")
    rooms = asked.room or list(ROOMS)
    if "solutions" in rooms:
        rooms = [room for room in rooms if room != "solutions"] + ["solutions"]
    if asked.list:
        for room in rooms:
            everything = [one for path, text in sources(room).items() for one in mutants(text, path)]
            for one in sample(everything, asked.count or ROOMS[room]):
                print(one.name)
        return
    equal = json.loads(EQUIVALENT.read_text("utf-8")) if EQUIVALENT.exists() else {}
    for library in _LIBRARIES:
        importlib.import_module(library)
    start = time.monotonic()
    results = {room: judge(room, asked.count or ROOMS[room], equal) for room in rooms}
    print(f"\n{report(results)}\n{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
