"""The reference in `docs/reference`: one page a system, from its contract, and one page a mart, from the dbt project.

`python -m orchestration.reference_docs` writes it anew after a change of a contract or a mart.

What belongs here: what the pages say and how. What does not: the descriptions themselves, which stand in the contracts
and in the `.yml` beside each model, and which funnels there are, which their seed says.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ingestion.contract import Contract, Field, Stream, load_contracts
from ingestion.privacy import MAX_GRAIN_LENGTH
from orchestration.checks import MART_CHECKS
from orchestration.manifest import PROJECT_DIR, marts_of, prepare
from orchestration.translator import test_description

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
FUNNELS = PROJECT_DIR / "seeds" / "funnels.csv"

_OF_THE_SOAK = "reliability.md"

_WRITTEN = "<!-- Written by `python -m orchestration.reference_docs`; a test says when it is out of date. -->\n"

_INDEX = """\
# Reference

What every mart and column means, and what the source systems deliver. Times are UTC; a *date* is the UTC day of an
event, an *extract date* the UTC day on which the source system received it. Seconds are exact decimals; ratios,
medians and percentiles are doubles rounded to 9 places, and null where there is nothing to divide by or to
measure. Counts and sums are 0 where there is nothing; `never` under *null* says that a test refuses one. *As-of*
is the end of the newest loaded extract date: the instant up to which the marts speak.

