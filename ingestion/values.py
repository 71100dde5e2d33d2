"""The grammars of values (events.md, "How values are read") as SQL expressions over JSON text.

What belongs here: how one value is read, told by its type alone. An argument `j` is the SQL of a JSON text as the
engine writes it (strings in quotes, no white space), NULL where the value is absent; of a field that `is_bare` it is
the text without quotes. Nothing is left to the engine's casting: a cast is made of a text only after a pattern has said
that the text is of the right form.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingestion.contract import COLUMN_TYPES, Field
from ingestion.privacy import EMAIL_FORM, UUID_FORM
from ingestion.sql import quoted

_DATE = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)-[0-9]{2}-[0-9]{2}"  # there is no year 0
_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_PLAIN_INSTANT = f"{_DATE}[T ]{_TIME}(?:\\.[0-9]{{1,6}})?(?:Z|\\+00:00)?"  # as most write UTC; databases the last way
_INSTANT = f"{_DATE}[Tt ]{_TIME}(?:\\.[0-9]{{1,9}})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?"
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_PLAIN_IPV4 = f'"{_OCTET}(?:\\.{_OCTET}){{3}}"'
_PLAIN_ID = '"[0-9A-Za-z_.:-]{1,128}"'
# Of up to 17 characters a number is the same as a double. It fits a decimal column, has no exponent, and is no -0: its
# text is canonical but for trailing zeros.
_LONGEST_SURE_NUMBER = 17
_SURE_NUMBER = "(?:-?[1-9][0-9]{0,11}|0)(?:\\.[0-9]+)?"
_DECIMAL = COLUMN_TYPES["decimal"]
MAX_DECIMAL = "999999999999.999999"  # the largest that such a column holds
KEYED_HASH = "@keyed_hash"  # stands for the function of the key at hand


def json_text(text: str) -> str:
    """A name or another plain text in JSON's quotes, as an SQL literal."""
    return quoted(f'"{text}"')


def quote_list(texts: Sequence[str]) -> str:
    """Texts as an SQL list literal."""
    return f"([{', '.join(map(quoted, texts))}]::VARCHAR[])"


def is_bare(field: Field) -> bool:
    """Whether a value is read without quotes: a text of its form is nothing else in JSON, no number and no list."""
    return field.type in ("uuid", "timestamp")


def bare(j: str) -> str:
    """The text of a JSON string; of any other value its JSON text."""
    return f"json_extract_string({j}, '$')"


def is_text(j: str) -> str:
    """Whether it is a JSON string."""
    return f"starts_with({j}, '\"')"


def is_number(j: str) -> str:
    """Whether it is a JSON number."""
    return f"(ascii({j}) BETWEEN 48 AND 57 OR ascii({j}) = 45)"


def text(j: str) -> str:
    """The text of a JSON string; NULL for anything else."""
    return f"""CASE WHEN {is_text(j)} THEN CASE WHEN contains({j}, '\\') THEN json_extract_string({j}, '$')
        ELSE {j}[2:-2] END END"""


def typed(field: Field, j: str) -> str:
    """The value of a valid field as its lake column stores it; of an invalid one mostly NULL (`valid` is the judge)."""
    match field.type:
        case "uuid":
            return f"lower({j})"
        case "int":
            return f"try_cast({j} AS BIGINT)"
        case "decimal":
            # what does not fit is stored as the type's limit: the payload keeps the value
            return f"""CASE WHEN {_is_sure_number(j)} THEN try_cast({j} AS {_DECIMAL})
                WHEN {is_number(j)} THEN daybook_decimal({j})::{_DECIMAL} END"""
        case "bool":
            return f"({j} = 'true')"
        case "timestamp":
            return instant(j)
        case "uuid_list":
            return f"CASE WHEN {j} = '[]' THEN []::VARCHAR[] ELSE string_split(lower({j})[3:-3], '\",\"') END"
        case "any" | "number_or_text":
            return _short(field, j)
        case _:
            return _short(field, j) if field.grain else text(j)


def valid(field: Field, j: str) -> str:
    """Whether a value that is there obeys its field's type and limits."""
    match field.type:
        case "text":
            return is_text(j)
        case "uuid":
            return f"regexp_full_match({j}, '{UUID_FORM}')"
        case "id":
            return _valid_id(j)
        case "int":
            limits = "".join(f" AND try_cast({j} AS BIGINT) {operator} {limit}" for operator, limit in _limits(field))
            return f"(regexp_full_match({j}, '-?[0-9]+') AND try_cast({j} AS BIGINT) IS NOT NULL{limits})"
        case "decimal":
            return _valid_decimal(field, j)
        case "bool":
            return f"({j} IN ('true', 'false'))"
        case "timestamp":
            return f"({instant(j)} IS NOT NULL)"
        case "object":
            return f"starts_with({j}, '{{')"
        case "list":
            return f"starts_with({j}, '[')"
        case "uuid_list":
            return f"""regexp_full_match({j}, '\\[("{UUID_FORM}"(,"{UUID_FORM}")*)?\\]')"""
        case "number_or_text":
            return f"({is_text(j)} OR {is_number(j)})"
        case "any":
            return "true"


