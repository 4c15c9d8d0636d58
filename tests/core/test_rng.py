from __future__ import annotations

import numpy as np

from medresponse.core.rng import derive_seed, stream


def test_the_same_seed_and_labels_give_the_same_numbers() -> None:
    np.testing.assert_array_equal(
        stream(7, "patient", "P01").random(5), stream(7, "patient", "P01").random(5)
    )


def test_a_stream_does_not_depend_on_what_else_is_drawn() -> None:
    before = stream(7, "a").random(3)
    stream(7, "b").random(1000)
    np.testing.assert_array_equal(stream(7, "a").random(3), before)


def test_other_seeds_labels_and_orders_of_labels_give_other_streams() -> None:
    seeds = [
        derive_seed(7, "a", "b"),
        derive_seed(8, "a", "b"),
        derive_seed(7, "b", "a"),
        derive_seed(7, "ab"),
    ]
    assert len(set(seeds)) == 4
    assert stream(7, "a").random() != stream(8, "a").random()


def test_seeds_fit_a_signed_64_bit_integer_and_never_change_between_versions() -> None:
    assert all(0 <= derive_seed(seed, "x") < 2**63 for seed in range(200))
    # SHA-256 of "7\x1fP01", first eight bytes as a big-endian integer, halved.
    assert derive_seed(7, "P01") == 411799170307675185
