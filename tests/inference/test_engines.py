"""`sample_chains` with a sampler whose chains end as the test says."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import FitError, StorageError
from medresponse.inference import Engine, Nuts, engines
from medresponse.inference.engines import sample_chains
from tests.inference.fake_engine import FakeCompiled, Handle, noise, trace_of

ENGINE = Nuts(draws=10, tune=5, chains=2, cores=2)
DATA = ({"y": np.array([0.0])}, {"y": np.array([1.0])}, {"y": np.array([2.0])})
SHAPES = {"a": (), "b": (3,)}
Interrupt = Callable[[int], None]

pytestmark = pytest.mark.usefixtures("no_waiting")


def finishing(n: int, data: Any, engine: Nuts, seed: int) -> Handle:
    """Chains that finish after a few looks, later ones sooner."""
    return Handle(noise(seed, engine.draws, SHAPES), polls=max(5 - n, 0))


def first_ones(count: int) -> Callable[..., Handle]:
    """The first chains finish, the others never."""

    def chain(n: int, data: Any, engine: Nuts, seed: int) -> Handle:
        return Handle(noise(seed, engine.draws, SHAPES), polls=0 if n < count else None)

    return chain


def ending_with(outcome: Any, *, at: int = 1) -> Callable[..., Handle]:
    """Chain number `at` ends as given; the one beside it never does."""

    def chain(n: int, data: Any, engine: Nuts, seed: int) -> Handle:
        return (
            Handle(outcome, polls=0)
            if n == at
            else Handle(noise(seed, engine.draws, SHAPES), polls=None if n < at else 0)
        )

    return chain


def run(chain: Callable[..., Handle], *, engine: Nuts = ENGINE, **options: Any) -> tuple[FakeCompiled, Any]:
    compiled = FakeCompiled(chain)
    return compiled, sample_chains(compiled, DATA, engine=engine, seed=7, **options)  # type: ignore[arg-type]


def test_every_chain_of_every_data_set_is_run_on_its_data_with_its_own_seed() -> None:
    compiled, sampled = run(finishing)
    assert [(run.data_idx, run.chain_idx) for run in sampled.chains] == [
        (m, c) for m in range(3) for c in range(2)
    ]
    assert [int(data["y"][0]) for data, _ in compiled.given] == [0, 0, 1, 1, 2, 2]
    assert len({seed for _, seed in compiled.given}) == 6
    assert not sampled.interrupted and sampled.library == "fake 1.0" and sampled.compile_seconds == 0.25
    for chain in sampled.chains:
        assert chain.posterior["a"].shape == (10,) and chain.posterior["b"].shape == (10, 3)
        assert set(chain.stats) == {"diverging", "energy", "log_prior"}


@pytest.mark.parametrize("cores", [1, 4, 50])
def test_the_number_of_cores_bounds_what_runs_at_once_and_changes_no_draw(cores: int) -> None:
    engine = Nuts(draws=10, tune=5, chains=2, cores=cores)
    compiled, sampled = run(finishing, engine=engine)
    assert compiled.most_at_once == min(cores, 6)
    _, reference = run(finishing)
    for one, other in zip(sampled.chains, reference.chains, strict=True):
        np.testing.assert_array_equal(one.posterior["b"], other.posterior["b"])


def test_another_seed_gives_every_chain_another_stream() -> None:
    one, other = FakeCompiled(finishing), FakeCompiled(finishing)
    sample_chains(one, DATA, engine=ENGINE, seed=7)  # type: ignore[arg-type]
    sample_chains(other, DATA, engine=ENGINE, seed=8)  # type: ignore[arg-type]
    assert not {seed for _, seed in one.given} & {seed for _, seed in other.given}


def test_an_interrupt_keeps_the_finished_chains_and_stops_the_running_ones(no_waiting: Interrupt) -> None:
    no_waiting(5)
    compiled, sampled = run(first_ones(3))
    assert sampled.interrupted
    assert [(run.data_idx, run.chain_idx) for run in sampled.chains] == [(0, 0), (0, 1), (1, 0)]
    assert [handle.cancelled for handle in compiled.handles] == [False] * 3 + [True] * 2


def test_an_interrupt_before_any_chain_has_finished_is_an_error(no_waiting: Interrupt) -> None:
    no_waiting(3)
    with pytest.raises(FitError) as caught:
        run(first_ones(0))
    assert caught.value.code == "interrupted"


@pytest.mark.parametrize(
    ("draws", "value", "said"),
    [(7, 0.0, "fewer draws"), (10, np.nan, "non-finite draws of b"), (10, np.inf, "non-finite")],
)
def test_a_short_or_non_finite_chain_is_an_error_that_stops_the_others(
    draws: int, value: float, said: str
) -> None:
    posterior = {"a": np.zeros(draws), "b": np.zeros((draws, 3))}
    posterior["b"][-1, 1] = value
    broken = trace_of(posterior, {"diverging": np.zeros(draws, bool), "energy": np.zeros(draws)})
    compiled = FakeCompiled(ending_with(broken))
    with pytest.raises(FitError, match=rf"chain 1 of data set 0.*{said}") as caught:
        sample_chains(compiled, DATA, engine=ENGINE, seed=7)  # type: ignore[arg-type]
    assert caught.value.code == "sampler"
    assert compiled.handles[0].cancelled  # else it would go on in the background


def test_a_failure_of_the_sampler_is_an_error_that_stops_the_others() -> None:
    compiled = FakeCompiled(ending_with(RuntimeError("bad initial energy")))
    with pytest.raises(FitError, match="bad initial energy") as caught:
        sample_chains(compiled, DATA, engine=ENGINE, seed=7)  # type: ignore[arg-type]
    assert caught.value.code == "sampler"
    assert compiled.handles[0].cancelled


def test_finished_chains_are_kept_and_not_sampled_again(no_waiting: Interrupt, tmp_path: Path) -> None:
    no_waiting(5)
    _, interrupted = run(first_ones(3), checkpoint=tmp_path / "chains")
    assert len(interrupted.chains) == 3
    no_waiting(-1)
    compiled, whole = run(finishing, checkpoint=tmp_path / "chains")
    assert len(compiled.handles) == 3 and len(whole.chains) == 6 and not whole.interrupted
    again, repeated = run(finishing, checkpoint=tmp_path / "chains")
    assert again.handles == []
    _, reference = run(finishing)
    for one, other, fresh in zip(whole.chains, repeated.chains, reference.chains, strict=True):
        for name in SHAPES:
            np.testing.assert_array_equal(one.posterior[name], fresh.posterior[name])
            np.testing.assert_array_equal(other.posterior[name], fresh.posterior[name])
        for name in ("diverging", "energy"):
            np.testing.assert_array_equal(other.stats[name], fresh.stats[name])
            assert other.stats[name].dtype == fresh.stats[name].dtype


def test_chains_finished_before_an_error_are_kept(tmp_path: Path) -> None:
    def chain(n: int, data: Any, engine: Nuts, seed: int) -> Handle:
        return Handle(RuntimeError("no"), polls=0) if n == 2 else finishing(5, data, engine, seed)

    with pytest.raises(FitError):
        run(chain, checkpoint=tmp_path)
    compiled, _ = run(finishing, checkpoint=tmp_path)
    assert len(compiled.handles) < 6


def test_a_write_that_fails_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "chains"

    def full_disk(stream: Any, **arrays: Any) -> None:
        stream.write(b"PK half a file")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(engines.np, "savez", full_disk)
    with pytest.raises(
        StorageError, match=r"a finished chain could not be written \(No space left on device\): 0 finished"
    ):
        run(finishing, checkpoint=folder)
    assert list(folder.iterdir()) == []


def test_a_damaged_chain_is_sampled_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, whole = run(finishing, checkpoint=tmp_path)
    damaged = sorted(tmp_path.iterdir())[2]
    damaged.write_bytes(damaged.read_bytes()[:100])
    compiled, again = run(finishing, checkpoint=tmp_path)
    assert len(compiled.handles) == 1 and damaged.name in caplog.text
    np.testing.assert_array_equal(again.chains[2].posterior["b"], whole.chains[2].posterior["b"])


def test_chain_files_are_for_the_owner_alone_and_hold_no_pickle(tmp_path: Path) -> None:
    run(finishing, checkpoint=tmp_path)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 6
    for file in files:
        assert file.stat().st_mode & 0o077 == 0
        with np.load(file, allow_pickle=False) as stored:
            assert {"posterior.a", "posterior.b", "stats.energy"} <= set(stored.files)


@pytest.mark.parametrize(
    "settings",
    [
        {"draws": 0},
        {"tune": 0},
        {"chains": 1},
        {"target_accept": 0.5},
        {"target_accept": 1.0},
        {"target_accept": float("nan")},
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Nuts(**settings)


def test_an_engine_survives_plain_data() -> None:
    assert from_plain(Engine, to_plain(ENGINE)) == ENGINE
    assert isinstance(ENGINE, Engine)


def test_a_short_chain_is_looked_at_often_and_a_long_one_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    now, pauses = [100.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    clock: Any = SimpleNamespace(perf_counter=lambda: now[0], sleep=sleep)
    monkeypatch.setattr(engines, "time", clock)
    run(lambda n, data, engine, seed: Handle(noise(seed, engine.draws, SHAPES), polls=400))
    spent = np.cumsum(pauses)
    assert pauses[0] < 0.001 and max(pauses) == pytest.approx(0.05)
    assert np.argmax(spent > 0.1) > 50, "a chain of a tenth of a second is looked at every few milliseconds"


def test_a_long_chain_is_not_silent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A log file says now and then how far chains are, also before the first has finished."""
    now = [100.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(engines, "time", SimpleNamespace(perf_counter=lambda: now[0], sleep=sleep))
    with caplog.at_level(logging.INFO, logger="medresponse.inference"):
        run(lambda n, data, engine, seed: Handle(noise(seed, engine.draws, SHAPES), polls=1000))
    first = caplog.messages[0]
    assert first.startswith("0 of 6 chains finished, 2 running: 40%, 40% of 15 iterations, 20 s")
    assert sum("running" in words for words in caplog.messages) == 3, "38 s a pair of chains, three pairs"
