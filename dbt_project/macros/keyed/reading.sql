{#
How a keyed model reads: `touched_rows(ref('x'))` stands for the rows of x that belong to the touched keys in a keyed run, and
for x itself in a full build. So a model reads like plain SQL either way.

  columns   where x names the key's columns otherwise: {key column: 'read.<column of x>', or an expression of it}
  date      x's date column, when x is written in its order: row groups of other dates are skipped. It is a second filter
            beside the key: DuckDB prunes by a list of dates, not by a join on (key, date).
  time      instead of `date`, x's time column, when x has no date: row groups outside the span of the dates are skipped.
  days      where the key's date stands for other days of x than itself, which: a week's Monday for `range(7)`.
  by        the columns of the key that x is read by, where that is not all: all days of the users whose days are touched.
#}
{% macro touched_rows(relation, columns={}, date=none, time=none, days=[0], by=none) %}
    {%- if is_keyed_run() -%}
        {%- set keyed = config.get('meta')['keyed'] -%}
        (
            select read.* from {{ relation }} as read
            semi join {{ keyed_touched('touched') }} as touched on {{ is_touched(columns, by) }}
            {%- if date and keyed.get('date') %}
            where read.{{ date }} in (
                {%- for day in days %}
                select {{ days_after(keyed['date'], day) if day else keyed['date'] }} from {{ keyed_touched('dates') }}
                {{- ' union all' if not loop.last }}
                {%- endfor %}
            )
            {%- elif time and keyed.get('date') %}
            where read.{{ time }} >= {{ keyed_touched_date('first') }} + {{ days | min }}
                and read.{{ time }} < {{ keyed_touched_date('last') }} + {{ days | max + 1 }}
            {%- endif %}
        )
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{% endmacro %}

{#
In a keyed run, the model's own rows before the first touched date of the same `by` (columns of the key): what a model that goes on from day to day, and
computes every day after a touched one again, starts from. With `days`, only those of so many days.
#}
{% macro earlier_rows(by, date, days=none) %}
    (
        select read.* from {{ this }} as read
        inner join (select {{ by | join(', ') }}, min({{ date }}) as first_date from {{ keyed_temp('touched') }} group by {{ by | join(', ') }}) as touched
            on {{ keyed_same(by, 'touched') }} and read.{{ date }} < touched.first_date
        {%- if days %} and read.{{ date }} >= {{ days_after('touched.first_date', -days) }}
        where read.{{ date }} >= {{ days_after(keyed_touched_date('first'), -days) }}
        {%- endif %}
    )
{%- endmacro %}

{#
In a keyed run, the rows of `relation` of the same `by` (columns of the key) on the first touched date or later, for a model whose key has a date and whose
rows tell of later days too; in a full build all rows. `date` is its date column.

  days_before   so many days earlier than that date too, an expression of `read`,
  most_days     which is nowhere larger than this: so that row groups can be skipped, as in `touched_rows`.
#}
{% macro later_rows(relation, by, date, days_before=0, most_days=0) %}
    {%- if is_keyed_run() -%}
        {%- set key_date = config.get('meta')['keyed']['date'] -%}
        (
            select read.* from {{ relation }} as read
            inner join (
                select {{ by | join(', ') }}, min({{ key_date }}) as first_date from {{ keyed_temp('touched') }} group by {{ by | join(', ') }}
            ) as touched
                on {{ keyed_same(by, 'touched') }} and {{ days_after('read.' ~ date, days_before) }} >= touched.first_date
            where read.{{ date }} >= {{ days_after(keyed_touched_date('first'), -1 * most_days) }}
        )
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{% endmacro %}

{# The touched keys, and the dates to read for them. A model has kept them; a test, in whose key the date is, finds both in the logs. #}
{% macro keyed_touched(part) %}
    {{ return(keyed_temp(part) if model.resource_type == 'model' else '(' ~ keyed_touched_sql(config.get('meta')['keyed']) ~ ')') }}
{% endmacro %}

{#
The first and the last of the dates to read, null where there are none. A model has them filled in by its materialization, as its text is compiled
before they are known; a test asks for them.
#}
{% macro keyed_touched_date(which) %}
    {%- if model.resource_type == 'model' -%}
        {{ return("date '" ~ (keyed_first_date() if which == 'first' else keyed_last_date()) ~ "'") }}
    {%- endif -%}
    {%- set date = config.get('meta')['keyed']['date'] -%}
    {{ return('(select ' ~ ('min' if which == 'first' else 'max') ~ '(' ~ date ~ ') from ' ~ keyed_touched('dates') ~ ' as dates)') }}
{% endmacro %}
{% macro keyed_first_date() %}{{ return('__first touched date__') }}{% endmacro %}
{% macro keyed_last_date() %}{{ return('__last touched date__') }}{% endmacro %}

{# Whether a row of `read` belongs to a key of `touched`. #}
{% macro is_touched(columns={}, by=none) %}{{ return(keyed_same(by or config.get('meta')['keyed']['key'], 'touched', columns)) }}{% endmacro %}

{# Whether a row of `read` and one of `other` are the same in some columns, as far as `columns` has none of them otherwise. #}
{% macro keyed_same(names, other, columns={}) %}
    {%- set pairs = [] -%}
    {%- for name in names -%}{%- do pairs.append(columns.get(name, 'read.' ~ name) ~ ' = ' ~ other ~ '.' ~ name) -%}{%- endfor -%}
    {{ return(pairs | join(' and ')) }}
{% endmacro %}

{#
Whether this run recomputes touched keys only. False when the model does not exist yet, was built with other code or settings,
a producer was built in full since, as-of moved backward for a model that depends on it, or so many rows arrived that all are computed sooner than
their keys: then it is built in full. For a data test, whether it may look
at news alone (see tests.sql).
#}
{% macro is_keyed_run() %}{{ return(adapter.dispatch('is_keyed_run')() if execute else false) }}{% endmacro %}
{% macro default__is_keyed_run() %}
    {%- if model.resource_type == 'test' -%}{{ return(is_test_of_news(config.get('meta')['keyed']['follows'].keys() | list)) }}{%- endif -%}
    {{ return(
        not should_full_refresh() and load_cached_relation(this) is not none and keyed_standing()['is_current'] and not is_mostly_unapplied()
    ) }}
{% endmacro %}
