{{ config(meta={
    'dagster': {'ref': {'name': 'knowledge_gap_spells'}},
    'keyed': keyed_by(['user_id'], ['knowledge_gap_spells']),
}) }}

with spells as (
    select
        user_id,
        topic_id,
        opened_on,
        resolved_on,
        lead(opened_on) over (partition by user_id, topic_id order by opened_on) as next_opened_on
    from {{ touched_rows(ref('knowledge_gap_spells')) }}
)

select
    user_id,
    topic_id,
    opened_on,
    resolved_on,
    next_opened_on
from spells
where
    opened_on >= resolved_on
    or next_opened_on <= resolved_on
    or (resolved_on is null and next_opened_on is not null)
