"""Which columns a model's column is made of, read from the compiled SQL in the manifest.

What belongs here: parsing SQL into column dependencies. What does not: asset keys (`translator`), reading data.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope
from sqlglot.schema import MappingSchema

# unique id of a model -> its column -> the columns that it comes from, as (unique id of the parent, column).
Lineage = dict[str, dict[str, list[tuple[str, str]]]]


def column_lineage(manifest: Mapping[str, Any]) -> Lineage:
    """The lineage of every described column of every model that was compiled."""
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of subqueries that it takes another way through
    relations = {**manifest["nodes"], **manifest["sources"]}
    return {
        unique_id: _of_model(node, {parent: relations[parent] for parent in _parents(node, relations)})
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node.get("compiled_code")
    }


def _parents(node: Mapping[str, Any], relations: Mapping[str, Any]) -> list[str]:
    return [parent for parent in node["depends_on"]["nodes"] if parent in relations]


def _of_model(node: Mapping[str, Any], parents: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    dialect = node["config"].get("dialect") or "duckdb"
    by_name = {_name(parent): unique_id for unique_id, parent in parents.items()}
    schema = MappingSchema(dialect=dialect)
    for parent in parents.values():
        columns = {name: column.get("data_type") or "text" for name, column in parent["columns"].items()}
        schema.add_table(exp.table_(_table(parent), parent["schema"], parent["database"]), columns, dialect=dialect)
    try:
        query = qualify(
            parse_one(node["compiled_code"], dialect=dialect),
            schema=schema,
            dialect=dialect,
            validate_qualify_columns=False,
            identify=False,
        )
        scope = build_scope(query)
    except SqlglotError:
        return {}  # lineage is a help for the eye: SQL that this parser does not know yet runs all the same
    found = {}
    for column in node["columns"]:
        try:
            root = lineage(column, query, schema=schema, scope=scope, dialect=dialect, trim_selects=False)
        except SqlglotError:
            continue
        found[column] = sorted(set(_leaves(root, by_name)))
    return found


def _leaves(root: Node, by_name: Mapping[tuple[str, str, str], str]) -> list[tuple[str, str]]:
    leaves = []
    for node in root.walk():
        if isinstance(node.expression, exp.Table):
            table = node.expression
            unique_id = by_name.get((table.catalog.lower(), table.db.lower(), table.name.lower()))
            if unique_id:
                leaves.append((unique_id, node.name.rsplit(".", 1)[-1].strip('"').lower()))
    return leaves


def _name(node: Mapping[str, Any]) -> tuple[str, str, str]:
    return (node["database"].lower(), node["schema"].lower(), _table(node).lower())


def _table(node: Mapping[str, Any]) -> str:
    return str(node.get("identifier") or node.get("alias") or node["name"])
