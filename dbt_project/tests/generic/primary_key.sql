{#
The columns are the model's grain: each of them is filled in every row, and no two rows have the same values. One query finds both;
it returns the keys at fault and how many rows have them, so `where` and `limit` in the test's config work as for any other test.
#}
{% test primary_key(model, columns) %}
select
    {{ columns | join(',\n    ') }},
    count(*) as row_count
from {{ untested_rows(model, unique=columns) }}
group by {{ columns | join(', ') }}
having count(*) > 1{% for column in columns %} or {{ column }} is null{% endfor %}
{% endtest %}
