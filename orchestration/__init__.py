"""Dagster's side of Daybook: it drives `ingestion` and `dbt_project`, and holds the checks."""
