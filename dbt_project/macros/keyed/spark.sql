{#
Keyed models on Spark. With Delta they are brought up to date by keys (see keyed.sql); with Parquet there is no MERGE, and overwriting a partition with
nothing leaves the old rows: a keyed model is built in full by every run, like a table, and keeps no books.

Delta commits each statement for itself. So that a run can be killed between any two of them:

  1. A row in `keyed.builds` says that a batch has begun, with rows and content sum unknown. From then on it is the model's last build: no later build
     takes its number, and the next one counts the rows. Of a full build it has no settings, so that the next run builds in full again.
  2. The log is written before the rows change. An entry too early or twice makes a consumer compute a key once more; a missing one, a wrong number.
  3. One MERGE replaces the rows. If it is done already, a later run finds no difference, and what it would log is in the log.
  4. Progress and applied loads: what they do not cover yet is computed once more, to the same result.
  5. A second row in `keyed.builds` says that the batch has ended.

The books are only ever appended to while models are built: two threads that change one Delta table at once would conflict.
#}
{% materialization keyed, adapter='spark' %}
    {{ return(materialization_keyed_default() if config.get('file_format') == 'delta' else materialization_table_spark()) }}
{% endmaterialization %}

{% macro spark__marts_database() %}{{ return(none) }}{% endmacro %}

{# A test has no file format, so that it looks at all rows. #}
{% macro spark__is_keyed_run() %}
    {%- if config.get('file_format') != 'delta' -%}{{ return(false) }}{%- endif -%}
    {%- set existing = load_cached_relation(this) -%}
    {{ return(existing is not none and existing.is_delta and default__is_keyed_run()) }}
{% endmacro %}

{% macro spark__keyed_last_build(name) %}
    {{ return(default__keyed_last_build(name) if keyed_node(name).config.file_format == 'delta' else counted_build(ref(name))) }}
{% endmacro %}

{# Whether the project is built with Delta: a hook has no file format of its own. #}
{% macro _has_delta(database) %}{{ return('delta' in (keyed_nodes(database) | map(attribute='config.file_format'))) }}{% endmacro %}

{# What a build needs: in a schema of its own, which is dropped at the end of the run. #}
{% macro spark__keyed_books_setup(database) %}
    {%- if execute and _has_delta(database) -%}
        {%- do run_query('create schema if not exists keyed') -%}
        {%- do run_query('create schema if not exists keyed_temp') -%}
        {%- do run_query('create table if not exists ' ~ keyed_books(database, 'builds') ~ ' (' ~ keyed_builds_columns() ~ ') using delta') -%}
        {%- do run_query('create table if not exists ' ~ keyed_books(database, 'progress') ~ ' (' ~ keyed_progress_columns() ~ ') using delta') -%}
    {%- endif -%}
{% endmacro %}

{% macro spark__keyed_books_prune(database) %}
    {%- if execute and _has_delta(database) -%}
        {%- set logs = run_query('show tables in keyed').columns['tableName'].values() -%}
        {%- for node in keyed_nodes(database) if node.name ~ '__changes' in logs -%}
            {%- set taken = run_query(keyed_taken_by_all(node)).rows[0][0] -%}
            {%- do run_query('delete from ' ~ keyed_log(node.name) ~ ' where batch <= ' ~ taken) -%}
        {%- endfor -%}
        {%- for table, of in {'builds': ['model'], 'progress': ['consumer', 'producer']}.items() -%}
            {%- set book = keyed_books(database, table) -%}
            {%- do run_query(
                'insert overwrite ' ~ book ~ ' select distinct read.* from ' ~ book ~ ' as read'
                ~ ' semi join (select ' ~ of | join(', ') ~ ', max(batch) as batch from ' ~ book ~ ' group by ' ~ of | join(', ') ~ ') as newest'
                ~ ' on ' ~ keyed_same(of + ['batch'], 'newest')
            ) -%}
        {%- endfor -%}
        {%- do run_query('drop schema if exists keyed_temp cascade') -%}
    {%- endif -%}
{% endmacro %}

{% macro spark__keyed_temp(part) %}{{ return('keyed_temp.' ~ this.identifier ~ '__' ~ part) }}{% endmacro %}

{# A call takes one statement here. #}
{% macro spark__keyed_send(name, statements, asked) %}
    {%- for sql in statements -%}
        {%- call statement(name, fetch_result=asked and loop.last) -%}{{ sql }}{%- endcall -%}
    {%- endfor -%}
{% endmacro %}

{% macro spark__keyed_keep(part, sql) %}
    {{ return('create or replace table ' ~ keyed_temp(part) ~ ' ' ~ keyed_format() ~ ' as ' ~ sql) }}
{% endmacro %}

{% macro spark__keyed_format() %}using delta {{ options_clause() }}{% endmacro %}

{# Rows are found again by their key. #}
{% macro spark__keyed_row() %}{% endmacro %}

{% macro spark__keyed_keep_differences() %}
    {%- set except = 'select * from {} except all select * from {}' -%}
    {{ return([
        keyed_keep('gone', except.format(keyed_temp('before'), keyed_temp('after'))),
        keyed_keep('come', except.format(keyed_temp('after'), keyed_temp('before'))),
    ]) }}
{% endmacro %}

{# By position: a full build leaves the columns in the order in which the model's SQL has them. #}
{% macro spark__keyed_union_with_before(derived) -%}
    union all select {{ adapter.get_columns_in_relation(this) | map(attribute='name') | reject('in', derived) | join(', ') }} from {{ keyed_temp('before') }}
{%- endmacro %}

{% macro spark__keyed_keep_after(sql) %}{{ return([keyed_keep('after', sql)]) }}{% endmacro %}

{% macro spark__keyed_applied_loads() %}{{ return(keyed_books(none, this.identifier ~ '__loads')) }}{% endmacro %}
{% macro spark__keyed_book_loads(keyed) %}
    {{ return(['create or replace table ' ~ keyed_applied_loads() ~ ' ' ~ keyed_format() ~ ' as select * from ' ~ loads_of(keyed) ~ ' as loads']) }}
{% endmacro %}

{% macro spark__keyed_begin(build, incremental) %}
    {{ return([keyed_builds_row(build, build['settings'] if incremental else '', 'null', 'null')]) }}
{% endmacro %}

{# One statement: the rows of the touched keys go, whichever they are, and the new ones come. #}
{% macro spark__keyed_apply(relation) %}
    {%- set key = config.get('meta')['keyed']['key'] -%}
    {%- set columns = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
    {%- set merge -%}
        merge into {{ relation }} as read
        using (
            select {{ columns | join(', ') }}, false as _goes from {{ keyed_temp('after') }}
            union all
            select {% for column in columns %}{{ 'null as ' if column not in key }}{{ column }}, {% endfor %}true as _goes from {{ keyed_temp('touched') }}
        ) as touched
        on touched._goes and {{ is_touched() }}
        when matched then delete
        when not matched and not touched._goes then insert ({{ columns | join(', ') }}) values (touched.{{ columns | join(', touched.') }})
    {%- endset -%}
    {{ return([merge]) }}
{% endmacro %}

{% macro spark__keyed_replace(relation, sql) %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and not existing.is_delta -%}{% do adapter.drop_relation(existing) %}{%- endif -%}
    {%- if config.get('contract').enforced -%}{% do get_assert_columns_equivalent(sql) %}{%- endif -%}
    {%- call statement('replace') -%}
        create or replace table {{ relation }} {{ keyed_format() }} {{ comment_clause() }} as {{ sql }}
    {%- endcall -%}
{% endmacro %}

{# Tests look at all rows here, so that nothing is logged for them. #}
{% macro spark__keyed_log_columns(keyed) %}{{ return(keyed.get('log', [])) }}{% endmacro %}
{% macro spark__keyed_write_dates(build) %}{{ return([]) }}{% endmacro %}

{# A statement for each column: what a full build has said stays. #}
{% macro spark__keyed_docs(relation, incremental) %}
    {%- if not incremental -%}{%- do persist_docs(relation, model) -%}{%- endif -%}
    {{ return([]) }}
{% endmacro %}
