"""The catalogues: complete, used, and with the plurals and numbers of their language."""

from __future__ import annotations

import ast
import re
from decimal import Decimal
from pathlib import Path

import pytest

from medresponse.core.errors import SpecError
from medresponse.core.registry import registered
from medresponse.core.units import check_unit
from medresponse.families import Family
from medresponse.priors import Prior
from medresponse.reports import Report
from medresponse.reports import language as module
from medresponse.reports.html import render
from medresponse.reports.language import Language, language, languages, placeholders
from medresponse.response import Responses
from tests.reports.validated import report

PACKAGE = Path(module.__file__).parents[1]
PARTS: dict[str, type] = {"family": Family, "prior": Prior}  # of the catalogue, by registered name
FORMS = {code: language(code).entries for code in languages()}


def parts_of(code: str, key: str) -> set[str]:
    entry = FORMS[code][key]
    forms = [entry] if isinstance(entry, str) else list(entry.values())
    return set().union(*(placeholders(form) for form in forms)) - (set() if isinstance(entry, str) else {"n"})


def strings_in_code() -> set[str]:
    """Every string constant of the package and of its templates."""
    found: set[str] = set()
    for file in PACKAGE.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        found |= {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    for file in PACKAGE.rglob("*.j2"):
        found |= set(re.findall(r'words\("([^"]+)"', file.read_text(encoding="utf-8")))
    return found


def keys_in_code() -> set[str]:
    """Every key that is written out where a sentence is said."""
    found: set[str] = set()
    for file in PACKAGE.rglob("*.py"):
        found |= set(re.findall(r'\bsay\(\s*"([^"]+)"', file.read_text(encoding="utf-8")))
    for file in PACKAGE.rglob("*.j2"):
        found |= set(re.findall(r'words\("([^"]+)"', file.read_text(encoding="utf-8")))
    return found


def test_english_and_spanish_are_there() -> None:
    assert {"en", "es"} <= set(languages())


@pytest.mark.parametrize("code", languages())
def test_every_language_has_the_keys_and_placeholders_of_english(code: str) -> None:
    assert list(FORMS[code]) == list(FORMS["en"]), "same keys in the same order"
    different = [key for key in FORMS["en"] if parts_of(code, key) != parts_of("en", key)]
    assert not different
    assert all(isinstance(FORMS[code][k], str) == isinstance(FORMS["en"][k], str) for k in FORMS["en"])


@pytest.mark.parametrize("code", languages())
def test_the_percent_sign_stands_as_the_cldr_has_it(code: str) -> None:
    written = language(code).say("number.percent", value="0")
    assert written == language(code).locale.percent_formats[None].apply(0, language(code).locale)
    sign = written.removeprefix("0")
    for key, entry in FORMS[code].items():
        for form in [entry] if isinstance(entry, str) else entry.values():
            assert form.count("%") == form.count(sign), key


def test_no_key_is_missing_and_none_is_unused() -> None:
    assert keys_in_code() <= set(FORMS["en"])
    for key in set(FORMS["en"]) - strings_in_code():
        kind, _, name = key.partition(".")
        assert kind in ("unit", *PARTS), f"{key} is used nowhere"
        if kind == "unit":
            check_unit(name, where=key)
    for kind, protocol in PARTS.items():
        named = {key.removeprefix(f"{kind}.") for key in FORMS["en"] if key.startswith(f"{kind}.")}
        assert named == set(registered(protocol))


def test_plural_forms_follow_the_number() -> None:
    english, spanish = language("en"), language("es")
    assert [english.say("unit.day", n=n) for n in (1, -1, 0, 2, Decimal("1.5"))] == [
        "day", "day", "days", "days", "days",
    ]  # fmt: skip
    assert [spanish.say("unit.month", n=n) for n in (1, 2, 1_000_000)] == ["mes", "meses", "de meses"]


def test_numbers_are_written_by_the_language() -> None:
    assert language("en").number(Decimal("-12345.60")) == "\u221212,345.60"
    assert language("es").number(Decimal("-12345.60")) == "\u221212.345,60"


def test_a_sentence_takes_exactly_its_placeholders() -> None:
    made = Language("en", {"a": "{x} and {y}", "b": {"one": "one {x}", "other": "{n} {x}"}})
    assert made.say("a", x="{y}", y="{{ 1 }}") == "{y} and {{ 1 }}"
    assert (made.say("b", n=1, x="z"), made.say("b", n=1234, x="z")) == ("one z", "1,234 z")
    with pytest.raises(KeyError):
        made.say("c")
    for key, parts in (("a", {"x": "1"}), ("a", {"x": "1", "y": "2", "z": "3"}), ("b", {"x": "1"})):
        with pytest.raises(ValueError, match=r"takes the parts x, y|needs the number n"):
            made.say(key, **parts)


@pytest.mark.parametrize(
    ("code", "entry", "message"),
    [
        ("xq", "a", "no language code"),
        ("en", {"one": "a"}, "plural forms must be one, other"),
        ("es", {"one": "a", "other": "b"}, "plural forms must be many, one, other"),
        ("en", "{x.y}", "plain names"),
        ("en", "{x!r}", "plain names"),
        ("en", "{x:>3}", "plain names"),
        ("en", {"one": "a", "other": "{x}"}, "differ in their placeholders"),
        ("en", 3, "every entry is a text"),
    ],
)
def test_a_catalogue_that_is_not_complete_is_refused(code: str, entry: object, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        made = Language(code, {"key": entry})  # type: ignore[dict-item]
        made.say("key")
        _ = made.locale


def test_an_unknown_language_names_the_ones_there_are(survival: Responses, trial: object) -> None:
    with pytest.raises(SpecError, match=r"no reports in language 'xx'; valid are: .*en, es"):
        report(survival, trial, patient="T-001", worthwhile=0.05, language="xx")  # type: ignore[arg-type]


def test_a_page_says_its_language(survival_report: Report) -> None:
    assert survival_report.document.language == "en"
    assert '<html lang="en">' in render(survival_report.document)
