{#
What holds in every row, whatever arrives: SQL conditions over the columns; one that comes to null holds. A number that odd data can push out
of its range belongs in a test that warns. One query finds all that is broken; it returns the rows at fault, each with its first broken
condition.
#}
{% test conditions(model, conditions) %}
with judged as (
    select
        {{ first_broken(conditions) }} as broken_condition,
        *
    from {{ untested_rows(model) }}
)

select *
from judged
where broken_condition is not null
{% endtest %}
