"""How a dbt node looks as a Dagster asset.

What belongs here: the translation of what stands in the dbt project (group, owner, `meta`, columns). What does not:
facts about single models, which live in the project's YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject

from orchestration.lineage import Lineage


class Translator(DagsterDbtTranslator):
    """Reads an asset's group, owners and kinds from dbt, and adds the lineage of its columns."""

    def __init__(self, lineage: Lineage) -> None:
        """Take the lineage that `manifest.prepare` found."""
        super().__init__(DagsterDbtTranslatorSettings(enable_asset_checks=True, enable_source_tests_as_checks=True))
        self._lineage = lineage

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """The asset as dagster-dbt makes it, with Daybook's layer as a kind and with column lineage."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        props = self.get_resource_props(manifest, unique_id)
        if props["resource_type"] == "source":
            return spec
        extra: dict[str, Any] = {}
        lineage = self._column_lineage(manifest, unique_id, project)
        if lineage is not None:
            extra["dagster/column_lineage"] = lineage
        kinds = spec.kinds | set(_dagster_meta(props).get("kinds", [])) | _layer(props)
        return spec.replace_attributes(kinds=kinds).merge_attributes(metadata=extra)

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetCheckSpec | None:
        """The check as dagster-dbt makes it, with what the project says of the test."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        return spec and dg.AssetCheckSpec(
            spec.name,
            asset=spec.asset_key,
            description=test_description(self.get_resource_props(manifest, unique_id)),
            additional_deps=spec.additional_deps,
            blocking=spec.blocking,
            metadata=spec.metadata,
        )

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """What the project says of the model; its SQL is a click away in the code."""
        return str(dbt_resource_props.get("description") or "")

    def _column_lineage(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.TableColumnLineage | None:
        columns = self._lineage.get(unique_id)
        if not columns:
            return None
        return dg.TableColumnLineage(
            {
                column: [
                    dg.TableColumnDep(
                        super(Translator, self).get_asset_spec(manifest, parent, project).key, parent_column
                    )
                    for parent, parent_column in parents
                ]
                for column, parents in columns.items()
                if parents
            }
        )


def test_description(props: Mapping[str, Any]) -> str:
    """What the project says of the test; of a generic one what it tests, which its name says badly."""
    if props.get("description"):
        return str(props["description"])
    test = props.get("test_metadata") or {}
    given, column = test.get("kwargs", {}), props.get("column_name")
    match test.get("name"):
        case "primary_key":
            return f"Primary key: {', '.join(given['columns'])}. Unique, and never null."
        case "conditions":
            return f"Every row keeps its conditions. They are: {'; '.join(given['conditions'])}."
        case "relationships":
            return f"{column} is a {given['field']} of {given['to'].removeprefix('ref(').rstrip(')')}."
    return ""


def _dagster_meta(props: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = props.get("config", {}).get("meta") or props.get("meta") or {}
    return dict(meta.get("dagster", {}))


def _layer(props: Mapping[str, Any]) -> set[str]:
    """The folder that a model stands in: staging, intermediate or marts."""
    fqn = props.get("fqn", [])
    return {fqn[1]} if len(fqn) > 2 else set()
