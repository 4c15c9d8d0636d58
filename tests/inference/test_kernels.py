"""Machine code of models: the density it computes, and what becomes of it on disk."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import halfnorm, norm

from medresponse.core.errors import FitError, SpecError
from medresponse.inference import kernel_cache
from medresponse.inference.kernel_cache import kernel_of
from medresponse.inference.kernels import Kernel

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(3)
FIRST = {"x": RNG.normal(size=(7, 2)), "y": RNG.normal(size=7), "width": np.asarray(1.0)}
OTHER = {"x": RNG.normal(size=(11, 2)), "y": RNG.normal(size=11), "width": np.asarray(0.5)}


def regression() -> Any:
    """A regression with two columns: data of two, one and no dimensions, a transform, a deterministic quantity."""
    import pymc as pm
    import pytensor.tensor as pt

    with pm.Model() as model:
        x, y, width = (pm.Data(name, value) for name, value in FIRST.items())
        scale = pm.HalfNormal("scale", 2.0)
        b = scale * pm.Normal("raw", 0.0, width, shape=2)
        pm.Deterministic("b", b)
        pm.Potential("likelihood", -((y - pt.dot(x, b)) ** 2).sum())
    return model


def density_by_hand(data: dict[str, np.ndarray], log_scale: float, raw: np.ndarray) -> float:
    """Priors, the Jacobian of the logarithm, and the sum of squares."""
    misfit = ((data["y"] - data["x"] @ (np.exp(log_scale) * raw)) ** 2).sum()
    return log_prior_by_hand(data, np.exp(log_scale), raw) + log_scale - float(misfit)


def log_prior_by_hand(data: dict[str, np.ndarray], scale: float, raw: np.ndarray) -> float:
    return float(halfnorm.logpdf(scale, scale=2.0) + norm.logpdf(raw, scale=data["width"]).sum())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def kernel(folder: Path) -> Kernel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDRESPONSE_CACHE_DIR", str(folder))
        patch.setenv("MEDRESPONSE_KERNELS", "kept")
        return kernel_of(regression, "regression")


@pytest.fixture
def place(kernel: Kernel, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the kernel is kept."""
    monkeypatch.setenv("MEDRESPONSE_CACHE_DIR", str(folder))
    monkeypatch.setenv("MEDRESPONSE_KERNELS", "kept")
    (file,) = folder.glob("kernels/*/kernel.json")
    return file.parent


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default policy, whatever the environment says."""
    monkeypatch.delenv("MEDRESPONSE_KERNELS", raising=False)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """Where models were compiled during the test; nothing is compiled, and what would be kept is an empty file."""
    places: list[Path | None] = []

    def compile_nothing(model: Any, place: Path | None) -> Any:
        places.append(place)
        if place is not None:
            place.mkdir(parents=True)
            (place / "kernel.json").write_text("{}")
        return "kernel"

    monkeypatch.setattr(kernel_cache, "compiled_kernel", compile_nothing)
    return places


def test_the_density_and_its_gradient_are_those_written_out_for_data_of_any_length(kernel: Kernel) -> None:
    rng, step = np.random.default_rng(4), 1e-6
    for data in (FIRST, OTHER):
        point = rng.normal(size=3)
        value, gradient = kernel.log_density(data, point)
        assert value - kernel.log_density(data, np.zeros(3))[0] == pytest.approx(
            density_by_hand(data, point[0], point[1:]) - density_by_hand(data, 0.0, np.zeros(2)), rel=1e-12
        )
        for i in range(3):
            above, below = point.copy(), point.copy()
            above[i], below[i] = point[i] + step, point[i] - step
            slope = density_by_hand(data, above[0], above[1:]) - density_by_hand(data, below[0], below[1:])
            assert gradient[i] == pytest.approx(slope / (2 * step), rel=1e-5, abs=1e-6)


def test_what_is_kept_of_a_draw_is_on_its_own_scale(kernel: Kernel) -> None:
    point = np.array([0.3, -1.0, 2.0])
    found = kernel.quantities(FIRST, point)
    np.testing.assert_allclose(found["scale"], np.exp(0.3), rtol=1e-14)
    np.testing.assert_allclose(found["b"], np.exp(0.3) * point[1:], rtol=1e-14)
    # Constants cancel in weights; PyMC rounds one of them in the ninth digit.
    for data in (FIRST, OTHER):
        change = (
            kernel.quantities(data, point)["log_prior"] - kernel.quantities(data, np.zeros(3))["log_prior"]
        )
        by_hand = log_prior_by_hand(data, np.exp(0.3), point[1:]) - log_prior_by_hand(data, 1.0, np.zeros(2))
        assert change == pytest.approx(by_hand, rel=1e-12)
    assert kernel.facts.start == pytest.approx([np.log(2.0), 0.0, 0.0])  # the half-normal's own scale


def test_a_point_without_a_finite_density_is_refused(kernel: Kernel) -> None:
    assert np.isnan(kernel.log_density(FIRST, np.array([800.0, 1.0, 1.0]))[0])


def test_data_of_other_dimensions_are_refused(kernel: Kernel) -> None:
    with pytest.raises(ValueError, match="x has 1 dimensions; the compiled model needs 2"):
        kernel.pack(FIRST | {"x": np.zeros(3)})


LOAD = """
import sys
import numpy as np
from medresponse.inference.kernel_cache import kernel_of
def never():
    raise AssertionError("compiled")
