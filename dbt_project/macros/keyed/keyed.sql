{#
A keyed model is brought up to date by whole keys: the keys that changed upstream since it last looked are deleted and
computed again, and nothing else. docs/guides/a_night_by_keys.md explains it; this file is the mechanism.

Config, under `meta.keyed`:

  key       columns that name what is recomputed whole (a session, a user's day).
  follows   {producer: "select <key> from changes"}: the keyed models whose change logs say which keys are touched. `changes`
            are the entries of the producer's log that this model has not taken yet.
  loads     [[system, stream], ...]: for models on the raw lake, the streams whose unapplied loads touch keys (see loads.sql).
  also      "select <key> from self where ...": keys touched by as-of alone, found in what was open before.
  log       columns of this model that its followers need; entries are written for rows that really differ, before and after.
  date      the column of `follows` and `also` that holds the dates to read (optional). It lets `touched_rows` skip row groups.
  dates_in  {model: [columns]}: the keyed model that knows on which dates a key has rows, and the columns to look the key up by;
            by default the model itself. It has to cover what was read before; what changed since is in the logs.
  as_of     true: rows depend on as-of; when that moves backward the model is built in full.
#}
{% materialization keyed, adapter='duckdb' %}
    {%- set keyed = config.get('meta')['keyed'] -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set incremental = is_keyed_run() -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if incremental -%}
        {%- do keyed_take_touched(keyed) -%}
        {%- call statement('before') -%}
            create or replace temp table {{ keyed_temp('before') }} as
            select *, rowid as _row from {{ keyed_own_touched_rows(keyed) }}
        {%- endcall -%}
        {%- if config.get('contract').enforced -%}
            {% do get_assert_columns_equivalent(compiled_code) %}
        {%- endif -%}
        {%- call statement('after') -%}
            create or replace temp table {{ keyed_temp('after') }} as
            select * from {{ this }} limit 0;
            insert into {{ keyed_temp('after') }} by name {{ keyed_fill_dates(compiled_code, keyed) }}
        {%- endcall -%}
        {%- do keyed_refuse_untouched(keyed) -%}
        {%- call statement('differences') -%}
            create or replace temp table {{ keyed_temp('gone') }} as
            select * exclude (_row) from {{ keyed_temp('before') }} except all from {{ keyed_temp('after') }};
            create or replace temp table {{ keyed_temp('come') }} as
            from {{ keyed_temp('after') }} except all select * exclude (_row) from {{ keyed_temp('before') }}
        {%- endcall -%}
        {%- call statement('book') -%}
            {{ keyed_book_build(target_relation, 'next') }}
        {%- endcall -%}
        {%- if keyed.get('log') -%}
            {%- call statement('log') -%}
                insert into {{ keyed_log(this.identifier) }}
                select distinct {{ keyed_current_batch(this.identifier) }}, {{ keyed['log'] | join(', ') }}
                from (from {{ keyed_temp('gone') }} union all from {{ keyed_temp('come') }})
            {%- endcall -%}
        {%- endif -%}
        {%- call statement('main') -%}
            delete from {{ target_relation }} where rowid in (select _row from {{ keyed_temp('before') }});
            insert into {{ target_relation }} by name select * from {{ keyed_temp('after') }}
        {%- endcall -%}
    {%- else -%}
        {%- if existing is not none -%}
            {%- call statement('drop') -%}drop {{ existing.type }} if exists {{ existing }}{%- endcall -%}
        {%- endif -%}
        {%- call statement('main') -%}{{ create_table_as(False, target_relation, compiled_code) }}{%- endcall -%}
        {%- call statement('book') -%}
            {{ keyed_book_build(target_relation, 'first') }}
        {%- endcall -%}
        {%- if keyed.get('log') -%}
            {%- call statement('log') -%}
                create or replace table {{ keyed_log(this.identifier) }} as
                select 0::bigint as batch, {{ keyed['log'] | join(', ') }} from {{ target_relation }} limit 0
            {%- endcall -%}
        {%- endif -%}
    {%- endif -%}

    {%- call statement('progress') -%}{{ keyed_book_progress(keyed) }}{%- endcall -%}
    {% do persist_docs(target_relation, model) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{# The touched keys, and the dates to read for them, as temporary tables. #}
{% macro keyed_take_touched(keyed) %}
    {%- set key = keyed['key'] | join(', ') -%}
    {%- set date = keyed.get('date') -%}
    {%- call statement('touched') -%}
        create or replace temp table {{ keyed_temp('found') }} as
        {{ keyed_touched_sql(keyed) }};
        create or replace temp table {{ keyed_temp('touched') }} as
        select distinct {{ key }} from {{ keyed_temp('found') }}
        where {% for column in keyed['key'] %}{{ column }} is not null{{ ' and ' if not loop.last }}{% endfor %}
    {%- endcall -%}
    {%- if date -%}
        {%- call statement('dates') -%}
            create or replace temp table {{ keyed_temp('dates') }} as
            select {{ date }} from {{ keyed_temp('found') }} where {{ date }} is not null
            {%- if date not in keyed['key'] %}
            union
            {%- for relation, columns in (keyed.get('dates_in') or {this.identifier: keyed['key']}).items() %}
            select {{ date }} from {{ keyed_relation(relation) }} semi join {{ keyed_temp('touched') }} using ({{ columns | join(', ') }})
            {%- endfor %}
            {%- else %} group by {{ date }}
            {%- endif -%}
        {%- endcall -%}
    {%- endif -%}
{% endmacro %}

{# The compiled model with the span of the touched dates in it (see `touched_rows`); an empty span where nothing is touched. #}
{% macro keyed_fill_dates(sql, keyed) %}
    {%- if keyed_first_date() not in sql -%}{{ return(sql) }}{%- endif -%}
    {%- set span = run_query(
        "select coalesce(min(" ~ keyed['date'] ~ "), date '9999-12-30')::varchar, coalesce(max(" ~ keyed['date'] ~ "), date '0001-01-01')::varchar from "
        ~ keyed_temp('dates')
    ).rows[0] -%}
    {{ return(sql | replace(keyed_first_date(), span[0]) | replace(keyed_last_date(), span[1])) }}
{% endmacro %}

{% macro keyed_touched_sql(keyed) %}
    {%- set parts = [] -%}
    {%- for producer, select_keys in keyed.get('follows', {}).items() -%}
        {%- do parts.append('(with changes as (' ~ keyed_pending(producer) ~ ') ' ~ select_keys ~ ')') -%}
    {%- endfor -%}
    {%- if keyed.get('loads') -%}{%- do parts.append('(' ~ keys_of_unapplied_loads(keyed) ~ ')') -%}{%- endif -%}
    {%- if keyed.get('also') -%}
        {%- do parts.append('(with self as (from ' ~ this ~ ') ' ~ keyed['also'] ~ ')') -%}
    {%- endif -%}
    {{ parts | join(' union ') }}
{% endmacro %}

{# The model's own rows of the touched keys, with their row ids. Read with the date filter where the model has the date. #}
{% macro keyed_own_touched_rows(keyed) %}
    {{- this }} semi join {{ keyed_temp('touched') }} using ({{ keyed['key'] | join(', ') }})
    {%- if keyed.get('date') and not keyed.get('dates_in') %} where {{ keyed['date'] }} in (select {{ keyed['date'] }} from {{ keyed_temp('dates') }}){% endif -%}
{% endmacro %}

{# Recomputing a key must not touch another one: such a row would stand twice, or change without anyone being told. #}
{% macro keyed_refuse_untouched(keyed) %}
    {%- set stray = run_query(
        'select count(*) from ' ~ keyed_temp('after') ~ ' anti join ' ~ keyed_temp('touched') ~ ' using (' ~ keyed['key'] | join(', ') ~ ')'
    ).rows[0][0] -%}
    {%- if stray -%}
        {{ exceptions.raise_compiler_error(this.identifier ~ ' emits ' ~ stray ~ ' rows outside its touched keys: read through touched_rows()') }}
    {%- endif -%}
{% endmacro %}
