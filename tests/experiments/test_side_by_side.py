import os

import pytest

from experiments.side_by_side import side_by_side


def worked(task):
    if task == "bad":
        raise ValueError("of a task")
    return task, os.getpid()


def test_results_come_in_the_order_of_tasks_from_other_processes():
    found = side_by_side(worked, ["a", "b", "c"], workers=2)
    assert [task for task, _ in found] == ["a", "b", "c"]
    assert os.getpid() not in {process for _, process in found}
    assert side_by_side(worked, ["a"], workers=1) == [("a", os.getpid())]


def test_an_error_of_a_task_is_raised():
    with pytest.raises(ValueError, match="of a task"):
        side_by_side(worked, ["a", "bad"], workers=2)
