"""A Ray cluster to send work to: one that runs, or one on this machine for as long as it is needed (extra ``cluster``)."""

from __future__ import annotations

import atexit
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from medresponse.core.errors import ClusterError

LOCAL = "local"
TRIES = 3  # of a task whose worker dies under it
_ANSWER_SECONDS = 10.0
_LOOK_SECONDS = 1.0  # between two looks whether the cluster is there still
_HEAD_SECONDS = 30.0  # a head may be started anew meanwhile; after 60 Ray ends the process
_KEPT = "what is finished is kept on disk, and the same command goes on from there, in a new process"
# Says its argument once the process that holds the other end of its input has ended without a word.
_LAST_WORD = "import sys; sys.stdin.buffer.read(1) or sys.stderr.write(sys.argv[1])"
_SETTINGS = {
    # What a local cluster does without: a start that waits for these fails on a busy machine.
    "RAY_enable_metrics_collection": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_prestart_worker_first_driver": "0",
    # What a killed worker began ends with it; only recent versions of Ray see to that by default.
    "RAY_process_group_cleanup_enabled": "1",
}
_HELPERS = ("metrics_agent", "metrics_export", "dashboard_agent_listen", "runtime_env_agent")


@contextmanager
def connected(address: str = LOCAL, *, workers: int) -> Iterator[Any]:
    """Connect to a Ray cluster and yield the module ``ray``.

    A process that is connected already stays connected, to the same cluster.

    Parameters
    ----------
    address : str
        ``host:port`` of the head, ``auto`` for the cluster that this machine belongs to, or ``local`` for one that is
        started here and ends with the block. Its files are in a folder of their own that only its owner can open.
    workers : int
        Processes of a local cluster; another has its own.

    Raises
    ------
    ClusterError
        If Ray is not installed, the cluster does not answer or start, or it has been lost since.

    Notes
    -----
    Where Ray's own process on this machine has died, Ray ends this one at the next call that needs it, by ``_exit`` of its
    native code, which no handler sees. A `Watch` therefore looks before such calls; a second process says what has happened where
    one is caught unawares all the same.
    """
    try:
        import ray
    except ImportError as error:
        raise ClusterError("Ray is not installed: pip install 'medresponse[cluster]'") from error
    if address != LOCAL:
        _reach(address)
    if ray.is_initialized():
        own = ray.get_runtime_context().gcs_address
        if address not in (LOCAL, "auto", own):
            raise ClusterError(
                f"this process is connected to another Ray cluster ({own}): ray.shutdown() first"
            )
        Watch(ray).require_alive()
        yield ray
        return
    with ExitStack() as held:
        held.enter_context(_last_word())
        local: dict[str, Any] = {}
        if address == LOCAL:
            folder = held.enter_context(_own_folder())
            local = {"num_cpus": workers, "include_dashboard": False, "_temp_dir": str(folder)}
        try:
            with _environment(_SETTINGS), _helpers_not_waited_for(local.get("_temp_dir")):
                ray.init(
                    address,
                    namespace="medresponse",
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    **local,
                )
        except Exception as error:  # Ray raises plain exceptions of many kinds here
            ray.shutdown()
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ClusterError(f"the Ray cluster ({address}) does not answer: {why}") from error
        held.callback(_leave, ray)
        yield ray


class Watch:
    """Looks whether a cluster is there still, before calls over which Ray would end this process if it were not."""

    def __init__(self, ray: Any) -> None:
        self._ray, self._looked = ray, time.monotonic()
        self._away_since: float | None = None

    def ready(self, running: Sequence[Any], *, number: int = 1) -> list[Any]:
        """Wait until so many results of tasks are there, and return references to them.

        Raises
        ------
        ClusterError
            If the cluster is lost meanwhile.
        """
        while True:
            done, _ = self._ray.wait(
                list(running), num_returns=number, timeout=_LOOK_SECONDS, fetch_local=False
            )
            self.require_alive()
            if len(done) >= number:
                return list(done)

    def require_alive(self) -> None:
        """Refuse to go on with a cluster whose process on this machine has died, or whose head has been away for too long.

        Raises
        ------
        ClusterError
            Saying which.
        """
        if not _node_answers(self._ray):
            raise ClusterError(
                f"Ray's own process on this machine (raylet) has died, and what its workers were doing is lost: {_KEPT}"
            )
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            if _head_answers(self._ray):
                self._away_since = None
            elif self._away_since is None:
                self._away_since = now
        if self._away_since is not None and now - self._away_since > _HEAD_SECONDS:
            raise ClusterError(f"the head of the Ray cluster does not answer any more: {_KEPT}")


def _node_answers(ray: Any) -> bool:
    """Say whether Ray's process on this machine listens at its socket, where there is one, of a kind that can be asked."""
    node = ray._private.worker.global_worker.node
    if node is None or not hasattr(socket, "AF_UNIX"):  # a client of a distant cluster has none
        return True
    own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        own.connect(node.raylet_socket_name)
    except (ConnectionError, FileNotFoundError):
        return False
    finally:
        own.close()
    return True


def _head_answers(ray: Any) -> bool:
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()
    except OSError:
        return False
    return True


def _leave(ray: Any) -> None:
    """Disconnect; from a cluster that is lost without a farewell, over which Ray would end this process."""
    if _node_answers(ray) and _head_answers(ray):
        ray.shutdown()
    else:
        atexit.unregister(ray.shutdown)


@contextmanager
def _last_word() -> Iterator[None]:
    """Have another process say what has happened if this one is ended within the block, by Ray or by a signal."""
    words = f"error: this process was ended while it used a Ray cluster, as Ray does where its own process has died: {_KEPT}\n"
    command = [sys.executable, "-I", "-S", "-c", _LAST_WORD, words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as waiting:
        assert waiting.stdin is not None
        try:
            yield
        finally:
            with suppress(OSError):  # it was killed
                waiting.stdin.write(b".")
                waiting.stdin.close()


def _reach(address: str) -> None:
    """Find out, before Ray waits for minutes, whether anything listens at an address."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"the Ray cluster ({address}) does not answer: nothing listens there; start one with `ray start --head`, or "
            f"name {LOCAL} to use this machine"
        ) from error


@contextmanager
def _own_folder() -> Iterator[Path]:
    """Yield a folder for Ray's logs, sockets and what it moves out of memory; by default all users share one."""
    short = "/tmp" if os.path.isdir("/tmp") else None  # the path of a socket may have 107 characters
    with tempfile.TemporaryDirectory(prefix="ray", dir=short, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables that are not set, for what is started in the block."""
    new = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(new)
    try:
        yield
    finally:
        for name in new:
            os.environ.pop(name, None)


@contextmanager
def _helpers_not_waited_for(folder: str | None) -> Iterator[None]:
    """Let a local cluster start without its helpers (dashboard agent, environment agent), which nothing here needs.

    A node waits 15 seconds, a constant in Ray, for each helper to write its port to a file, and gives up; on a machine with
    other work to do, importing Ray takes them longer (ray-project/ray#65983). So the file is there before they are, with
    what a helper that is switched off writes. They come up in their own time.
    """
    if folder is None:
        yield
        return
    started = threading.Event()

    def answer() -> None:
        while not started.wait(0.02):
            for file in Path(folder).glob("session_*/gcs_server_port_*"):
                for helper in _HELPERS:
                    _write_port(file.with_name(file.name.replace("gcs_server", helper, 1)))
                return

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield
    finally:
        started.set()
        thread.join()


def _write_port(file: Path) -> None:
    temporary = file.with_name(f".{file.name}")
    temporary.write_text("-1", encoding="ascii")
    temporary.replace(file)
