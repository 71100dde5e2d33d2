"""Reading and judging extracts, the lake and its ledger, demo data: plain Python, without orchestrator or dbt."""
