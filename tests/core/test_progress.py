"""Progress on a terminal and in a log file."""

from __future__ import annotations

import io

from medresponse.core.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(stream: io.StringIO, *, seconds: float, total: int = 100, failed: int = -1) -> str:
    """Output of a job that takes so long, step by step."""
    now = 0.0
    made = Progress(total=total, what="reports", stream=stream, clock=lambda: now)
    for i in range(total):
        now += seconds / total
        made.step(failed=i == failed)
    made.close()
    return stream.getvalue()


def test_a_log_gets_whole_lines_now_and_then() -> None:
    lines = run(io.StringIO(), seconds=100).splitlines()
    assert lines == [
        "20 of 100 reports, about 80 s left", "40 of 100 reports, about 60 s left", "60 of 100 reports, about 40 s left",
        "80 of 100 reports, about 20 s left", "100 of 100 reports in 100 s",
    ]  # fmt: skip


def test_a_short_job_is_one_line_in_a_log() -> None:
    assert run(io.StringIO(), seconds=5, failed=3) == "100 of 100 reports, 1 failed in 5 s\n"


def test_a_terminal_gets_one_line_that_moves() -> None:
    text = run(Terminal(), seconds=600)
    shown = text.rstrip("\n").split("\r")[1:]
    assert text.count("\n") == 1 and len(shown) == 100 and {len(line) for line in shown} == {78}
    assert "about 8 min left" in text and shown[-1].strip() == "100 of 100 reports in 10 min"


def test_a_job_that_is_stopped_says_how_far_it_came() -> None:
    stream = io.StringIO()
    made = Progress(total=10, what="reports", stream=stream, clock=lambda: 0.0)
    made.close()
    assert stream.getvalue() == ""
    made.step()
    made.close()
    assert stream.getvalue() == "1 of 10 reports\n"
