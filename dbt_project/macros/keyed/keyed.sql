{#
A keyed model is brought up to date by whole keys: the keys that changed upstream since it last looked are deleted and
computed again, and nothing else. docs/guides/a_night_by_keys.md explains it; this file is the mechanism.

Config, under `meta.keyed`:

  key       columns that name what is recomputed whole (a session, a user's day).
  follows   {producer: "select <key> from changes"}: the keyed models whose change logs say which keys are touched. `changes`
            are the entries of the producer's log that this model has not taken yet, `self` the model's rows before.
  loads     [[system, stream], ...]: for models on the raw lake, the streams whose unapplied loads touch keys (see loads.sql).
  also      "select <key> from self where ...": keys touched by as-of alone, found in what was open before. The CTE `as_of`
            has as-of.
  log       columns of this model that its followers need; entries are written for rows that really differ, before and after.
  date      the column of `follows` and `also` that holds the dates to read (optional). It lets `touched_rows` skip row groups.
  dates_in  {model: [columns]}: the keyed model that knows on which dates a key has rows, and the columns to look the key up by;
            by default the model itself. It has to cover what was read before; what changed since is in the logs.
  as_of     true: rows depend on as-of; when that moves backward the model is built in full.
  champion  true: rows depend on the fitted model of topic mastery; when another one is promoted the model is built in full.
#}
{% materialization keyed, default %}
    {%- set keyed = config.get('meta')['keyed'] -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set incremental = is_keyed_run() -%}
    {%- set build = keyed_new_build('next' if incremental else 'first') -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if incremental -%}
        {%- do keyed_take_touched(keyed) -%}
        {%- do keyed_keep('before', keyed_own_touched_rows(keyed)) -%}
        {%- set sql = keyed_fill_dates(compiled_code, keyed) -%}
        {%- if config.get('contract').enforced -%}
            {% do get_assert_columns_equivalent(sql) %}
        {%- endif -%}
        {%- do keyed_keep_after(sql) -%}
        {%- do keyed_refuse_untouched() -%}
        {%- do keyed_keep('gone', 'select * from ' ~ keyed_before() ~ ' except all select * from ' ~ keyed_temp('after')) -%}
        {%- do keyed_keep('come', 'select * from ' ~ keyed_temp('after') ~ ' except all select * from ' ~ keyed_before()) -%}
        {%- if keyed_differs() -%}
            {%- do keyed_begin(build, incremental) -%}
            {%- if keyed.get('log') -%}
                {%- call statement('log') -%}
                    insert into {{ keyed_log(this.identifier) }}
                    select distinct {{ build['batch'] }}, {{ keyed['log'] | join(', ') }}
                    from (select * from {{ keyed_temp('gone') }} union all select * from {{ keyed_temp('come') }}) as differences
                {%- endcall -%}
            {%- endif -%}
            {%- do keyed_apply(target_relation) -%}
        {%- endif -%}
    {%- else -%}
        {%- do keyed_begin(build, incremental) -%}
        {%- do keyed_replace(target_relation, compiled_code) -%}
        {%- if keyed.get('log') -%}
            {%- call statement('log') -%}
                create or replace table {{ keyed_log(this.identifier) }} {{ keyed_format() }} as
                select cast(0 as bigint) as batch, {{ keyed['log'] | join(', ') }} from {{ target_relation }} limit 0
            {%- endcall -%}
        {%- endif -%}
    {%- endif -%}

    {%- if keyed.get('follows') -%}
        {%- call statement('progress') -%}{{ keyed_book_progress(keyed) }}{%- endcall -%}
    {%- endif -%}
    {%- if keyed.get('loads') -%}
        {%- call statement('loads') -%}{{ keyed_book_loads(keyed) }}{%- endcall -%}
    {%- endif -%}
    {%- call statement('main') -%}{{ keyed_book_build(target_relation, build) }}{%- endcall -%}
    {%- do keyed_persist_docs(target_relation, incremental) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{#
What engines do differently. DuckDB does all of a build in one transaction, and keeps what a build needs in temporary tables.
#}

{# A table that this build of the model needs, and nothing after it. #}
{% macro keyed_temp(part) %}{{ return(adapter.dispatch('keyed_temp')(part)) }}{% endmacro %}
{% macro default__keyed_temp(part) %}{{ return('temp.' ~ this.identifier ~ '__' ~ part) }}{% endmacro %}

{% macro keyed_keep(part, sql) %}{{ return(adapter.dispatch('keyed_keep')(part, sql)) }}{% endmacro %}
{% macro default__keyed_keep(part, sql) %}
    {%- call statement(part) -%}create or replace temp table {{ keyed_temp(part) }} as {{ sql }}{%- endcall -%}
{% endmacro %}

{# How a table is stored, where there is a choice. #}
{% macro keyed_format() %}{{ return(adapter.dispatch('keyed_format')()) }}{% endmacro %}
{% macro default__keyed_format() %}{% endmacro %}

{# What finds a row again to delete it, as a column `_row` of `before`. #}
{% macro keyed_row() %}{{ return(adapter.dispatch('keyed_row')()) }}{% endmacro %}
{% macro default__keyed_row() %}, read.rowid as _row{% endmacro %}

{% macro keyed_before() %}{{ return(adapter.dispatch('keyed_before')()) }}{% endmacro %}
{% macro default__keyed_before() %}{{ return('(select * exclude (_row) from ' ~ keyed_temp('before') ~ ')') }}{% endmacro %}

{# Behind a select of the model's columns but the derived ones: the same of its rows before. #}
{% macro keyed_union_with_before(derived) %}{{ return(adapter.dispatch('keyed_union_with_before')(derived)) }}{% endmacro %}
{% macro default__keyed_union_with_before(derived) -%}
    union all by name select * exclude (_row, {{ derived | join(', ') }}) from {{ keyed_temp('before') }}
{%- endmacro %}

{# Keeps the touched rows as the model's SQL gives them now, with the model's columns and their types. #}
{% macro keyed_keep_after(sql) %}{{ return(adapter.dispatch('keyed_keep_after')(sql)) }}{% endmacro %}
{% macro default__keyed_keep_after(sql) %}
    {%- do keyed_keep('after', 'select * from ' ~ this ~ ' limit 0') -%}
    {%- call statement('after') -%}insert into {{ keyed_temp('after') }} by name {{ sql }}{%- endcall -%}
{% endmacro %}

{# Called before anything is changed. A transaction takes back what was changed before a crash. #}
{% macro keyed_begin(build, incremental) %}{{ return(adapter.dispatch('keyed_begin')(build, incremental)) }}{% endmacro %}
{% macro default__keyed_begin(build, incremental) %}{% endmacro %}

{# Replaces the touched rows. #}
{% macro keyed_apply(relation) %}{{ return(adapter.dispatch('keyed_apply')(relation)) }}{% endmacro %}
{% macro default__keyed_apply(relation) %}
    {%- call statement('apply') -%}
        delete from {{ relation }} where rowid in (select _row from {{ keyed_temp('before') }});
        insert into {{ relation }} by name select * from {{ keyed_temp('after') }}
    {%- endcall -%}
{% endmacro %}

{# Builds the model in full. #}
{% macro keyed_replace(relation, sql) %}{{ return(adapter.dispatch('keyed_replace')(relation, sql)) }}{% endmacro %}
{% macro default__keyed_replace(relation, sql) %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none -%}
        {%- call statement('drop') -%}drop {{ existing.type }} if exists {{ existing }}{%- endcall -%}
    {%- endif -%}
    {%- call statement('replace') -%}{{ create_table_as(False, relation, sql) }}{%- endcall -%}
{% endmacro %}

{% macro keyed_persist_docs(relation, incremental) %}{{ return(adapter.dispatch('keyed_persist_docs')(relation, incremental)) }}{% endmacro %}
{% macro default__keyed_persist_docs(relation, incremental) %}{% do persist_docs(relation, model) %}{% endmacro %}


{#
What they share.
#}

{# The touched keys, and the dates to read for them. #}
{% macro keyed_take_touched(keyed) %}
    {%- set date = keyed.get('date') -%}
    {%- set found = keyed_temp('found') -%}
    {%- do keyed_keep('found', keyed_touched_sql(keyed)) -%}
    {%- do keyed_keep(
        'touched',
        'select distinct ' ~ keyed['key'] | join(', ') ~ ' from ' ~ found ~ ' where ' ~ keyed['key'] | join(' is not null and ') ~ ' is not null'
    ) -%}
    {%- if date -%}
        {%- set dates = ['select ' ~ date ~ ' from ' ~ found ~ ' where ' ~ date ~ ' is not null'] -%}
        {%- if date not in keyed['key'] -%}
            {%- for relation, columns in (keyed.get('dates_in') or {this.identifier: keyed['key']}).items() -%}
                {%- do dates.append(
                    'select ' ~ date ~ ' from ' ~ keyed_relation(relation) ~ ' semi join ' ~ keyed_temp('touched') ~ ' using (' ~ columns | join(', ') ~ ')'
                ) -%}
            {%- endfor -%}
        {%- endif -%}
        {%- do keyed_keep('dates', 'select distinct ' ~ date ~ ' from (' ~ dates | join(' union all ') ~ ') as dates') -%}
    {%- endif -%}
{% endmacro %}

{# The compiled model with the span of the touched dates in it (see `touched_rows`); an empty span where nothing is touched. #}
{% macro keyed_fill_dates(sql, keyed) %}
    {%- if keyed_first_date() not in sql -%}{{ return(sql) }}{%- endif -%}
    {%- set span = run_query(
        "select cast(coalesce(min(" ~ keyed['date'] ~ "), date '2000-01-02') as string) as first_date,"
        ~ " cast(coalesce(max(" ~ keyed['date'] ~ "), date '2000-01-01') as string) as last_date from " ~ keyed_temp('dates')
    ).rows[0] -%}
    {{ return(sql | replace(keyed_first_date(), span[0]) | replace(keyed_last_date(), span[1])) }}
{% endmacro %}

{% macro keyed_touched_sql(keyed) %}
    {%- set parts = [] -%}
    {%- set self = 'self as (select * from ' ~ this ~ ')' -%}
    {%- for producer, select_keys in keyed.get('follows', {}).items() -%}
        {%- do parts.append('(with changes as (' ~ keyed_pending(producer) ~ '), ' ~ self ~ ' ' ~ select_keys ~ ')') -%}
    {%- endfor -%}
    {%- if keyed.get('loads') -%}{%- do parts.append('(' ~ keys_of_unapplied_loads(keyed) ~ ')') -%}{%- endif -%}
    {%- if keyed.get('also') -%}
        {%- do parts.append('(with ' ~ self ~ ', as_of as (select * from ' ~ ref('int_as_of') ~ ') ' ~ keyed['also'] ~ ')') -%}
    {%- endif -%}
    {{ return(parts | join(' union ')) }}
{% endmacro %}

{# The model's own rows of the touched keys. Read with the date filter where the model has the date. #}
{% macro keyed_own_touched_rows(keyed) %}
    select read.*{{ keyed_row() }} from {{ this }} as read
    semi join {{ keyed_temp('touched') }} as touched on {{ is_touched() }}
    {%- if keyed.get('date') and not keyed.get('dates_in') %} where read.{{ keyed['date'] }} in (select {{ keyed['date'] }} from {{ keyed_temp('dates') }}){% endif -%}
{% endmacro %}

{# Recomputing a key must not touch another one: such a row would stand twice, or change without anyone being told. #}
{% macro keyed_refuse_untouched() %}
    {%- set stray = run_query(
        'select count(*) as rows from ' ~ keyed_temp('after') ~ ' as read anti join ' ~ keyed_temp('touched') ~ ' as touched on ' ~ is_touched()
    ).rows[0][0] -%}
    {%- if stray -%}
        {{ exceptions.raise_compiler_error(this.identifier ~ ' emits ' ~ stray ~ ' rows outside its touched keys: read through touched_rows()') }}
    {%- endif -%}
{% endmacro %}

{% macro keyed_differs() %}
    {{ return(run_query(
        'select count(*) as rows from (select 1 as one from ' ~ keyed_temp('gone') ~ ' union all select 1 as one from ' ~ keyed_temp('come') ~ ') as differences'
    ).rows[0][0] > 0) }}
{% endmacro %}
