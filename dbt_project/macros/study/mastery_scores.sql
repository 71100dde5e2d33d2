{# What is read from a learner's state at a topic: log-odds right after the last attempt, how they fade, how sure they are. #}

{# Days between two instants as a double, from whole microseconds; 0 where the second is the earlier. #}
{% macro mastery_days(first, second) %}(greatest({{ microseconds_between(first, second) }}, 0) / 86400e6){% endmacro %}

{# The probability that belongs to log-odds. #}
{% macro mastery_probability(log_odds) %}(1 / (1 + exp(-({{ log_odds }})))){% endmacro %}

{# The log-odds that belong to a probability that is known before. #}
{% macro mastery_log_odds_of(probability) %}ln({{ probability }}e0 / (1 - {{ probability }}e0)){% endmacro %}

{# The log-odds after some days without practice. #}
{% macro mastery_faded(days) %}log_odds_at_practice + log_odds_per_log_day * ln(1 + {{ days }} / fading_days){% endmacro %}

{# The columns of a score after some days without practice, over the columns of a state. #}
{% macro mastery_score_at(days) %}round({{ mastery_probability(mastery_faded(days)) }}, 9){% endmacro %}
{% macro mastery_low_at(days) %}round({{ mastery_probability(mastery_faded(days) ~ ' - log_odds_margin') }}, 9){% endmacro %}
{% macro mastery_high_at(days) %}round({{ mastery_probability(mastery_faded(days) ~ ' + log_odds_margin') }}, 9){% endmacro %}
{% macro mastery_recall_at(days) %}round({{ mastery_probability(mastery_faded(days)) }} / {{ mastery_probability('log_odds_at_practice') }}, 9){% endmacro %}

{# The level at an instant. #}
{% macro mastery_level_at(instant) -%}
    case
        when evidence < {{ var('min_evidence') }} then 'unknown'
        when {{ instant }} < mastered_until then 'mastered'
        when {{ instant }} < proficient_until then 'proficient'
        else 'learning'
    end
{%- endmacro %}

{# The instant up to which log-odds of a state stay above a threshold that they now pass by `margin`; null where they do not pass it. #}
{% macro mastery_lasts_until(margin) -%}
    {%- set days -%}
        (fading_days * (exp(least({{ margin }} / -log_odds_per_log_day, 40)) - 1))
    {%- endset -%}
    {%- set minute = "cast(date_trunc('minute', attempted_at) as timestamp)" -%}
    {%- set minutes -%}
        cast(floor(least({{ days }}, 36500) * 1440 + {{ microseconds_between(minute, 'attempted_at') }} / 60e6) as int)
    {%- endset -%}
    case
        when {{ margin }} < 0 then null
        when log_odds_per_log_day >= 0 or {{ days }} > 36500 then cast('9999-12-31 00:00:00' as timestamp)
        else {{ minutes_after(minute, minutes) }}
    end
{%- endmacro %}
