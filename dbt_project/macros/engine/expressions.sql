{# The expressions that engines spell differently, one macro each. A model never names an engine. #}

{# Whole microseconds from one timestamp to another. #}
{% macro microseconds_between(first, second) %}{{ return(adapter.dispatch('microseconds_between')(first, second)) }}{% endmacro %}
{% macro default__microseconds_between(first, second) %}date_diff('microsecond', {{ first }}, {{ second }}){% endmacro %}

{% macro minutes_after(timestamp, minutes) %}{{ return(adapter.dispatch('minutes_after')(timestamp, minutes)) }}{% endmacro %}
{% macro default__minutes_after(timestamp, minutes) %}({{ timestamp }} + interval ({{ minutes }}) minute){% endmacro %}

{# Midnight (UTC) at the start of a date. #}
{% macro start_of(date) %}cast({{ date }} as timestamp){% endmacro %}

{% macro integer_divide(dividend, divisor) %}{{ return(adapter.dispatch('integer_divide')(dividend, divisor)) }}{% endmacro %}
{% macro default__integer_divide(dividend, divisor) %}(({{ dividend }}) // ({{ divisor }})){% endmacro %}

{# A number of days after a date. #}
{% macro days_after(date, days) %}{{ return(adapter.dispatch('days_after')(date, days)) }}{% endmacro %}
{% macro default__days_after(date, days) %}cast({{ date }} + {{ days }} as date){% endmacro %}

{# The Monday of the ISO week that a date lies in. #}
{% macro week_of(date) %}cast(date_trunc('week', {{ date }}) as date){% endmacro %}

{% macro continuous_percentile(number, fraction) %}{{ return(adapter.dispatch('continuous_percentile')(number, fraction)) }}{% endmacro %}
{% macro default__continuous_percentile(number, fraction) %}quantile_cont({{ number }}, {{ fraction }}){% endmacro %}

{# The newest value that is not null, as a window function. #}
{% macro last_known(value) %}{{ return(adapter.dispatch('last_known')(value)) }}{% endmacro %}
{% macro default__last_known(value) %}last_value({{ value }} ignore nulls){% endmacro %}

{# One row per element of a list column. #}
{% macro element_of(list) %}{{ return(adapter.dispatch('element_of')(list)) }}{% endmacro %}
{% macro default__element_of(list) %}unnest({{ list }}){% endmacro %}

{# The first hex digits of the MD5 of a text, by default 15 of them (60 bits), as an integer: the same on every engine. #}
{% macro text_hash(text, digits=15) %}{{ return(adapter.dispatch('text_hash')(text, digits)) }}{% endmacro %}
{% macro default__text_hash(text, digits) %}cast('0x' || substr(md5({{ text }}), 1, {{ digits }}) as bigint){% endmacro %}

{# A double as text with 15 digits, the same on every engine: the last bits of a large one are not. #}
{% macro double_text(number) %}{{ return(adapter.dispatch('double_text')(number)) }}{% endmacro %}
{% macro default__double_text(number) %}format('{:.14e}', {{ number }}){% endmacro %}
