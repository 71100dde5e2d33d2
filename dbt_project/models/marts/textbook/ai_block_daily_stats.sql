{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['block_type', 'date'],
        'follows': {
            'base_textbook__events': "
                select block_type, event_date as date from changes where copy_status = 'kept' and event_type = 'ai_block_used'",
        },
        'date': 'date',
    }},
) }}

with events as (
    select *
    from {{ touched_rows(ref('int_textbook__events'), columns={'date': 'read.event_date'}, date='event_date') }}
    where event_type = 'ai_block_used'
),

by_user as (
    select
        block_type,
        event_date as date,
        user_id,
        count(*) as uses
    from events
    group by block_type, event_date, user_id
),

users as (
    select
        block_type,
        date,
        count(*) as users,
        {{ count_where('uses >= 2') }} as users_again
    from by_user
    group by block_type, date
),

uses as (
    select
        block_type,
        event_date as date,
        count(*) as uses,
        count(distinct chapter_id) as chapters
    from events
    group by block_type, event_date
)

select
    uses.block_type,
    uses.date,
    uses.uses,
    users.users,
    uses.chapters,
    {{ ratio('users.users_again', 'users.users') }} as repeat_rate
from uses
inner join users on uses.block_type = users.block_type and uses.date = users.date
order by uses.date
