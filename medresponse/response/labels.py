"""The schema's words in another language: what responses, and so the pages made from them, call things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from medresponse.cohort import Schema
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import SpecError
from medresponse.core.registry import did_you_mean
from medresponse.response.responses import Responses

_TEXTS = ("label", "event_label", "free_label")
_MAPPINGS = ("labels", "cause_labels")


def relabelled(responses: Responses, words: Mapping[str, str]) -> Responses:
    """Return the same responses of things called otherwise.

    Parameters
    ----------
    responses : Responses
    words : mapping
        A label of the schema, the cohort's name or source, or a reason of exclusion -> what it is called now. What is not in
        it keeps its words.

    Returns
    -------
    Responses
        With the same numbers, names and levels, and the same hashes.

    Raises
    ------
    SpecError
        If the mapping holds a word that nothing is called, or no text.
    """
    fit, used = responses.fit, set[str]()
    texts: list[Any] = [*words, *words.values()]  # of a file, as a rule
    if not all(isinstance(text, str) and text for text in texts):
        raise SpecError("labels: every entry is a text and what it is called, as in Age: Edad", code="labels")

    def called(text: str) -> str:
        used.add(text)
        return words.get(text, text)

    schema = from_plain(Schema, _translated(to_plain(fit.schema), called))
    made = fit.provenance
    provenance = replace(
        made, cohort_name=called(made.cohort_name), cohort_source=called(made.cohort_source),
        flow=tuple((called(reason), n) for reason, n in made.flow),
    )  # fmt: skip
    for word in words:
        if word not in used:
            raise SpecError(
                f"labels: nothing is called {word!r}; {did_you_mean(word, sorted(used))}", code="labels"
            )
    return replace(responses, fit=replace(fit, schema=schema, provenance=provenance))


def _translated(plain: Any, called: Any) -> Any:
    """Return a schema's plain data with the texts at labels replaced."""
    if isinstance(plain, list):
        return [_translated(item, called) for item in plain]
    if not isinstance(plain, dict):
        return plain
    found = {}
    for key, value in plain.items():
        if key in _TEXTS and isinstance(value, str):
            found[key] = called(value)
        elif key in _MAPPINGS and isinstance(value, dict):
            found[key] = {level: called(text) for level, text in value.items()}
        else:
            found[key] = _translated(value, called)
    return found
