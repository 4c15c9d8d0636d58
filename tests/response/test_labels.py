"""Labels in another language: other words, the same numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medresponse.core.errors import SpecError
from medresponse.response import Responses, relabelled
from tests.response_kinds import responses_of

SPANISH = {
    "Option A": "Opción A", "death without relapse": "muerte sin recaída", "alive without relapse": "vivos sin recaída",
    "made-up trial": "ensayo inventado", "no consent": "sin consentimiento",
}  # fmt: skip


@pytest.fixture
def english() -> Responses:
    made, _ = responses_of("competing_risks", part="death", horizon=12)
    provenance = replace(made.fit.provenance, flow=(("no consent", 12),))
    return replace(made, fit=replace(made.fit, provenance=provenance))


def test_labels_change_and_nothing_else_does(english: Responses) -> None:
    spanish = relabelled(english, SPANISH)
    assert spanish.fit.schema.treatment is not None
    assert [spanish.fit.schema.treatment.label(t) for t in spanish.treatments] == ["Opción A", "Option B"]
    assert spanish.outcome_schema.part_label("death") == "muerte sin recaída"
    assert spanish.fit.provenance.flow == (("sin consentimiento", 12),)
    assert spanish.fit.provenance.cohort_name == "ensayo inventado"
    np.testing.assert_array_equal(spanish.draws(["P01"]).values, english.draws(["P01"]).values)
    for name in ("spec_hash", "cohort_fingerprint"):
        assert getattr(spanish.fit.provenance, name) == getattr(english.fit.provenance, name)
    assert relabelled(english, {}).fit.schema == english.fit.schema


@pytest.mark.parametrize(
    ("words", "message"),
    [({"Option a": "x"}, "did you mean 'Option A'"), ({"Option A": ""}, "every entry is a text")],
)
def test_words_that_nothing_is_called_are_refused(
    english: Responses, words: dict[str, str], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        relabelled(english, words)
