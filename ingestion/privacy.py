"""What is left of a value that could name a person: truncated addresses, keyed hashes, scrubbed text.

What belongs here: the privacy classes of `Field`, applied to one value. Which field has which class says the contract.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re

from ingestion.canonical import Json, Number, as_text, map_texts
from ingestion.contract import Field

MAX_GRAIN_LENGTH = 64
OTHER = "other"  # stands for a text that cannot be a grain

# RE2 and Python read them alike.
EMAIL_FORM = r"[^@\s]+@[^@\s]+\.[^@\s]+"
UUID_FORM = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"

_ANY_EMAIL = re.compile(EMAIL_FORM)
# Four numbers, whatever stands around them; five are none.
_IPV4 = re.compile(r"(?<!\d)(?<!\d\.)\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d)")
# Eight groups, or fewer around a "::". What a word clings to (`from2001:db8::1`) has to look the part, with four digits
# to begin with: `Foo::Bar` and `Api::V1::Error` are names, 10:20:30 is a time.
_GROUP = "[0-9a-fA-F]{1,4}"
_TAIL = rf"(?:{_GROUP}(?::{_GROUP}){{0,6}})"
_IPV6 = re.compile(
    rf"(?:{_GROUP}:){{7}}{_GROUP}"
    rf"|(?=[a-fA-F]{{0,3}}\d)[0-9a-fA-F]{{4}}:(?:{_GROUP}:){{0,6}}:{_TAIL}?"
    rf"|(?<![\w:])(?:(?:{_GROUP}:){{1,7}}:{_TAIL}?|::{_TAIL})(?!\w|:\w)"
)

_LONGEST_MESSAGE = 300
# To the last quote of the kind: a value may hold some, and few who quote it double them.
_QUOTED = re.compile(r"""(?<!\w)'(?:.*'|.*$)|"(?:.*"|.*$)""")
# Every pattern starts where a run begins: one that is tried at each character of a long run would be quadratic.
_WORD = re.compile(r"(?<!\S)[^\s?]*+\?\S*")
_HOST = re.compile(r"(?<![\w-])[\w-]+\.[A-Za-z]{2,}(?::\d+)?/")
_EMAIL = re.compile(r"(?<![\w.+%'-])[\w.+%'-]+@[\w-]+(?:\.[\w-]+)+")
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_PHONE = re.compile(r"(?<![\w.])(?!\d{4}-\d\d-\d\d(?!\d))\+?\(?\d(?:[ ()./-]{0,2}\d){6,}")
_DIGITS = re.compile(r"\d{7,}")
_UUID = re.compile(rf"(?<!\w)({UUID_FORM})(?!\w)")
_IS_UUID = re.compile(UUID_FORM)


def id_forms(subject_id: str) -> set[str]:
    """The spellings under which a person's id may be met: an id in the form of a UUID is the same one in any case."""
    return {subject_id, subject_id.lower()} if _IS_UUID.fullmatch(subject_id) else {subject_id}


def keyed_hash(key: bytes, text: str) -> str:
    """HMAC-SHA-256 of a text, in hex: equal texts can be counted, and without the key none can be guessed."""
    return hmac.digest(key, text.encode(), hashlib.sha256).hex()


def holds_address(text: str) -> bool:
    """Whether a short text holds an e-mail address or an IP address."""
    return any(form.search(text) for form in (_ANY_EMAIL, _IPV4, _IPV6))


def without_emails(text: str) -> str:
    """A text with e-mail addresses replaced, and nothing else: the name of a file is full of dates and numbers."""
    return _EMAIL.sub("[email]", text) if "@" in text else text


def scrub(text: str) -> str:
    """A text with e-mail and IP addresses, phone and card numbers, query strings and long runs of digits replaced.

    UUIDs stay: they are what an engineer looks for, and name nobody to others.
    """
    if "?" in text:
        text = _WORD.sub(_without_query, text)
    text = without_emails(text)
    text = _IPV4.sub("[ip]", text)
    if ":" in text:
        text = _IPV6.sub("[ip]", text)
    parts = _UUID.split(text)  # every second one is a UUID
    parts[::2] = [_DIGITS.sub("[number]", _PHONE.sub("[phone]", _CARD.sub("[card]", part))) for part in parts[::2]]
    return "".join(parts)


def in_short(message: str) -> str:
    """What an engine says of an error, fit to be shown: its first line, cut, without the values that it quotes."""
    line = _QUOTED.sub("…", message.partition("\n")[0][:_LONGEST_MESSAGE])
    return scrub("".join(c if c.isprintable() else "…" for c in line)).strip()


def scrub_json(value: Json) -> Json:
    """A JSON value with every text in it scrubbed, the keys of objects too."""
    return map_texts(value, scrub)


def truncate_ip(text: str) -> str | None:
    """An address without its last octet (IPv4) or with its first 48 bits only (IPv6); None for what is no address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    kept = address.packed[: 3 if address.version == 4 else 6]
    return str(ipaddress.ip_address(kept.ljust(len(address.packed), b"\0")))


def protect(field: Field, value: Json, key: bytes) -> Json:
    """A valid payload value as it may be stored; what is no text is taken as its JSON text."""
    if field.privacy == "ip":
        return truncate_ip(as_text(value))
    if field.privacy == "free_text":
        text = as_text(value)
        kept = {"hash": keyed_hash(key, text), "length": Number(len(text))}
        return {**kept, "text": scrub(text)} if field.keep == "scrubbed" else kept
    if field.type == "uuid":
        return value.lower()
    if field.type == "uuid_list":
        return [item.lower() for item in value]
    return value


def _without_query(word: re.Match[str]) -> str:
    head, _, _ = word[0].partition("?")
    is_url = "://" in head or "mailto:" in head.lower() or head.startswith("www.") or _HOST.search(head)
    return f"{head}?[query]" if is_url else word[0]
