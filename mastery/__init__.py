"""The model behind topic mastery: fitted, judged and kept in the lake. Plain Python, without orchestrator or dbt."""
