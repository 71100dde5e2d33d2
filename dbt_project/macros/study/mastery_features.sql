{#
The mastery model in SQL, as docs/guides/mastery_model.md defines it: what a learner did before an attempt, and after it, as features.

A learner's earlier attempts are told by sums that run over all of them, whole numbers throughout, so they are exact in any order: the last k
are a difference of two such sums. `int_study__mastery_states` puts the pieces together; they are generated from the levels below.

States keep their sums. A night computes a learner's attempts from the first touched date on, and looks up in the states before where the sums stood;
a full build, which has all attempts before it, finds that with windows.
#}

{# The levels at which attempts are remembered: what they have in common, how many of the last ones make a memory beside all, and `k0`. #}
{% macro mastery_levels() %}
    {{ return({
        'learner': {'by': 'user_id', 'last': [1, 3, 10, 30, 100, 300], 'k0': '1'},
        'topic': {'by': 'user_id, topic_id', 'last': [1, 3, 10], 'k0': '0.5'},
        'question': {'by': 'user_id, question_id', 'last': [1], 'k0': '0.5'},
    }) }}
{% endmacro %}

{# What is summed up of attempts, each with the column that has it of a single one. #}
{% macro mastery_measures() %}
    {{ return(['correct', 'expected', 'information']) }}
{% endmacro %}

{# The columns in which the attempts of a level are the same. #}
{% macro mastery_by(level) %}{{ return(mastery_levels()[level]['by'].split(', ')) }}{% endmacro %}

{# The running sums of a level, each with what is summed: `topic_attempts`, `topic_correct`, ... #}
{% macro mastery_sums(level) %}
    {%- set sums = {level ~ '_attempts': 1} -%}
    {%- for measure in mastery_measures() -%}{%- do sums.update({level ~ '_' ~ measure: measure}) -%}{%- endfor -%}
    {%- if level == 'topic' -%}{%- do sums.update({'topic_hinted': 'hinted'}) -%}{%- endif -%}
    {{ return(sums) }}
{% endmacro %}

{# The attempts of each level in order, as named windows. `frame` is left away for functions that take none. #}
{% macro mastery_windows(frame='') -%}
    {%- for level, memory in mastery_levels().items() %}
        {{ level }} as (partition by {{ memory['by'] }} order by attempted_at, attempt_id {{ frame }}){{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#
In a night, where the sums stood before the first attempt that is computed, `topic_correct_at_start`, and when the topic had been mastered first. In a full
build that is nothing, and no column is made of it: windows keep every column.
#}
{% macro mastery_sums_at_start() -%}
    {%- if is_keyed_run() -%}
    {%- for level in mastery_levels() %}
    {%- for sum in mastery_sums(level) %}
    coalesce({{ level }}_start.{{ sum }}, 0) as {{ sum }}_at_start,
    {%- endfor %}
    {%- endfor %}
    topic_start.reached_mastered_at as reached_mastered_at_start,
    {%- endif -%}
{%- endmacro %}

{# Joins, in a night, `attempts` with where the sums stood: each only rises, so that its last value is the highest one. #}
{% macro mastery_join_start() -%}
    {%- for level in mastery_levels() if is_keyed_run() %}
    {%- set by = mastery_by(level) %}
    left join (
        select
            read.{{ by | join(', read.') }},
            {%- for sum in mastery_sums(level) %}
            max(read.{{ sum }}) as {{ sum }},
            {%- endfor %}
            min(read.reached_mastered_at) as reached_mastered_at
        from {{ earlier_rows(by=['user_id'], date='date') }} as read
        semi join attempts as other on {{ keyed_same(by, 'other') }}
        group by read.{{ by | join(', read.') }}
    ) as {{ level }}_start on {% for column in by %}attempts.{{ column }} = {{ level }}_start.{{ column }}{{ ' and ' if not loop.last }}{% endfor %}
    {%- endfor %}
{%- endmacro %}

{# The running sums of each level, the attempt included. #}
{% macro mastery_sums_so_far() -%}
    {%- for level in mastery_levels() %}
    {%- for sum, summed in mastery_sums(level).items() %}
    {{ sum ~ '_at_start + ' if is_keyed_run() }}{{ 'count(*) over ' ~ level if summed == 1 else 'cast(sum(' ~ summed ~ ') over ' ~ level ~ ' as bigint)' }} as {{ sum }},
    {%- endfor %}
    {%- endfor %}
{%- endmacro %}

{# The same as columns of a relation, to be handed on. #}
{% macro mastery_sum_columns(relation) -%}
    {%- for level in mastery_levels() %}
    {%- for sum in mastery_sums(level) %}
    {{ relation }}.{{ sum }},
    {%- endfor %}
    {%- endfor %}
{%- endmacro %}

{#
What is looked up of the attempts before, each with the sum and how many attempts ago: `topic_correct_3_ago` is `topic_correct` as it stood 3 attempts ago.
For the last k, sums as they stood k and k + 1 attempts ago.
#}
{% macro mastery_ago(level) %}
    {%- set places = [] -%}
    {%- for last in mastery_levels()[level]['last'] -%}{%- do places.extend([last, last + 1] if level != 'question' else [last + 1]) -%}{%- endfor -%}
    {%- set ago = {} -%}
    {%- for place in places | unique -%}
        {%- for measure in mastery_measures() -%}
            {%- do ago.update({level ~ '_' ~ measure ~ '_' ~ place ~ '_ago': {'of': level ~ '_' ~ measure, 'place': place, 'else': 0}}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if level == 'topic' -%}
        {%- do ago.update({
            'previous_on_topic_at': {'of': 'attempted_at', 'place': 1},
            'learner_attempts_at_previous_on_topic': {'of': 'learner_attempts', 'place': 1},
        }) -%}
    {%- elif level == 'question' -%}
        {%- do ago.update({'learner_attempts_at_previous_at_question': {'of': 'learner_attempts', 'place': 1}}) -%}
    {%- endif -%}
    {{ return(ago) }}
{% endmacro %}

{# That as columns. The level with the fewest comes first: each window is sorted with what those before it have added. #}
{% macro mastery_columns_ago() -%}
    {%- for level in mastery_levels() | reverse %}
    {%- for name, looked_up in mastery_ago(level).items() %}
    {%- set value = level ~ '_ago.' ~ name if is_keyed_run() else 'lag(' ~ looked_up['of'] ~ ', ' ~ looked_up['place'] ~ ') over ' ~ level %}
    {{ 'coalesce(' ~ value ~ ', ' ~ looked_up['else'] ~ ')' if 'else' in looked_up else value }} as {{ name }},
    {%- endfor %}
    {%- endfor %}
{%- endmacro %}

{# Joins, in a night, `so_far` with what it looks up, among its own rows and the states before. #}
{% macro mastery_join_ago() -%}
    {%- for level in mastery_levels() if is_keyed_run() %}
    {%- set by = mastery_by(level) %}
    {%- set number = level ~ '_attempts' %}
    {%- set columns = by + [number, 'attempted_at', 'learner_attempts'] + mastery_sums(level).keys() | list %}
    left join (
        select
            wanted.{{ by | join(', wanted.') }},
            {%- for name, looked_up in mastery_ago(level).items() %}
            max(case when wanted.place = {{ looked_up['place'] }} then read.{{ looked_up['of'] }} end) as {{ name }},
            {%- endfor %}
            wanted.{{ number }}
        from (
            select
                so_far.*,
                places.place
            from so_far
            cross join (
                values {% for place in mastery_ago(level).values() | map(attribute='place') | unique %}({{ place }}){{ ', ' if not loop.last }}{% endfor %}
            ) as places (place)
        ) as wanted
        inner join (
            select {{ columns | unique | join(', ') }} from so_far
            union all
            select {{ columns | unique | join(', ') }} from {{ earlier_rows(by=['user_id'], date='date') }} as earlier
        ) as read on {{ keyed_same(by, 'wanted') }} and read.{{ number }} = wanted.{{ number }} - wanted.place
        group by wanted.{{ by | join(', wanted.') }}, wanted.{{ number }}
    ) as {{ level }}_ago
        on {% for column in by + [number] %}so_far.{{ column }} = {{ level }}_ago.{{ column }}{{ ' and ' if not loop.last }}{% endfor %}
    {%- endfor %}
    {%- if not is_keyed_run() %}
    window {{ mastery_windows() }}
    {%- endif %}
{%- endmacro %}

{# The memories that matter at a moment: before an attempt all, after it those of a question that was not met yet are empty. #}
{% macro mastery_memories(moment) %}
    {%- set memories = [] -%}
    {%- for level, memory in mastery_levels().items() if moment == 'before' or level != 'question' -%}
        {%- for last in memory['last'] + ['all'] -%}
            {%- do memories.append({'level': level, 'last': last, 'name': level ~ '_' ~ last, 'k0': memory['k0']}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(memories) }}
{% endmacro %}

{# What each memory holds: `attempts_before_topic_3`, `correct_before_topic_3`, ... #}
{% macro mastery_memory_columns(moment) -%}
    {%- set is_before = moment == 'before' -%}
    {%- for memory in mastery_memories(moment) %}
    {%- set attempts = memory['level'] ~ '_attempts' ~ (' - 1' if is_before else '') -%}
    {%- set last = memory['last'] %}
    {{ attempts if last == 'all' else 'least(' ~ attempts ~ ', ' ~ last ~ ')' }} as attempts_{{ moment }}_{{ memory['name'] }},
    {%- for measure in mastery_measures() %}
    {%- set so_far = memory['level'] ~ '_' ~ measure %}
    {{ so_far }}
    {{- ' - ' ~ measure if is_before }}
    {{- '' if last == 'all' else ' - ' ~ so_far ~ '_' ~ (last + 1 if is_before else last) ~ '_ago' }} as {{ measure }}_{{ moment }}_{{ memory['name'] }},
    {%- endfor %}
    {%- endfor %}
{%- endmacro %}

{# The features at a moment, each with its SQL over the columns of memories. Those that are 0 by definition are not among them. #}
{% macro mastery_features(moment) %}
    {%- set features = {} -%}
    {%- for memory in mastery_memories(moment) -%}
        {%- set of_memory = '_' ~ moment ~ '_' ~ memory['name'] -%}
        {%- do features.update({
            memory['name'] ~ '_correct': 'ln(1 + correct' ~ of_memory ~ ')',
            memory['name'] ~ '_wrong': 'ln(1 + attempts' ~ of_memory ~ ' - correct' ~ of_memory ~ ')',
            memory['name'] ~ '_strength':
                '(correct' ~ of_memory ~ ' - expected' ~ of_memory ~ ' / 1e6) / (information' ~ of_memory ~ ' / 1e6 + ' ~ memory['k0'] ~ ')',
        }) -%}
        {%- if memory['last'] == 'all' -%}
            {%- do features.update({memory['level'] ~ '_attempts': 'ln(1 + attempts' ~ of_memory ~ ')'}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set question_difficulty = 'question_difficulty' if moment == 'before' else 'topic_difficulty' -%}
    {%- do features.update({
        'question_difficulty': question_difficulty,
        'topic_difficulty': 'topic_difficulty',
        'topic_hinted': 'ln(1 + topic_hinted' ~ (' - hinted' if moment == 'before' else '') ~ ')',
        'topic_pause': 'coalesce(ln(1 + learner_attempts - learner_attempts_at_previous_on_topic), 0)' if moment == 'before' else 'ln(2e0)',
        'difficulty_of_strong': question_difficulty ~ ' * ' ~ features['learner_all_strength'],
        'difficulty_of_practised': question_difficulty ~ ' * ' ~ features['topic_10_correct'],
        'learner_100_correct_of_attempts': features['learner_100_correct'] ~ ' * ' ~ features['learner_attempts'],
    }) -%}
    {%- if moment == 'before' -%}
        {%- set topic_fading = 'coalesce(ln(1 + ' ~ mastery_days('previous_on_topic_at', 'attempted_at') ~ ' / fading_days), 0)' -%}
        {%- set question_pause = 'coalesce(ln(1 + learner_attempts - learner_attempts_at_previous_at_question), 0)' -%}
        {%- do features.update({
            'topic_fading': topic_fading,
            'topic_fading_of_practice': topic_fading ~ ' * ' ~ features['topic_attempts'],
            'question_pause': question_pause,
            'question_pause_of_strength': question_pause ~ ' * ' ~ features['question_all_strength'],
            'difficulty_of_known': question_difficulty ~ ' * ' ~ features['question_attempts'],
        }) -%}
    {%- endif -%}
    {{ return(features) }}
{% endmacro %}

{# The features as columns: `before_topic_3_strength`, ... #}
{% macro mastery_feature_columns(moment) -%}
    {%- for feature, sql in mastery_features(moment).items() %}
    {{ sql }} as {{ moment }}_{{ feature }},
    {%- endfor %}
{%- endmacro %}

{# The coefficients of the fitted model in one row, and its other numbers; 0 where it has none. `coefficients` names a relation with a row each. #}
{% macro mastery_coefficients(coefficients) %}
    select
        {%- for name in ['intercept'] + mastery_features('before').keys() | list + ['interval_variance', 'interval_newness'] %}
        coalesce(max(case when feature = '{{ name }}' then coefficient end), 0) as {{ name }},
        {%- endfor %}
        coalesce(max(case when feature = 'fading_days' then coefficient end), 1) as fading_days
    from {{ coefficients }}
{% endmacro %}

{# The log-odds of a correct answer. #}
{% macro mastery_log_odds(moment) -%}
    coefficients.intercept
    {%- for feature in mastery_features(moment) %}
    + coefficients.{{ feature }} * features.{{ moment }}_{{ feature }}
    {%- endfor %}
{%- endmacro %}
