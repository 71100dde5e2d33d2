{# The instant that the var `as_of` sets, as SQL; none where it sets none. #}
{% macro as_of_set() %}
    {%- set as_of = var('as_of') -%}
    {{ return(none if as_of is none else plain_timestamp(as_of)) }}
{% endmacro %}

{#
A date, or a time of it, in UTC, as SQL. No other text is taken: an engine would drop an offset in silence and speak of another instant.
#}
{% macro plain_timestamp(as_of) %}
    {%- if execute and not modules.re.fullmatch('[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?)?', as_of | string) -%}
        {{ exceptions.raise_compiler_error(
            "The var as_of is '" ~ as_of ~ "'. It has to be a date or a timestamp in UTC, without an offset: 2026-01-08, or 2026-01-08 13:30:00"
        ) }}
    {%- endif -%}
    {{ return("cast('" ~ as_of ~ "' as timestamp)") }}
{% endmacro %}

{# Whether an extract date is one of the last `alert_days` before as-of, for which alerts stand. #}
{% macro is_alertable(extract_date) -%}
    {{ start_of(extract_date) }} < (select as_of from {{ ref('int_as_of') }})
    and {{ start_of(extract_date) }} >= (select {{ minutes_after('as_of', '-1440 * ' ~ var('alert_days')) }} from {{ ref('int_as_of') }})
{%- endmacro %}

{# Whether an extract date is one that alerts look at: one for which they stand, or of the weeks before, by which they know what is usual. #}
{% macro is_alertable_or_usual(extract_date) -%}
    {%- set usual_days = 'greatest(7 * ' ~ var('alert_volume_weeks') ~ ', ' ~ var('alert_usual_days') ~ ')' -%}
    {%- set first = minutes_after('as_of', '-1440 * (' ~ var('alert_days') ~ ' + ' ~ usual_days ~ ')') -%}
    {{ start_of(extract_date) }} < (select as_of from {{ ref('int_as_of') }})
    and {{ start_of(extract_date) }} >= (select {{ first }} from {{ ref('int_as_of') }})
{%- endmacro %}
