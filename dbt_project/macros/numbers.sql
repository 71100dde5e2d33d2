{# How the numbers of the marts are made, each once: exact seconds, null ratios, sums that stop at a limit. #}

{# Microseconds (bigint) as seconds, exact: DECIMAL(18,6). #}
{% macro seconds(microseconds) %}cast(cast({{ microseconds }} as decimal(18, 0)) * 0.000001 as decimal(18, 6)){% endmacro %}

{# A ratio of two numbers, null where the denominator is 0, rounded to 9 places. #}
{% macro ratio(numerator, denominator) %}round(cast({{ numerator }} as double) / nullif(cast({{ denominator }} as double), 0), 9){% endmacro %}

{# The continuous median, rounded to 9 places; null where there is nothing. #}
{% macro median_of(number) %}round(median(cast({{ number }} as double)), 9){% endmacro %}

{# The continuous percentile at a fraction, rounded to 9 places; null where there is nothing. #}
{% macro percentile_of(number, fraction) %}round({{ continuous_percentile('cast(' ~ number ~ ' as double)', fraction) }}, 9){% endmacro %}

{# Sums are 0 where there is nothing. An absurd sum stops at the type's limit: one broken producer must not stop the night. #}
{% macro sum_of_integers(number) -%}
    cast(greatest(least(coalesce(sum(cast({{ number }} as decimal(38, 0))), 0), 9223372036854775807), -9223372036854775807) as bigint)
{%- endmacro %}
{% macro sum_of_decimals(number) %}cast(least(coalesce(sum({{ number }}), 0), 999999999999.999999) as decimal(18, 6)){% endmacro %}

{#
A text as a whole number: null where it has anything but digits, or is too large. A cast alone is not the same on every engine: one of
them makes 25 of `24.5`.
#}
{% macro whole_number(text) %}case when translate({{ text }}, '0123456789', '') = '' then try_cast({{ text }} as bigint) end{% endmacro %}

{# How many rows fulfil a condition. #}
{% macro count_where(condition) %}count(case when {{ condition }} then 1 end){% endmacro %}
{% macro count_distinct_where(value, condition) %}count(distinct case when {{ condition }} then {{ value }} end){% endmacro %}

{# Microseconds (bigint, not negative) as days, rounded half up to 6 places by whole numbers alone: DECIMAL(18,6). #}
{% macro days(microseconds) %}cast(cast({{ integer_divide('2 * ' ~ microseconds ~ ' + 86400', '172800') }} as decimal(18, 0)) * 0.000001 as decimal(18, 6)){% endmacro %}

{# Seconds cut to whole ones, more than the longest that counts as that many: times whose medians come of counts. #}
{% macro whole_seconds_capped(seconds) -%}
    case
        when {{ seconds }} > {{ var('longest_answer_seconds') }} then cast({{ var('longest_answer_seconds') }} as bigint)
        else cast(floor({{ seconds }}) as bigint)
    end
{%- endmacro %}

{#
Medians of values that are known by how often each occurs: a query of `key` and `median_value`, rounded to 9 places. `counts` names a CTE with
the key, the value and how often it occurs, in parts that add up. Of the values in order, from 1 to n, the median is the mean of the middle
two, which are one where n is odd.
#}
{% macro median_of_counts(counts, key, value, times) %}
    with counted as (
        select
            {{ key }},
            {{ value }} as value,
            cast(sum({{ times }}) as bigint) as times
        from {{ counts }}
        group by {{ key }}, {{ value }}
    ),

    placed as (
        select
            {{ key }},
            value,
            cast(sum(times) over (partition by {{ key }}) as bigint) as times,
            cast(
                sum(times) over (partition by {{ key }} order by value rows between unbounded preceding and current row) as bigint
            ) as times_up_to_here
        from counted
    )

    select
        {{ key }},
        round(
            (
                min(case when times_up_to_here >= {{ integer_divide('times + 1', '2') }} then value end)
                + min(case when times_up_to_here >= {{ integer_divide('times', '2') }} + 1 then value end)
            ) / cast(2 as double),
            9
        ) as median_value
    from placed
    group by {{ key }}
{% endmacro %}
