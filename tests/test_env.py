"""Setting up: what is asked of PyTorch's host, and what happens when it does not answer."""

from __future__ import annotations

import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tools import env, lock

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("hashed", [False, True])
def test_only_torch_and_torchvision_come_from_its_host(hashed: bool) -> None:
    commands = env.install_commands("cpu", None, hashed)
    (from_host,) = [command for command in commands if env.CPU_WHEELS in command]
    assert "--no-deps" in from_host
    asked = [word.split("==")[0] for word in from_host if "==" in word]
    assert set(asked) == {"torch", "torchvision"}
    assert all(env.CPU_WHEELS not in command for command in env.install_commands("", None, hashed))


@pytest.mark.parametrize("torch", ["", "cpu"])
@pytest.mark.parametrize("uv", [None, "uv"])
def test_every_package_but_torch_is_compared_with_its_hash(torch: str, uv: str | None) -> None:
    checked, of_torch, own = env.install_commands(torch, uv, True)
    assert "--require-hashes" in checked and "requirements-hashes.txt" in checked
    assert [word.split("==")[0] for word in of_torch if "==" in word] == ["torch", "torch", "torchvision"]
    assert own[-2:] == ["-e", "."]
    plain = env.install_commands(torch, uv, False)
    assert not any("--require-hashes" in command for command in plain)
    assert any("requirements.txt" in command for command in plain)


@pytest.mark.parametrize(
    ("listing", "uv", "variables", "expected"),
    [
        ("", None, {}, (None, True)),
        ("", "uv", {}, ("uv", True)),
        ("", "uv", {"UV_INDEX_URL": "x"}, ("uv", False)),
        ("", None, {"UV_INDEX_URL": "x"}, (None, True)),  # pip does not read it
        ("global.proxy='x'", "uv", {}, (None, True)),
        ("global.index-url='x'", "uv", {}, (None, False)),
        (":env:.find-links='x'", None, {}, (None, False)),
    ],
)
def test_own_sources_are_not_compared_and_it_is_said(
    listing: str,
    uv: str | None,
    variables: dict[str, str],
    expected: tuple[str | None, bool],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in env.UV_SOURCES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(env, "working_uv", lambda: uv)
    done = subprocess.CompletedProcess([], 0, stdout=listing)
    monkeypatch.setattr(env.subprocess, "run", lambda *_, **__: done)
    assert env.choose_installer() == expected
    assert ("hashes are not" in capsys.readouterr().out) is not expected[1]


def test_both_lists_have_the_same_versions() -> None:
    plain, hashed = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("requirements.txt", "requirements-hashes.txt")
    )
    versions = [one.split("\n")[0].removesuffix("\\").rstrip() for one in lock.entries(hashed)]
    assert versions == [
        line.rstrip() for line in plain.splitlines() if not line.startswith(("#", *lock.TORCH))
    ]
    assert all("--hash=sha256:" in one for one in lock.entries(hashed))


def test_a_compiled_list_is_cut_into_packages() -> None:
    hashes = " \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    compiled = f"one==1.0{hashes}torch==2.0 ; x < '3'{hashes}triton==3{hashes}two==2 ; y{hashes}"
    assert lock.without_hashes(compiled) == lock.HEADER + "one==1.0\ntorch==2.0 ; x < '3'\ntwo==2 ; y\n"
    assert lock.with_hashes(compiled) == lock.HASHES_HEADER + f"one==1.0{hashes}two==2 ; y{hashes}"


def test_a_host_that_accepts_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not env.answers(f"http://127.0.0.1:{server.getsockname()[1]}", seconds=0.2)
    assert not env.answers("http://127.0.0.1:9", seconds=0.2)


def test_a_host_that_answers_with_an_error_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=refuse)
        thread.start()
        assert env.answers(f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
