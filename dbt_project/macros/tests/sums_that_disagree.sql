{#
Where two marts, named by model, do not agree on the sum of a decimal by a key. A key with a row whose value was cut at the type's limit
(`sum_of_decimals`) is left out: what is cut does not add up. The test that it makes up follows both (`keyed_by`).
#}
{% macro sums_that_disagree(key, first, first_number, second, second_number) %}
{%- set limit = '999999999999.999999' -%}
with
{%- for model, number in [(first, first_number), (second, second_number)] %}
{{ model }} as (
    select
        {{ key }},
        max({{ number }}) >= {{ limit }} as is_cut,
        sum({{ number }}) as {{ first_number }}
    from {{ touched_rows(ref(model), date='date') }}
    group by {{ key }}
),
{%- endfor %}

disagreeing as (
    {{ rows_that_disagree(first, second, [key], [first_number]) }}
)

select *
from disagreeing
where
    {{ key }} not in (select {{ key }} from {{ first }} where is_cut)
    and {{ key }} not in (select {{ key }} from {{ second }} where is_cut)
{% endmacro %}
