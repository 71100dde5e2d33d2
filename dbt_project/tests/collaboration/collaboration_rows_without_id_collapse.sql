{{ config(severity='warn') }}

{{ rows_collapsed_by_hash('base_collaboration__events') }}
