{#
Where two tables do not agree on numbers that they both count: the keys, and each number as either has it. `first` and `second` name CTEs
(after the tables they stand for) with one row a key; a key that one of them lacks counts as 0 there.
#}
{% macro rows_that_disagree(first, second, keys, numbers) %}
select
    {%- for key in keys %}
    coalesce({{ first }}.{{ key }}, {{ second }}.{{ key }}) as {{ key }},
    {%- endfor %}
    {%- for number in numbers %}
    {{ first }}.{{ number }} as {{ first }}__{{ number }},
    {{ second }}.{{ number }} as {{ second }}__{{ number }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ first }}
full outer join {{ second }}
    on {% for key in keys %}{{ first }}.{{ key }} = {{ second }}.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
where
    {%- for number in numbers %}
    coalesce({{ first }}.{{ number }}, 0) != coalesce({{ second }}.{{ number }}, 0){{ ' or' if not loop.last }}
    {%- endfor %}
{% endmacro %}