kernel = kernel_of(never, "regression")
data = {"x": np.arange(6.0).reshape(3, 2), "y": np.arange(3.0), "width": np.asarray(0.5)}
print(kernel.log_density(data, np.array([0.1, 0.2, 0.3]))[0].hex(), "pymc" in sys.modules)
"""


def test_another_process_loads_the_kernel_without_pymc(kernel: Kernel, place: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOAD], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    data = {"x": np.arange(6.0).reshape(3, 2), "y": np.arange(3.0), "width": np.asarray(0.5)}
    here = kernel.log_density(data, np.array([0.1, 0.2, 0.3]))[0]
    value, imported = done.stdout.split()
    assert float.fromhex(value) == pytest.approx(here, rel=1e-14) and imported == "False"


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "kernel.json").write_text('{"n_parameters": 3'),
        lambda folder: (folder / "kernel.json").write_text("{}"),
        lambda folder: next(folder.glob("__pycache__/*.nbc")).write_bytes(b"\x80"),
        lambda folder: next(folder.glob("__pycache__/*.nbi")).unlink(),
        lambda folder: (folder / "kernel.py").unlink(),
    ],
    ids=["half a file", "facts missing", "code damaged", "index missing", "source missing"],
)
def test_a_damaged_kernel_is_compiled_anew(
    damage: Callable[[Path], Any], place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[Path | None]
) -> None:  # fmt: skip
    monkeypatch.setenv("MEDRESPONSE_CACHE_DIR", str(tmp_path))
    copy = tmp_path / "kernels" / place.name
    shutil.copytree(place, copy)
    (tmp_path / "kernels").chmod(0o700)
    kernel_of(lambda: None, "regression")
    assert made == []  # whole, it is loaded
    damage(copy)
    kernel_of(lambda: None, "regression")
    assert len(made) == 1


def test_another_model_other_versions_and_other_sources_are_other_kernels(
    place: Path, tmp_path: Path, made: list[Path | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDRESPONSE_CACHE_DIR", str(tmp_path))
    kernel_of(lambda: None, "another")
    monkeypatch.setattr(kernel_cache, "_circumstances", lambda: ["another numba"])
    kernel_of(lambda: None, "regression")
    names = {path.name for path in made if path is not None} | {place.name}
    assert len(names) == 3


def test_a_folder_that_cannot_be_written_serves_what_it_has(
    place: Path, monkeypatch: pytest.MonkeyPatch, made: list[Path | None], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    found = kernel_of(lambda: None, "regression")
    assert found.log_density(FIRST, np.zeros(3))[0] == pytest.approx(density_by_hand(FIRST, 0.0, np.zeros(2)))
    assert made == []
    with caplog.at_level(logging.WARNING, logger="medresponse.inference"):
        kernel_of(lambda: None, "not there")
    assert made == [None] and "cannot be written" in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_folder_that_others_can_write_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[Path | None], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MEDRESPONSE_CACHE_DIR", str(tmp_path))
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels").chmod(0o777)
    with caplog.at_level(logging.WARNING, logger="medresponse.inference"):
        kernel_of(lambda: None, "regression")
    assert made == [None] and "others can write" in caplog.text


def test_a_folder_that_cannot_be_made_only_costs_the_keeping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[Path | None]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEDRESPONSE_CACHE_DIR", str(tmp_path / "file"))
    kernel_of(lambda: None, "regression")
    assert made == [None]


def test_a_full_disk_only_costs_the_keeping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MEDRESPONSE_CACHE_DIR", str(tmp_path))

    def compile_on_a_full_disk(model: Any, place: Path | None) -> Any:
        if place is not None:
            place.mkdir(parents=True)
            raise OSError(28, "No space left on device")
        return "kernel"

    monkeypatch.setattr(kernel_cache, "compiled_kernel", compile_on_a_full_disk)
    with caplog.at_level(logging.WARNING, logger="medresponse.inference"):
        assert kernel_of(lambda: None, "regression") == "kernel"
    assert "No space left" in caplog.text
    assert [path.suffix for path in (tmp_path / "kernels").iterdir()] == [".lock"]


@pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")
def test_a_cache_that_cannot_be_locked_only_costs_the_keeping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[Path | None], caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(descriptor: int) -> Any:
        raise OSError(37, "No locks available")

    monkeypatch.setenv("MEDRESPONSE_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kernel_cache, "locked", no_locks)
    with caplog.at_level(logging.WARNING, logger="medresponse.inference"):
        kernel_of(lambda: None, "regression")
    assert made == [None] and "No locks available" in caplog.text


def test_what_a_killed_process_left_half_built_goes_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[Path | None]
) -> None:
    monkeypatch.setenv("MEDRESPONSE_CACHE_DIR", str(tmp_path))
    for name, seconds in ((".building-old", 0), (".building-now", None)):
        (tmp_path / "kernels" / name).mkdir(parents=True)
        if seconds is not None:
            os.utime(tmp_path / "kernels" / name, (seconds, seconds))
    (tmp_path / "kernels").chmod(0o700)
    kernel_of(lambda: None, "regression")
    assert [path.name for path in (tmp_path / "kernels").glob(".building-*")] == [".building-now"]


def test_threads_of_numba_are_no_other_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel_cache._circumstances.cache_clear()
    before = kernel_cache._circumstances()
    kernel_cache._circumstances.cache_clear()
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    same = kernel_cache._circumstances()
    kernel_cache._circumstances.cache_clear()
    monkeypatch.setenv("NUMBA_OPT", "1")
    other = kernel_cache._circumstances()
    kernel_cache._circumstances.cache_clear()
    assert before == same != other


def test_the_kernels_unused_for_longest_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[Path | None]
) -> None:
    monkeypatch.setenv("MEDRESPONSE_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kernel_cache, "_KEPT", 2)
    for i in range(3):
        kernel_of(lambda: None, f"model {i}")
        newest = max((tmp_path / "kernels").glob("*/kernel.json"), key=lambda file: file.stat().st_mtime_ns)
        os.utime(newest.parent, (i, i))
    names = {path.name for path in made[1:] if path is not None}
    assert {file.parent.name for file in (tmp_path / "kernels").glob("*/kernel.json")} == names
    assert {file.stem for file in (tmp_path / "kernels").glob("*.lock")} == names


def test_nothing_is_kept_without_an_identity_or_when_told_not_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[Path | None]
) -> None:
    monkeypatch.setenv("MEDRESPONSE_CACHE_DIR", str(tmp_path / "cache"))
    kernel_of(lambda: None, None)
    monkeypatch.setenv("MEDRESPONSE_KERNELS", "off")
    kernel_of(lambda: None, "regression")
    assert made == [None, None] and not (tmp_path / "cache").exists()


def test_a_policy_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDRESPONSE_KERNELS", "warm")
    with pytest.raises(SpecError, match="kept, reproducible, off"):
        kernel_of(regression, "regression")


def test_under_the_reproducible_policy_a_process_of_its_own_compiles_and_this_one_loads(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[Path | None]
) -> None:
    monkeypatch.setenv("MEDRESPONSE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("MEDRESPONSE_KERNELS", "reproducible")

    def other_process(command: list[str], *, input: bytes, env: dict[str, str], **options: Any) -> Any:
        assert command[0] == sys.executable and "numba__cache=False" in env["PYTENSOR_FLAGS"]
        make_model, target = pickle.loads(input)
        assert make_model is regression
        shutil.copytree(place, target)
        return subprocess.CompletedProcess(command, 0, b"", b"")

    monkeypatch.setattr(subprocess, "run", other_process)
    kernel = kernel_of(regression, "regression")
    assert made == [] and kernel.function.cache_hits == 1


@pytest.mark.parametrize("trouble", ["full", "read-only", "not ours"])
def test_the_reproducible_policy_holds_where_the_cache_cannot_be_used(
    trouble: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[Path | None]
) -> None:
    """Another process compiles into a folder for temporary files, and nothing is compiled in this one."""
    monkeypatch.setenv("MEDRESPONSE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("MEDRESPONSE_KERNELS", "reproducible")
    targets: list[Path] = []

    def other_process(command: list[str], *, input: bytes, **options: Any) -> Any:
        _, target = pickle.loads(input)
        targets.append(Path(target))
        if tmp_path in targets[-1].parents:
            return subprocess.CompletedProcess(
                command, 3, b"", b"the compiled model is not kept: No space left"
            )
        shutil.copytree(place, target)
        return subprocess.CompletedProcess(command, 0, b"", b"")

    monkeypatch.setattr(subprocess, "run", other_process)
    if trouble == "read-only":
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    if trouble == "not ours":
        (tmp_path / "kernels").mkdir()
        (tmp_path / "kernels").chmod(0o777)
    found = kernel_of(regression, "regression")
    assert made == [] and found.function.cache_hits == 1
    assert [tmp_path in target.parents for target in targets] == (
        [True, False] if trouble == "full" else [False]
    )
    assert not targets[-1].exists()
    assert found.log_density(FIRST, np.zeros(3))[0] == pytest.approx(density_by_hand(FIRST, 0.0, np.zeros(2)))


def test_without_room_anywhere_the_reproducible_policy_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDRESPONSE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("MEDRESPONSE_KERNELS", "reproducible")
    full = subprocess.CompletedProcess([], 3, b"", b"No space left")
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: full)
    with pytest.raises(FitError, match="TMPDIR"):
        kernel_of(regression, "regression")


@pytest.mark.recovery
def test_two_processes_that_compile_reproducibly_agree_to_the_last_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDRESPONSE_KERNELS", "reproducible")
    values = []
    for i in range(2):
        monkeypatch.setenv("MEDRESPONSE_CACHE_DIR", str(tmp_path / str(i)))
        kernel_of(regression, "regression")
        done = subprocess.run(
            [sys.executable, "-c", LOAD], capture_output=True, text=True, cwd=ROOT, check=True
        )
        values.append(done.stdout)
    assert values[0] == values[1]


def failing(message: str) -> Any:
    raise RuntimeError(message)


def test_a_failure_in_the_other_process_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDRESPONSE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("MEDRESPONSE_KERNELS", "reproducible")
    with pytest.raises(FitError, match="no such graph") as caught:
        kernel_of(partial(failing, "no such graph"), "failing")
    assert caught.value.code == "compile"
