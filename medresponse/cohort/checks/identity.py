"""Checks of who the rows are: ids, sites, and anything that looks like a direct identifier.

The list of names follows the direct identifiers of the HIPAA safe-harbour rule, 45 CFR 164.514(b)(2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from medresponse.cohort.checks.intake import Check, Intake
from medresponse.cohort.findings import Finding

# Whole names, in lower case without separators; and words that give a name away wherever they stand in it.
_NAMES = frozenset(
    {
        "name", "patientname", "subjectname", "fullname", "firstname", "lastname", "middlename", "maidenname",
        "givenname", "familyname", "forename", "address", "homeaddress", "streetaddress", "street",
        "medicalrecordnumber", "nhsnumber", "socialsecuritynumber", "dateofbirth", "birthdate", "birthday",
        "phonenumber", "mobile", "fax", "zip", "zipcode", "postcode", "postalcode", "passport",
        "passportnumber", "ipaddress", "driverslicence", "driverslicense",
    }
)  # fmt: skip
_WORDS = frozenset(
    {"surname", "mrn", "ssn", "dob", "email", "phone", "telephone", "zipcode", "postcode", "birthdate"}
)

_VALUES = (
    r"^[^@\s]+@[^@\s]+\.[^@\s]+$"  # e-mail
    r"|^\d{3}-\d{2}-\d{4}$"  # US social security number
    r"|^\+\d[\d ().-]{6,}\d$"  # international telephone number
    r"|^(\d[ .-])?\(?\d{3}\)?[ .-]+\d{3}[ .-]+\d{4}$"  # North American telephone number
)


def is_identifier_name(column: str) -> bool:
    """Say whether a column's name is that of a direct identifier."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column)
    words = [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]
    pairs = {first + second for first, second in pairwise(words)}
    return "".join(words) in _NAMES or not _WORDS.isdisjoint({*words, *pairs})


def identifying_ids(intake: Intake) -> int:
    """Return how many ids look like an e-mail address, a social security or a telephone number."""
    return int(intake.ids.str.contains(_VALUES).fill_null(False).sum())


def check_id_values(intake: Intake) -> Iterator[Finding]:
    """possible_identifier: ids that are addresses or numbers of people (counted, never shown)."""
    n = identifying_ids(intake)
    if n:
        action = (
            "these ids look like e-mail addresses, telephone or social security numbers: replace "
            "them by pseudonyms"
        )
        yield Finding("error", "possible_identifier", intake.schema.id, n, (), action)


def check_ids(intake: Intake) -> Iterator[Finding]:
    """missing_id and duplicate_id."""
    column, ids = intake.schema.id, intake.ids
    if not intake.has(column):
        return
    yield from intake.in_rows(ids.is_null(), "missing_id", column, "give every row a pseudonymous id")
    action = "one row a patient: merge or remove the repeated rows, or make the ids unique"
    yield from intake.in_rows(ids.is_duplicated() & ids.is_not_null(), "duplicate_id", column, action)


def check_sites(intake: Intake) -> Iterator[Finding]:
    """missing_site."""
    for site in intake.sites:
        action = (
            "fill in the site, give the unknown ones a name of their own, or exclude them by an "
            "eligibility rule"
        )
        yield from intake.in_rows(intake.text(site).is_null(), "missing_site", site, action)


IDENTITY: tuple[Check, ...] = (check_ids, check_sites)