What was tried to break them, and what was found: [reliability](reliability.md).
"""

_TYPES = """\
Types of fields: `id` is opaque text of 1 to 128 characters, `uuid` an id in the 8-4-4-4-12 form, `int` a whole
number of 64 bits, `decimal` a number, `timestamp` an ISO instant (UTC where it names no zone), `any` whatever JSON
can say. A row that breaks its contract is quarantined with the first reason that applies: `malformed`,
`batch_too_large`, `unknown_event_type`, `missing_field`, `invalid_field`, `payload_too_large` (more than 4,096
bytes), `timestamp_out_of_range` (before 2000, or more than 24 hours after the end of the extract date).
"""

# The end of a condition that says so of its column.
_NEVER_NULL = " is not null"

_PRIVACY = {
    "id": "identifier",
    "free_text": "free text: stored are its length and a keyed hash",
    "ip": "IP address: stored truncated",
    "user_agent": "user agent: stays in the lake, enters no mart",
}


_PAGE_OF_FUNNELS = "funnel_attempts"


def render() -> dict[str, str]:
    """All pages, by their path below `docs/reference`."""
    prepared = prepare()
    contracts = load_contracts().values()
    marts = sorted(marts_of(prepared.manifest), key=lambda node: (node["fqn"][2], node["name"]))
    pages = {f"systems/{contract.system}.md": _system(contract) for contract in contracts}
    pages |= {f"marts/{mart['name']}.md": _mart(mart, prepared.manifest) for mart in marts}
    exposures = sorted(prepared.manifest["exposures"].values(), key=lambda exposure: exposure["label"])
    pages["README.md"] = _index(list(contracts), marts, exposures)
    return {path: _WRITTEN + text for path, text in pages.items()}


def written_pages() -> list[Path]:
    """The pages that are there, but the one that `make soak` writes."""
    return [page for page in REFERENCE.rglob("*.md") if page != REFERENCE / _OF_THE_SOAK]


def write() -> None:
    """Write all pages in place of those that are there."""
    for page in written_pages():
        page.unlink()
    for path, text in render().items():
        page = REFERENCE / path
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8")


def _index(
    contracts: Sequence[Contract], marts: Sequence[Mapping[str, Any]], exposures: Sequence[Mapping[str, Any]]
) -> str:
    parts = [_INDEX, "## Marts\n"]
    for domain in dict.fromkeys(mart["fqn"][2] for mart in marts):
        rows = [
            (_link(mart["name"], "marts/"), _first_sentence(mart["description"]))
            for mart in marts
            if mart["fqn"][2] == domain
        ]
        parts += [f"### {domain.capitalize()}\n", _table(("mart", "what a row is"), rows)]
    uses = [
        (
            exposure["label"],
            exposure["description"],
            ", ".join(_link(_name(parent), "marts/") for parent in sorted(exposure["depends_on"]["nodes"])),
            _owner(exposure["owner"]),
        )
        for exposure in exposures
    ]
    systems = [(_link(contract.system, "systems/"), contract.description) for contract in contracts]
    return "\n".join(
        [
            *parts,
            "## Who uses them\n",
            _table(("use", "what for", "marts", "owner"), uses),
            "## Source systems\n",
            _table(("system", "what it delivers"), systems),
            _TYPES,
        ]
    )


# Systems


def _system(contract: Contract) -> str:
    parts = [f"# {contract.system}\n", f"{contract.description}\n", f"Owner: {contract.owner}\n"]
    for stream in contract.streams:
        parts += _stream(stream)
    return "\n".join(parts)


def _stream(stream: Stream) -> Iterator[str]:
    yield f"## Stream `{stream.name}`\n"
    yield f"{stream.description}\n"
    yield f"{_identity(stream)}\n"
    if stream.batch:
        yield f"A batch has these fields; more than {stream.max_events} events reject it whole.\n"
        yield _fields(stream.batch)
        yield "Each event of a batch has these fields.\n"
    yield _fields(stream.envelope, payload=stream.payload_field)
    if stream.like is not None:
        yield f"The event types and their fields are those of the stream `{stream.like.name}`.\n"
        return
    for event_type in stream.event_types:
        yield f"### `{event_type.name}`\n"
        yield f"{event_type.description}\n"
        if event_type.aliases:
            yield f"Also delivered as {_code(event_type.aliases)}.\n"
        if event_type.requires:
            yield f"Requires {_code(event_type.requires)}.\n"
        if event_type.payload:
            yield f"In `{stream.payload_field}`:\n"
            yield _fields(event_type.payload)


def _identity(stream: Stream) -> str:
    fields = _code(stream.identity)
    if stream.kind == "batches":
        return f"An event is known by a hash of {fields}."
    if stream.stable_hash:
        return f"A row is known by {fields}; without it, by a hash of its type, time and payload."
    if stream.collapsed_keys is not None:
        made_of = _code(stream.collapsed_keys.fields)
        joined_by = _code(stream.collapsed_keys.separators)
        hashes = " or ".join(name.upper() for name in stream.collapsed_keys.hashes)
        return (
            f"A row is known by {fields}. An earlier producer made that key of {made_of}, joined by {joined_by}, or of "
            f"the {hashes} of that, and overwrote the event on every repeat: such a row is known by the key and its "
            "time, and marked as collapsed."
        )
    if stream.snapshot:
        return f"A row is known by {fields}, within one extract date. The newest extract date counts as a whole."
    return f"A row is known by {fields}."


def _fields(fields: Iterable[Field], payload: str | None = None) -> str:
    rows = [
        (
            f"`{field.name}`",
            field.type,
            "yes" if field.required else "",
            _field(field, is_payload=field.name == payload),
        )
        for field in fields
    ]
    return _table(("field", "type", "required", "meaning"), rows)


def _field(field: Field, is_payload: bool) -> str:
    told = [field.description]
    if is_payload:
        told.append("At most 4,096 bytes.")
    if field.minimum is not None and field.maximum is not None:
        told.append(f"From {field.minimum:g} to {field.maximum:g}.")
    elif field.minimum is not None:
        told.append(f"At least {field.minimum:g}.")
    if field.values:
        told.append(f"One of {_code(field.values)}; another value is kept, and reported.")
    if field.grain:
        told.append(f"More than {MAX_GRAIN_LENGTH} characters, or an e-mail address in it, become `other`.")
    if field.default is not None:
        told.append(f"{field.default} where absent.")
    if field.subject:
        told.append("Names a person; erasure goes by it.")
    if field.privacy != "plain" and not field.subject:
        told.append(
            f"Privacy: {_PRIVACY[field.privacy]}{', and the scrubbed text' if field.keep == 'scrubbed' else ''}."
        )
    return " ".join(told)


# Marts


def _mart(mart: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    children = manifest["child_map"][mart["unique_id"]]
    tests = [manifest["nodes"][child] for child in children if child.startswith("test.")]
    keys = [test["test_metadata"]["kwargs"]["columns"] for test in tests if _kind(test) == "primary_key"]
    never_null = {column for key in keys for column in key}
    never_null |= {
        condition.removesuffix(_NEVER_NULL)
        for test in tests
        if _kind(test) == "conditions"
        for condition in test["test_metadata"]["kwargs"]["conditions"]
        if condition.endswith(_NEVER_NULL)
    }
    columns = [
        (f"`{name}`", column["data_type"], "never" if name in never_null else "", column["description"])
        for name, column in mart["columns"].items()
    ]
    checks = sorted({*_own_tests(mart, manifest), *_asset_checks(mart)})
    return "\n".join(
        [
            f"# {mart['name']}\n",
            f"{mart['description'].strip()}\n",
            _table(("fact", "value"), _facts(mart, keys, manifest)),
            "## Columns\n",
            _table(("column", "type", "null", "meaning"), columns),
            *(["## Funnels\n", _funnels()] if mart["name"] == _PAGE_OF_FUNNELS else []),
            *(["## Checks\n", _table(("check", "severity", "what it says"), checks)] if checks else []),
        ]
    )


def _facts(
    mart: Mapping[str, Any], keys: Sequence[Sequence[str]], manifest: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    marts = {node["name"] for node in marts_of(manifest)}
    group = next(group for group in manifest["groups"].values() if group["name"] == mart["config"]["group"])
    parents = sorted(map(_name, mart["depends_on"]["nodes"]))
    uses = [
        manifest["exposures"][child]["label"]
        for child in manifest["child_map"][mart["unique_id"]]
        if child.startswith("exposure.")
    ]
    yield "key", ", ".join(_code(key) for key in keys)
    yield "owner", _owner(group["owner"])
    yield "made of", ", ".join(_link(parent) if parent in marts else _code([parent]) for parent in parents)
    if uses:
        yield "used by", ", ".join(f"[{use}](../README.md#who-uses-them)" for use in sorted(uses))
    if "funnel" in mart["columns"]:
        yield "funnels", f"[those that are declared]({_PAGE_OF_FUNNELS}.md#funnels)"


def _funnels() -> str:
    """The funnels that the seed declares."""
    declared: dict[str, list[dict[str, str]]] = defaultdict(list)
    with FUNNELS.open(newline="", encoding="utf-8") as seed:
        for row in csv.DictReader(seed):
            declared[row["funnel"]].append(row)
    rows = []
    for funnel, of_it in declared.items():
        steps = sorted((row for row in of_it if row["role"] == "step"), key=lambda row: row["step"])
        exclusions = [row["event_type"] for row in of_it if row["role"] == "exclusion"]
        rows.append(
            (
                f"`{funnel}`",
                of_it[0]["system"],
                " → ".join(f"`{row['event_type']}`" for row in steps),
                _code(exclusions),
                f"{of_it[0]['window_hours']} h",
                " + ".join(f"`{part}`" for part in of_it[0]["entity"].split("+")),
            )
        )
    return _table(("funnel", "system", "steps", "exclusions", "window", "entity"), rows)


def _own_tests(mart: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The tests that say what they hold in words of their own: those on the mart, and those that are shown at it."""
    for node in manifest["nodes"].values():
        told = node["description"] or (test_description(node) if _kind(node) == "conditions" else "")
        if node["resource_type"] == "test" and told:
            shown_at = node["config"]["meta"].get("dagster", {}).get("ref", {}).get("name")
            if mart["unique_id"] in node["depends_on"]["nodes"] or shown_at == mart["name"]:
                warns = node["config"]["severity"].lower() == "warn"
                yield node["name"], _severity(not warns), told


def _asset_checks(mart: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The checks that are no tests of dbt."""
    for check in MART_CHECKS:
        for spec in check.check_specs:
            if spec.asset_key.path[-1] == mart["name"]:
                yield spec.name, _severity(spec.blocking), spec.description or ""


def _severity(blocks: bool) -> str:
    return "blocking" if blocks else "warning"


def _kind(test: Mapping[str, Any]) -> str | None:
    """The name of a generic test; None for what is none."""
    metadata = test.get("test_metadata")
    return metadata["name"] if metadata else None


# Markdown


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _name(unique_id: str) -> str:
    """The name of a node of dbt."""
    return unique_id.split(".")[-1]


def _link(page: str, folder: str = "") -> str:
    return f"[{page}]({folder}{page}.md)"


def _owner(owner: Mapping[str, Any]) -> str:
    return f"{owner['name']} (<{owner['email']}>)"


def _first_sentence(description: str) -> str:
    text = " ".join(description.split("\n\n")[0].split())
    return text.partition(". ")[0].rstrip(".:") + "."


if __name__ == "__main__":
    write()
