"""Sets for nbgrader and otter. The tools themselves are run by tools/classroom.py."""

from __future__ import annotations

import json
import pathlib

import pytest

from gencourse.exercises import CHAPTERS, chapters, exercise, export_nbgrader, export_otter
from gencourse.exercises.derivations import DERIVATIONS

FILES = pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)


def read(path: pathlib.Path) -> list[dict]:  # type: ignore[type-arg]
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


@FILES
@pytest.mark.parametrize("only", [True, False])
def test_every_exercise_can_be_graded(chapter: pathlib.Path, only: bool, tmp_path: pathlib.Path) -> None:
    import importlib

    made = export_nbgrader(chapter, tmp_path, exercises_only=only)
    assert made == tmp_path / "source" / chapter.stem / chapter.name
    marked = {cell["metadata"]["nbgrader"]["grade_id"]: cell for cell in read(made) if cell["metadata"]}
    declared = importlib.import_module(
        f"gencourse.exercises.{CHAPTERS[str(int(chapter.name[:2]))]}"
    ).EXERCISES
    for one in declared:
        slug = one.number.replace(".", "-")
        statement, answer, check = (marked.pop(f"{kind}-{slug}") for kind in ("exercise", "answer", "check"))
        assert one.title in statement["source"] and statement["metadata"]["nbgrader"]["locked"]
        before, _, rest = answer["source"].partition("    ### BEGIN SOLUTION\n")
        body, _, after = rest.partition("\n    ### END SOLUTION")
        assert (before + body + after).strip() == one.solution.strip()
        assert one.stub.strip().startswith(before.strip())
        facts = check["metadata"]["nbgrader"]
        assert facts["grade"] and facts["locked"] and not facts["solution"] and facts["points"] == one.level
        assert check["source"].endswith(f'gencourse.grade("{one.number}", {one.answer})')
        if one.number in DERIVATIONS:
            by_hand = marked.pop(f"derivation-{slug}")["metadata"]["nbgrader"]
            assert by_hand["grade"] and by_hand["solution"]
            assert by_hand["points"] == DERIVATIONS[one.number].points
            assert marked.pop(f"task-{slug}")["metadata"]["nbgrader"]["locked"]
    assert not marked
    assert "timeout = 600" in (tmp_path / "nbgrader_config.py").read_text()
    with pytest.raises(FileExistsError, match="may hold answers"):
        export_nbgrader(chapter, tmp_path)


@FILES
def test_exercises_only_leaves_training_out(chapter: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for write in (export_nbgrader, export_otter):
        cells = read(write(chapter, tmp_path, exercises_only=True))
        code = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "code")
        assert "training.fit" not in code and "claim(" not in code and "google.colab" in code
        assert len({cell["id"] for cell in cells}) == len(cells)


def test_every_task_to_derive_has_a_model_answer_and_a_rubric() -> None:
    derive = {
        cell["source"].split()[2].rstrip(":")
        for chapter in chapters()
        for cell in ({**one, "source": "".join(one["source"])} for one in read(chapter))
        if cell["source"].startswith("### Exercise") and "*derive" in cell["source"]
    }
    assert derive == set(DERIVATIONS)
    for number, found in DERIVATIONS.items():
        assert exercise(number) and found.points == len(found.steps) >= 2
        assert all(step in found.rubric() for step in found.steps)
