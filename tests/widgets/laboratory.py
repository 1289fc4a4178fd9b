"""Runs the text of a laboratory in node, and reads its networks back into PyTorch."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gencourse.widgets.lab import Laboratory

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed: the JavaScript cannot run here")
HEAD = """
import { readFileSync } from "node:fs";
import * as lab from "./lab.mjs";
const given = JSON.parse(readFileSync("given.json"));
const plain = (value) => JSON.parse(JSON.stringify(value, (_, v) => (ArrayBuffer.isView(v) ? Array.from(v) : v)));
const show = (value) => console.log(JSON.stringify(plain(value)));
const many = (draw, n = 7) => Array.from({ length: n }, draw);
const keep = (list, value) => (list.push(value), value);
"""


def run(lab: type[Laboratory], folder: Path, script: str, **given: Any) -> Any:
    """What the script shows; it finds the module as `lab` and the arguments in `given`."""
    (folder / "given.json").write_text(json.dumps(given))
    (folder / "lab.mjs").write_text(lab._esm, encoding="utf-8")
    (folder / "run.mjs").write_text(HEAD + script)
    done = subprocess.run([str(NODE), "run.mjs"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def network(layers: list[dict]) -> nn.Sequential:
    """The same network in PyTorch."""
    found: list[nn.Module] = []
    for layer in layers:
        linear = nn.Linear(layer["columns"], layer["rows"]).double()
        with torch.no_grad():
            linear.weight.copy_(
                torch.tensor(layer["w"], dtype=torch.float64).view(layer["rows"], layer["columns"])
            )
            linear.bias.copy_(torch.tensor(layer["b"], dtype=torch.float64))
        found += [linear, nn.Tanh()]
    return nn.Sequential(*found[:-1])


def flat(layers: list[dict]) -> Tensor:
    """All its numbers in a row."""
    return torch.cat([p.flatten() for p in network(layers).parameters()])


def points(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
