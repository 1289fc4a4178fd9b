"""Setting up: what is asked of PyTorch's host, and what happens when it does not answer."""

from __future__ import annotations

import socket
import threading

from tools import env


def test_only_torch_and_torchvision_come_from_its_host() -> None:
    first, second, _ = env.install_commands("cpu", None)
    assert env.CPU_WHEELS in first and "--no-deps" in first
    asked = [word.split("==")[0] for word in first if "==" in word]
    assert set(asked) == {"torch", "torchvision"}
    assert env.CPU_WHEELS not in second and "requirements.txt" in second
    assert all(env.CPU_WHEELS not in command for command in env.install_commands("", None))


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
