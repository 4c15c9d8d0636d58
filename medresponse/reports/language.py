"""The languages of a page: its sentences by key, its plurals and numbers by the rules of the Unicode CLDR (Babel).

One YAML file a language in ``catalogue/``, named by its code (``es.yaml``): adding the file adds the language.
"""

from __future__ import annotations

import functools
import string
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.numbers import NumberPattern, parse_pattern

from medresponse.core.errors import SpecError
from medresponse.core.registry import did_you_mean
from medresponse.core.strict_yaml import read_yaml

MINUS = "\N{MINUS SIGN}"
ISOLATE, POP = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
_EVERY_DIGIT = Context(prec=1000)
CATALOGUE = Path(__file__).parent / "catalogue"

Entry = str | Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Language:
    """The words of one language and the way it writes numbers.

    Parameters
    ----------
    code : str
        BCP 47 language code, as in ``<html lang>``.
    entries : mapping
        Key -> a sentence with named placeholders, or one sentence for each plural category of the language
        (``one``, ``other``, ...).

    Raises
    ------
    SpecError
        If the CLDR does not know the language, or an entry is no sentence, misses a plural category, or has
        placeholders that are no plain names or that differ between its plural forms.
    """

    code: str
    entries: Mapping[str, Entry] = field(repr=False)

    def __post_init__(self) -> None:
        for key, entry in self.entries.items():
            self._check(key, entry)

    @functools.cached_property
    def locale(self) -> Locale:
        """What the CLDR knows of the language."""
        try:
            return Locale.parse(self.code, sep="-")
        except (ValueError, UnknownLocaleError) as error:
            raise SpecError(f"{self.code!r} is no language code of the CLDR", code="language") from error

    @property
    def plural_categories(self) -> frozenset[str]:
        """Plural categories that the language tells apart; ``other`` is always one."""
        return frozenset(self.locale.plural_form.tags) | {"other"}

    def say(self, key: str, /, **parts: str | int | Decimal) -> str:
        """Return the sentence of `key` with its placeholders filled.

        Parameters
        ----------
        key : str
        **parts
            A text or a number for each placeholder; numbers are written as the language writes them, and texts that run
            from right to left are `isolated`. An entry with plural forms needs `n`, which chooses the form and may be printed or not.

        Raises
        ------
        KeyError
            If the catalogue has no such key.
        ValueError
            If a placeholder is missing or a part is used by no placeholder.
        """
        entry, given = self.entries[key], set(parts)
        if not isinstance(entry, str):
            n = parts.get("n", "")
            if isinstance(n, str):
                raise ValueError(f"{key} has plural forms and needs the number n")
            entry = entry[self.locale.plural_form(n)]
            given -= {"n"} - placeholders(entry)
        if given != placeholders(entry):
            wanted = ", ".join(sorted(placeholders(entry))) or "none"
            raise ValueError(f"{key} takes the parts {wanted}; given: {', '.join(sorted(given)) or 'none'}")
        texts = {name: isolated(p) if isinstance(p, str) else self.number(p) for name, p in parts.items()}
        return entry.format_map(texts)

    def number(self, value: int | Decimal) -> str:
        """Return a number with the language's separators, a true minus sign, and all decimals of a `Decimal`."""
        exact = Decimal(value)
        text = _written(self.locale, str(exact.copy_abs()))
        return f"{MINUS}{text}" if exact < 0 else text

    def _check(self, key: str, entry: object) -> None:
        where = f"catalogue/{self.code}.yaml, {key}"
        forms = entry if isinstance(entry, Mapping) else {"other": entry}
        if isinstance(entry, Mapping) and set(entry) != self.plural_categories:
            wanted = ", ".join(sorted(self.plural_categories))
            raise SpecError(f"{where}: plural forms must be {wanted}", code="language")
        if not all(isinstance(form, str) and form for form in forms.values()):
            raise SpecError(f"{where}: every entry is a text; quote it", code="language")
        if not all(name.isidentifier() for form in forms.values() for name in placeholders(form)):
            raise SpecError(f"{where}: placeholders are plain names, as in {{option}}", code="language")
        if len({placeholders(form) - {"n"} for form in forms.values()}) > 1:
            raise SpecError(f"{where}: the plural forms differ in their placeholders", code="language")


def languages() -> tuple[str, ...]:
    """Return the codes of the languages that there are pages in."""
    return tuple(sorted(file.stem for file in CATALOGUE.glob("*.yaml")))


@functools.cache
def language(code: str) -> Language:
    """Return a language by its code.

    Raises
    ------
    SpecError
        If there is no catalogue in that language.
    """
    if code not in languages():
        raise SpecError(
            f"no reports in language {code!r}; {did_you_mean(code, languages())}", code="language"
        )
    return Language(code, read_yaml(CATALOGUE / f"{code}.yaml", what="catalogue"))


def turns(text: str) -> bool:
    """Say whether a letter of a text runs from right to left."""
    return not text.isascii() and any(unicodedata.bidirectional(c) in ("R", "AL") for c in text)


def isolated(text: str) -> str:
    """Return a text that holds letters from right to left between Unicode's isolates, and any other as it is.

    Numbers beside it would change places with its own otherwise: a dose at the end of a name with a result behind it.
    """
    return f"{ISOLATE}{text}{POP}" if turns(text) and ISOLATE not in text else text


@functools.cache
def placeholders(sentence: str) -> frozenset[str]:
    """Return the names of a sentence's placeholders; anything but a plain name is returned as it stands."""
    found = set()
    for _, name, form, conversion in string.Formatter().parse(sentence):
        if name is not None:
            found.add(name + (f"!{conversion}" if conversion else "") + (f":{form}" if form else ""))
    return frozenset(found)


@functools.lru_cache(maxsize=10_000)
def _written(locale: Locale, number: str) -> str:
    """Return a number without its sign in a language's figures; pages say the same few thousand again and again."""
    exact = Decimal(number)
    decimals = max(0, -int(exact.as_tuple().exponent))
    with localcontext(_EVERY_DIGIT):  # Babel rounds to the context's digits
        return str(_pattern(decimals).apply(exact, locale))


@functools.cache
def _pattern(decimals: int) -> NumberPattern:
    return parse_pattern(f"#,##0.{'0' * decimals}" if decimals else "#,##0")
