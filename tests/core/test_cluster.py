"""What is said of a Ray cluster that is lost, without one: Ray's process and head are sockets here."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medresponse.core import cluster
from medresponse.core.errors import ClusterError

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "AF_UNIX"), reason="Ray's process has no socket of this kind"
)


class Pretended:
    """Stand-in for the module ``ray``: a process at a socket, a head at a port, and how many results are there at each look."""

    def __init__(self, folder: Path, *results: int) -> None:
        self.name, self.results = str(folder / "raylet"), list(results)
        self.left = False
        self._open = ExitStack()
        self.process = self._open.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        self.process.bind(self.name)
        self.process.listen()
        self.head = self._open.enter_context(socket.create_server(("127.0.0.1", 0)))
        address = f"127.0.0.1:{self.head.getsockname()[1]}"
        node = SimpleNamespace(raylet_socket_name=self.name)
        self._private = SimpleNamespace(worker=SimpleNamespace(global_worker=SimpleNamespace(node=node)))
        self.get_runtime_context = lambda: SimpleNamespace(gcs_address=address)

    def wait(self, running: list[Any], *, num_returns: int, timeout: float, fetch_local: bool) -> Any:
        assert not fetch_local  # to fetch takes Ray's process
        there = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        return running[:there], running[there:]

    def shutdown(self) -> None:
        self.left = True

    def close(self) -> None:
        self._open.close()


@pytest.fixture
def ray(tmp_path: Path) -> Iterator[Pretended]:
    pretended = Pretended(tmp_path, 0, 1, 2)
    yield pretended
    pretended.close()


def test_results_are_waited_for(ray: Pretended) -> None:
    assert cluster.Watch(ray).ready(["a", "b", "c"], number=2) == ["a", "b"]
    assert not ray.results[1:]


def test_a_node_that_dies_is_said_before_a_result_is_fetched_from_it(ray: Pretended) -> None:
    watch = cluster.Watch(ray)
    watch.require_alive()
    ray.process.close()
    with pytest.raises(ClusterError, match=r"raylet.*has died.*kept on disk, and the same command goes on"):
        watch.ready(["a"])
    cluster._leave(ray)
    assert not ray.left  # Ray would end this process over a farewell


def test_a_client_of_a_distant_cluster_has_no_process_of_its_own_to_ask(ray: Pretended) -> None:
    ray._private.worker.global_worker.node = None
    ray.process.close()
    assert cluster.Watch(ray).ready(["a"]) == ["a"]


def test_a_head_at_an_address_of_ipv6_is_reached() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as head:
        address = f"[::1]:{head.getsockname()[1]}"
        cluster._reach(address)
        assert cluster._head_answers(
            SimpleNamespace(get_runtime_context=lambda: SimpleNamespace(gcs_address=address))
        )


def test_a_head_that_is_away_is_given_time_and_then_named(
    ray: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter((100.0, 101.5, 120.0, 131.0, 132.0))
    monkeypatch.setattr(cluster.time, "monotonic", lambda: next(clock))
    watch = cluster.Watch(ray)
    ray.head.close()
    ray.results = [1]
    for _ in range(3):  # of calls that follow each other, too
        assert watch.ready(["a"]) == ["a"]
    with pytest.raises(ClusterError, match=r"head of the Ray cluster does not answer any more.*goes on"):
        watch.ready(["a"])
    cluster._leave(ray)
    assert not ray.left


def test_a_head_that_comes_back_is_gone_on_with(ray: Pretended, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, there = iter((100.0, 110.0, 120.0, 145.0, 170.0)), iter((False, True, False, False))
    monkeypatch.setattr(cluster.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(cluster, "_head_answers", lambda ray: next(there))
    watch = cluster.Watch(ray)
    for _ in range(4):
        watch.require_alive()
    monkeypatch.undo()
    cluster._leave(ray)
    assert ray.left


@pytest.mark.parametrize(
    ("ending", "code", "said"),
    [("pass", 0, False), ("raise KeyError", 1, False), ("sys.exit(3)", 3, False), ("os._exit(1)", 1, True)],
)
def test_a_process_that_native_code_ends_has_the_last_word_said_for_it(
    ending: str, code: int, said: bool
) -> None:
    program = (
        f"import os, sys\nfrom medresponse.core.cluster import _last_word\nwith _last_word():\n    {ending}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code
    assert ("ended while it used a Ray cluster" in done.stderr) is said
