"""What runs on GitHub's machines is named by its content, not by a tag that somebody can move."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

WORKFLOWS = sorted((Path(__file__).parents[1] / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_hash_and_say_their_version(workflow: Path) -> None:
    text = workflow.read_text(encoding="utf-8")
    used = [line.strip() for line in text.splitlines() if "uses:" in line]
    assert used
    for line in used:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_only_read_unless_a_job_says_otherwise(workflow: Path) -> None:
    made = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    assert made["permissions"] == {"contents": "read"} and made["jobs"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_list_of_packages_is_fetched_before_one_is_installed(workflow: Path) -> None:
    for job in yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values():
        done = ""
        for step in job["steps"]:
            for part in re.split(r"&&|\n", step.get("run", "")):
                if "apt-get install" in part or "apt install" in part:
                    assert "apt-get update" in done, "a list that is weeks old names files that are gone"
                done += part


def test_the_epub_is_checked_before_it_is_handed_out() -> None:
    made = yaml.safe_load(next(path for path in WORKFLOWS if path.stem == "book").read_text(encoding="utf-8"))
    steps = [step.get("run", "") + step.get("uses", "") for step in made["jobs"]["build"]["steps"]]
    order = [
        next(i for i, step in enumerate(steps) if word in step)
        for word in ("make pdf epub", "epubcheck", "upload-artifact")
    ]
    assert order == sorted(order)
