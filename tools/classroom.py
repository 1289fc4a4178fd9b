"""Hand out, mark and give back every exercise with the real nbgrader and the real otter, and compare every grade.

    python tools/classroom.py               all that follows, all chapters
    python tools/classroom.py nbgrader 2    one tool, one chapter
    python tools/classroom.py alone         students' copies run whole, with stubs and with solutions (preset smoke)
    python tools/classroom.py --wrong 2     two wrong answers an exercise: what `make test` has time for

Each tool lives in an environment of its own (build/classroom-TOOL, made once); the notebooks run with this Python.
A class has one student with every solution, one with every stub, and as many as it takes to hand in each known
wrong answer once.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from gencourse.exercises import (
    CHAPTERS,
    Exercise,
    export,
    export_nbgrader,
    export_otter,
    find_chapter,
    solution_in,
)
from gencourse.exercises.derivations import DERIVATIONS

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = (
    "right",
    "stubs",
    "wrong1",
)  # the students whom otter grades: the checks are those that nbgrader ran
MOST_WRONG = 99
PINS = {"nbgrader": "nbgrader==0.9.6", "otter": "otter-grader==7.0.0"}


def environment(tool: str) -> Path:
    """The folder of the commands of the tool's own environment, made if it is not there."""
    folder = ROOT / "build" / f"classroom-{tool}"
    if not (folder / "made").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "-q", PINS[tool]]
        subprocess.run(pip, check=True)
        if (
            tool == "otter"
        ):  # otter is imported by the notebook itself, so its Python must find the course's packages
            site = next(folder.glob("lib/python*/site-packages"))
            (site / "course.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        (folder / "made").touch()
    return folder / "bin"


def kernel(folder: Path, python: str = sys.executable) -> dict[str, str]:
    """Environment variables under which the kernel `python3` is this Python with this checkout's package."""
    spec = folder / "kernels" / "python3"
    spec.mkdir(parents=True)
    variables = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    text = json.dumps({"argv": argv, "display_name": "Python 3", "language": "python", "env": variables})
    (spec / "kernel.json").write_text(text, encoding="utf-8")
    return {**os.environ, "JUPYTER_PATH": str(folder), "HOME": str(folder), "XDG_STATE_HOME": str(folder)}


def exercises(chapter: str) -> tuple[Exercise, ...]:
    """The exercises of a chapter."""
    return importlib.import_module(f"gencourse.exercises.{CHAPTERS[chapter]}").EXERCISES


def class_of(chapter: str) -> dict[str, dict[str, tuple[str | None, bool]]]:
    """Student -> exercise number -> (answer in code, None for the stub; whether it is right)."""
    every = exercises(chapter)
    students: dict[str, dict[str, tuple[str | None, bool]]] = {
        "right": {one.number: (one.solution, True) for one in every},
        "stubs": {one.number: (None, False) for one in every},
    }
    for n in range(min(MOST_WRONG, max(len(one.wrong) for one in every))):
        students[f"wrong{n + 1}"] = {
            one.number: (one.wrong[n].source(one.solution), False) if n < len(one.wrong) else (None, False)
            for one in every
        }
    return students


def answered(notebook: Path, answers: dict[str, tuple[str | None, bool]], written: bool) -> str:
    """The notebook with answers in the cells that hold stubs; `written`: the derivations are filled in, too."""
    made = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in made["cells"]:
        kind, _, number = cell.get("id", "").partition("-")
        number = number.replace("-", ".")
        code = answers.get(number, (None, False))[0]
        if kind == "answer" and code is not None:
            cell["source"] = code.strip()
        if kind == "derivation" and written:
            cell["source"] = DERIVATIONS[number].answer
    return json.dumps(made)


def run(command: list[str], folder: Path, variables: dict[str, str]) -> str:
    """Run a command; its output, or stop with it."""
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"classroom: {' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout + done.stderr


def nbgrader(chapter: str, folder: Path) -> list[str]:
    """Generate, release, autograde, feedback and export of one chapter; sentences about what is not as expected."""
    bin_, variables, course = environment("nbgrader"), kernel(folder / "jupyter"), folder / "course"
    variables["PATH"] = f"{bin_}{os.pathsep}{variables['PATH']}"  # nbgrader calls alembic by its name
    notebook = export_nbgrader(chapter, course, exercises_only=True)
    name = notebook.stem
    exchange = folder / "exchange"
    exchange.mkdir()
    exchange.chmod(0o777)
    tool = [str(bin_ / "nbgrader")]
    place = [f"--Exchange.root={exchange}"]
    run([*tool, "generate_assignment", name, "--create"], course, variables)
    run([*tool, "release_assignment", name, *place], course, variables)
    released = exchange / "gencourse" / "outbound" / name / notebook.name
    text = released.read_text(encoding="utf-8")
    wrong = [f"{name}: the released notebook shows a solution"] if "BEGIN SOLUTION" in text else []
    wrong += [f"{name}: the released notebook shows a rubric"] if "Rubric" in text else []
    students = class_of(chapter)
    for student, answers in students.items():
        handed_in = course / "submitted" / student / name / notebook.name
        handed_in.parent.mkdir(parents=True)
        handed_in.write_text(answered(released, answers, student == "right"), encoding="utf-8")
    run([*tool, "autograde", name], course, variables)
    run([*tool, "generate_feedback", name, "--force"], course, variables)
    for student in students:
        if not (course / "feedback" / student / name / f"{name}.html").exists():
            wrong.append(f"{name}: there is no feedback for {student}")
    query = """
import sys
from nbgrader.api import Gradebook
with Gradebook("sqlite:///gradebook.db") as book:
    for submission in book.assignment_submissions(sys.argv[1]):
        for notebook in submission.notebooks:
            for grade in notebook.grades:
                print(submission.student.id, grade.name, grade.auto_score, grade.max_score,
                      grade.needs_manual_grade, sep=",")
"""
    rows = run([str(bin_ / "python"), "-c", query, name], course, variables)
    grades = {(row[0], row[1]): row[2:] for row in csv.reader(rows.splitlines()) if len(row) == 5}
    compared = 0
    for student, answers in students.items():
        for one in exercises(chapter):
            slug = one.number.replace(".", "-")
            expected = float(one.level) if answers[one.number][1] else 0.0
            found = grades.get((student, f"check-{slug}"))
            if found is None or float(found[0]) != expected or float(found[1]) != one.level:
                wrong.append(
                    f"{one.number}, {student}: {expected} of {one.level} expected, nbgrader has {found}"
                )
            compared += 1
            if one.number in DERIVATIONS:
                found, by_hand = grades.get((student, f"derivation-{slug}")), str(student == "right")
                if found is None or found[2] != by_hand or float(found[1]) != DERIVATIONS[one.number].points:
                    wrong.append(f"{one.number}, {student}: derivation, nbgrader has {found}")
                compared += 1
    print(f"nbgrader, chapter {chapter}: {len(students)} students, {compared} grades compared", flush=True)
    return wrong


def otter(chapter: str, folder: Path) -> list[str]:
    """`otter assign` of one chapter and `otter run` for its students; sentences about what is not as expected."""
    bin_ = environment("otter")
    variables = kernel(folder / "jupyter", str(bin_ / "python"))
    variables["PATH"] = f"{bin_}{os.pathsep}{variables['PATH']}"
    notebook = export_otter(chapter, folder, exercises_only=True)
    run([str(bin_ / "otter"), "assign", "--no-run-tests", notebook.name, "made"], folder, variables)
    released = folder / "made" / "student" / notebook.name
    text = released.read_text(encoding="utf-8")
    wrong = [f"{notebook.stem}: the students' notebook shows a solution"] if "SOLUTION" in text else []
    wrong += [f"{notebook.stem}: the students' notebook shows a rubric"] if "Rubric" in text else []
    archive = next((folder / "made" / "autograder").glob("*.zip"))
    students = {name: answers for name, answers in class_of(chapter).items() if name in SAMPLE}
    compared = 0
    for student, answers in students.items():
        place = folder / student
        place.mkdir()
        (place / notebook.name).write_text(answered(released, answers, False), encoding="utf-8")
        command = [str(bin_ / "otter"), "run", "-a", str(archive), "-o", str(place), notebook.name]
        run(command, place, variables)
        results = json.loads((place / "results.json").read_text(encoding="utf-8"))
        grades: dict[str, float] = {}
        for test in results["tests"]:
            if match := re.match(r"q(\d+)_(\d+)(?: |$)", test["name"]):
                number = f"{match[1]}.{match[2]}"
                grades[number] = grades.get(number, 0.0) + test.get("score", 0.0)
        for one in exercises(chapter):
            expected = float(one.level) if answers[one.number][1] else 0.0
            if grades.get(one.number) != expected:
                wrong.append(
                    f"{one.number}, {student}: {expected} expected, otter has {grades.get(one.number)}"
                )
            compared += 1
    print(f"otter, chapter {chapter}: {len(students)} students, {compared} grades compared", flush=True)
    return wrong


CHECK = re.compile(r'^gencourse\.check\("(\d+\.\d+)"', re.MULTILINE)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def alone(chapter: str, folder: Path) -> list[str]:
    """Run a student's copy of a chapter from the first cell to the last, as handed out and with every solution."""
    variables = {**kernel(folder / "jupyter"), "GENCOURSE_PRESET": "smoke", "TQDM_DISABLE": "1"}
    variables["GENCOURSE_STATE"] = str(folder / "state")
    specs = KernelSpecManager(kernel_dirs=[str(folder / "jupyter" / "kernels")])
    wrong = []
    for student, verdict in (("stubs", "not yet. "), ("right", "correct.")):
        made = nbformat.read(export(chapter, folder / student), as_version=4)
        if student == "right":
            taught = nbformat.read(find_chapter(chapter), as_version=4)
            for cell, original in zip(made.cells, taught.cells, strict=True):
                if found := solution_in(original.source):
                    cell.source = f"{found[1]}\n{cell.source[CHECK.search(cell.source).start() :]}"
        client = NotebookClient(
            made,
            km=AsyncKernelManager(kernel_spec_manager=specs),
            timeout=600,
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": str(folder)}},
        )
        try:
            client.execute(env=variables)
        except CellExecutionError as error:
            wrong.append(f"chapter {chapter}, {student}: {COLOURS.sub('', str(error))[-400:]}")
            continue
        said = {}
        for cell in made.cells:
            if found := CHECK.search(cell.source):
                said[found[1]] = "".join(output.get("text", "?") for output in cell.outputs)
        for one in exercises(chapter):
            sentence = COLOURS.sub("", said.get(one.number, "nothing")).strip()
            if not sentence.startswith(f"Exercise {one.number}: {verdict}") or "\n" in sentence:
                wrong.append(
                    f"{one.number}, {student}: 'Exercise {one.number}: {verdict}' expected, found {sentence!r}"
                )
    print(f"alone, chapter {chapter}: 2 copies, {2 * len(exercises(chapter))} checks compared", flush=True)
    return wrong


def main() -> int:
    """Run the tools that were asked for over the chapters that were asked for, two chapters at a time."""
    parser = argparse.ArgumentParser(description="Mark every exercise with nbgrader and otter.")
    parser.add_argument(
        "what", nargs="*", help="nbgrader, otter, alone, and numbers of chapters; default: all"
    )
    parser.add_argument("--wrong", type=int, default=99, help="at most so many wrong answers an exercise")
    options = parser.parse_args()
    global MOST_WRONG
    MOST_WRONG = options.wrong
    known = {"nbgrader": nbgrader, "otter": otter, "alone": alone}
    tools = [name for name in known if name in options.what] or list(known)
    numbers = [number for number in CHAPTERS if number in options.what] or list(CHAPTERS)
    for tool in PINS:
        if tool in tools:
            environment(tool)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as workers:
        jobs = []
        for tool in tools:
            for number in sorted(numbers, key=lambda number: -len(exercises(number))):
                place = Path(folder) / f"{tool}-{number}"
                place.mkdir()
                jobs.append(workers.submit(known[tool], number, place))
        for job in jobs:
            wrong += job.result()
    print("\n".join(wrong) or "classroom: every grade as expected")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