def instant(j: str) -> str:
    """The UTC timestamp of a bare text; NULL for anything that is none. Decimals after the sixth are cut."""
    offset = f"""CASE WHEN {j}[-1] = 'Z' OR {j}[-6] NOT IN ('+', '-') THEN 0
        ELSE ({j}[-5:-4]::BIGINT * 60 + {j}[-2:]::BIGINT)
            * CASE {j}[-6] WHEN '-' THEN -60000000 ELSE 60000000 END END"""
    decimals = f"coalesce(nullif(regexp_extract({j}, '\\.([0-9]{{1,6}})', 1), ''), '0')"
    return f"""CASE
        WHEN regexp_full_match({j}, {quoted(_PLAIN_INSTANT)}) THEN try_cast({j} AS TIMESTAMP)
        WHEN regexp_full_match({j}, {quoted(_INSTANT)})
        THEN make_timestamp(epoch_us(try_cast({j}[1:10] || ' ' || {j}[12:19] || '.' || {decimals} AS TIMESTAMP))
            - ({offset})) END"""


def canonical(field: Field, j: str) -> str:
    """The canonical JSON text of a valid value for which `is_plain` holds."""
    match field.type:
        case _ if field.privacy == "free_text":
            kept = f"""'{{"hash":"' || {KEYED_HASH}({text(j)}) || '","length":' || length({text(j)})"""
            if field.keep == "scrubbed":
                kept += f""" || ',"text":' || daybook_scrubbed({text(j)})"""
            return f"CASE WHEN {j} IS NOT NULL THEN {kept} || '}}' END"
        case _ if field.privacy == "ip":
            return f"""regexp_replace({j}, '[0-9]+"$', '0"')"""
        case "uuid":
            return f"""'"' || lower({j}) || '"'"""
        case "timestamp":
            return f"""'"' || {j} || '"'"""
        case "uuid_list":
            return f"lower({j})"
        case "decimal":
            return _canonical_number(j)
        case "any" | "number_or_text":
            return f"CASE WHEN {is_text(j)} THEN {j} ELSE {_canonical_number(j)} END"
        case _:
            return j


def canonical_exact(field: Field, j: str) -> str:
    """The canonical JSON text of any valid value; what is not plain goes through Python."""
    plain = is_plain(field, j)
    if plain is None:
        return canonical(field, j)
    # NULL is told apart first: a Python function is called for whatever no branch before it takes
    return f"CASE WHEN {j} IS NULL THEN NULL WHEN {plain} THEN {canonical(field, j)} ELSE daybook_canonical({j}) END"


def is_plain(field: Field, j: str) -> str | None:
    """Whether `canonical` can be had from the engine; None if it always can.

    For the others the exact Python path is taken: values that are changed before they are stored, objects, lists, long
    numbers.
    """
    if field.privacy == "free_text":
        return is_text(j)
    if field.privacy == "ip":
        return f"regexp_full_match({j}, {quoted(_PLAIN_IPV4)})"
    match field.type:
        case "decimal":
            return _is_sure_number(j)
        case "any" | "number_or_text":
            return f"({is_text(j)} OR {_is_plain_scalar(j)})"
        case _:
            return None


def _canonical_number(j: str) -> str:
    """By value, of a number for which `_is_sure_number` holds: it has no exponent."""
    return f"CASE WHEN contains({j}, '.') THEN rtrim(rtrim({j}, '0'), '.') ELSE {j} END"


def _is_sure_number(j: str) -> str:
    """Whether it is a number that the engine reads exactly."""
    return f"(strlen({j}) <= {_LONGEST_SURE_NUMBER} AND regexp_full_match({j}, '{_SURE_NUMBER}'))"


def _is_plain_scalar(j: str) -> str:
    return f"(strlen({j}) <= {_LONGEST_SURE_NUMBER} AND regexp_full_match({j}, '{_SURE_NUMBER}|true|false'))"


def _limits(field: Field) -> list[tuple[str, float]]:
    """How a number is to be compared, and with what."""
    return [(how, limit) for how, limit in ((">=", field.minimum), ("<=", field.maximum)) if limit is not None]


def _valid_decimal(field: Field, j: str) -> str:
    """A number within the limits, exactly: one that the engine may not read exactly is compared in Python."""
    limits = _limits(field)
    if not limits:
        return is_number(j)
    sure = " AND ".join(f"try_cast({j} AS DOUBLE) {operator} {limit}" for operator, limit in limits)
    odd = " AND ".join(f"daybook_compare({j}, '{limit}') {operator} 0" for operator, limit in limits)
    return f"CASE WHEN {_is_sure_number(j)} THEN {sure} WHEN {is_number(j)} THEN {odd} ELSE false END"


def _valid_id(j: str) -> str:
    value = f"json_extract_string({j}, '$')"
    return f"""CASE WHEN regexp_full_match({j}, {quoted(_PLAIN_ID)}) THEN true
        ELSE {is_text(j)} AND length({value}) BETWEEN 1 AND 128
            AND NOT regexp_matches({value}, '\\p{{Cc}}') AND NOT regexp_matches({value}, {quoted(EMAIL_FORM)}) END"""


def _short(field: Field, j: str) -> str:
    """A grain, or an open value in a column: the plain short ones here, what needs a closer look in Python."""
    # What looks like an e-mail or an IP address is looked at in Python.
    address = "[@\\\\]|:.*:|[0-9]\\.[0-9]+\\.[0-9]+\\.[0-9]"
    plain_text = f"strlen({j}) <= 66 AND NOT regexp_matches({j}, '{address}')"
    if field.grain:
        return f"""CASE WHEN {j} IS NULL THEN NULL WHEN {is_text(j)} AND {plain_text} THEN {j}[2:-2]
            ELSE daybook_grain({j}) END"""
    limit = "NULL" if field.max_length is None else quoted(str(field.max_length))
    return f"""CASE WHEN {j} IS NULL THEN NULL
        WHEN {is_text(j)} AND {plain_text} THEN {j}[2:-2]
        WHEN {_is_plain_scalar(j)}
        THEN {_canonical_number(j)} ELSE daybook_open({j}, {limit}) END"""
