{{ config(materialized='table', pre_hook=settle_marts_on_disk()) }}

{%- set marts = [
    ref('ai_block_daily_stats'),
    ref('chapter_daily_stats'),
    ref('collaborator_analytics'),
    ref('daily_user_stats'),
    ref('draft_analytics'),
    ref('error_daily_stats'),
    ref('event_ledger'),
    ref('leaderboard'),
    ref('material_interactions'),
    ref('question_attempts'),
    ref('study_sessions'),
    ref('test_sessions'),
    ref('topic_daily_stats'),
] %}

with as_of as (
    select as_of
    from {{ ref('int_as_of') }}
),

marts as (
    {%- for mart in marts %}
    {{ mart_facts(mart) }}
    union all
    {%- endfor %}
    -- The catalog is a published table too; what it says of itself would change it, so it says its rows only.
    select
        '{{ this.identifier }}' as mart,
        {{ marts | length + 1 }} as row_count,
        null as bytes,
        null as first_date,
        null as last_date,
        {{ built_now() }} as built_at,
        null as content_hash
)

select
    marts.mart,
    cast(marts.row_count as bigint) as rows,
    cast(marts.bytes as bigint) as bytes,
    as_of.as_of,
    marts.first_date,
    marts.last_date,
    marts.built_at,
    marts.content_hash
from marts
cross join as_of
order by mart
