select
    metric,
    period,
    count(*) as positions,
    max(position) as last_position
from {{ ref('leaderboard') }}
group by metric, period
having count(*) != max(position)
