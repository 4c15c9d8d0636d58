import numpy as np
from scipy.special import logsumexp

from experiments.loo import _errors, _figures, _sums


def test_part_sums_give_the_importance_sampling_estimate():
    values = np.random.default_rng(0).normal(size=(3, 20))
    whole = np.log(20) - logsumexp(-values, axis=1)
    np.testing.assert_allclose(np.log(5) - logsumexp(_sums(values, 5), axis=1), whole)


def test_a_difference_is_to_the_first_spec():
    pointwise = np.array([[-1.0, -0.5], [-2.0, -1.0]])
    figures = _figures(pointwise, ("plain", "rich"))
    assert (figures["plain.elpd"], figures["rich.elpd_difference"], figures["rich.weight"]) == (
        -3.0,
        1.5,
        1.0,
    )


def test_monte_carlo_errors_are_those_of_repeated_runs():
    rng, names = np.random.default_rng(5), ("a",)

    def draws():
        return [rng.normal(-1.0, 0.3, size=(30, 400)) for _ in names]

    def elpd(values):
        return (np.log(400) - logsumexp(-values, axis=1)).sum()

    repeated = np.std([elpd(draws()[0]) for _ in range(300)])
    errors = np.mean([_errors(draws(), names, 1)["a.elpd"] for _ in range(30)])
    assert 0.9 < errors / repeated < 1.1
