{#
A keyed model is brought up to date by whole keys: the keys that changed upstream since it last looked are computed again, and
nothing else. docs/guides/a_night_by_keys.md explains it; this file is the mechanism.

Config, under `meta.keyed`:

  key       columns that name what is recomputed whole (a session, a user's day).
  key_of    where the key is a hash, the columns that it is the hash of (optional).
  follows   {producer: "select <key> from changes"}: the keyed models whose change logs say which keys are touched. `changes`
            are the entries of the producer's log that this model has not taken yet, `self` the model's rows before.
  loads     [[system, stream], ...]: for models on the raw lake, the streams whose unapplied loads touch keys (see loads.sql).
  also      "select <key> from self where ...": keys touched by as-of alone, found in what was open before.
  log       columns of this model that its followers need besides the key; entries are written for rows that really differ, before and after.
  date      the column of `follows` and `also` that holds the dates to read (optional). It lets `touched_rows` skip row groups.
  dates_in  {model: [columns]}: the keyed model that knows on which dates a key has rows, and the columns to look the key up by;
            by default the model itself. It has to know of all that it has taken; what it has not taken yet is in the logs. {}: the logs
            know all dates, for all rows of a key are made of one event, and have its date.
  as_of     true: rows depend on as-of; when that moves backward the model is built in full. `follows` and `also` have it as `as_of`.
  champion  true: rows depend on the fitted model of topic mastery; when another one is promoted the model is built in full.
#}
{% materialization keyed, default %}
    {%- set keyed = config.get('meta')['keyed'] -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set incremental = is_keyed_run() -%}
    {%- set build = keyed_new_build('next' if incremental else 'first') -%}
    {%- set ns = namespace(differs=not incremental) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if incremental -%}
        {%- set touched = keyed_take_touched(keyed) -%}
        {%- if touched['keys'] -%}
            {%- set ns.differs = keyed_compare(keyed_fill_dates(compiled_code, touched)) -%}
        {%- endif -%}
    {%- else -%}
        {%- do keyed_script('begin', keyed_begin(build, incremental)) -%}
        {%- do keyed_replace(target_relation, compiled_code) -%}
    {%- endif -%}

    {%- set books = keyed_begin(build, incremental) if incremental and ns.differs else [] -%}
    {%- if ns.differs -%}{%- do books.extend(keyed_write_log(keyed, target_relation, build, incremental)) -%}{%- endif -%}
    {%- if ns.differs and incremental -%}{%- do books.extend(keyed_apply(target_relation)) -%}{%- endif -%}
    {%- if keyed.get('follows') -%}{%- do books.append(keyed_book_progress(keyed)) -%}{%- endif -%}
    {%- if keyed.get('loads') -%}{%- do books.extend(keyed_book_loads(keyed)) -%}{%- endif -%}
    {%- do books.append(keyed_book_build(target_relation, build, ns.differs)) -%}
    {%- do keyed_script('main', keyed_docs(target_relation, incremental) + books) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{#
What engines do differently. DuckDB does all of a build in one transaction, and keeps what a build needs in temporary tables.
#}

{#
Runs statements in their order; gives the one row of the last one, if that is `asked` for. One call on DuckDB, and no result that nobody reads: dbt's own
work for them is many times that of a small statement.
#}
{% macro keyed_script(name, statements, asked=false) %}
    {%- if statements -%}{%- do adapter.dispatch('keyed_send')(name, statements, asked) -%}{%- endif -%}
    {{ return(load_result(name).table.rows[0] if asked else none) }}
{% endmacro %}
{% macro default__keyed_send(name, statements, asked) %}
    {%- call statement(name, fetch_result=asked) -%}{{ statements | join('\n;\n') }}{%- endcall -%}
{% endmacro %}

{# A table that this build of the model needs, and nothing after it. #}
{% macro keyed_temp(part) %}{{ return(adapter.dispatch('keyed_temp')(part)) }}{% endmacro %}
{% macro default__keyed_temp(part) %}{{ return('temp.' ~ this.identifier ~ '__' ~ part) }}{% endmacro %}

{# The statement that makes such a table. #}
{% macro keyed_keep(part, sql) %}{{ return(adapter.dispatch('keyed_keep')(part, sql)) }}{% endmacro %}
{% macro default__keyed_keep(part, sql) %}{{ return('create or replace temp table ' ~ keyed_temp(part) ~ ' as ' ~ sql) }}{% endmacro %}

{# How a table is stored, where there is a choice. #}
{% macro keyed_format() %}{{ return(adapter.dispatch('keyed_format')()) }}{% endmacro %}
{% macro default__keyed_format() %}{% endmacro %}

{# What finds a row again to delete it, as a column `_row` of `before`. #}
{% macro keyed_row() %}{{ return(adapter.dispatch('keyed_row')()) }}{% endmacro %}
{% macro default__keyed_row() %}, read.rowid as _row{% endmacro %}

{# Behind a select of the model's columns but the derived ones: the same of its rows before. #}
{% macro keyed_union_with_before(derived) %}{{ return(adapter.dispatch('keyed_union_with_before')(derived)) }}{% endmacro %}
{% macro default__keyed_union_with_before(derived) -%}
    union all by name select * exclude (_row, {{ derived | join(', ') }}) from {{ keyed_temp('before') }}
{%- endmacro %}

{# The statements that keep the touched rows as the model's SQL gives them now, with the model's columns and their types. #}
{% macro keyed_keep_after(sql) %}{{ return(adapter.dispatch('keyed_keep_after')(sql)) }}{% endmacro %}
{% macro default__keyed_keep_after(sql) %}
    {{ return([
        keyed_keep('after', 'select * from ' ~ this ~ ' limit 0'),
        'insert into ' ~ keyed_temp('after') ~ ' by name ' ~ sql,
    ]) }}
{% endmacro %}

{# The statements before anything is changed. A transaction takes back what was changed before a crash. #}
{% macro keyed_begin(build, incremental) %}{{ return(adapter.dispatch('keyed_begin')(build, incremental)) }}{% endmacro %}
{% macro default__keyed_begin(build, incremental) %}{{ return([]) }}{% endmacro %}

{#
The statements that keep what went, `gone`, and what came, `come`. A join takes a fifth of the time of `except all`, and is the same where no two rows
are alike in all columns.
#}
{% macro keyed_keep_differences() %}{{ return(adapter.dispatch('keyed_keep_differences')()) }}{% endmacro %}
{% macro default__keyed_keep_differences() %}
    {%- set same = [] -%}
    {%- for column in model.columns -%}{%- do same.append('read.' ~ column ~ ' is not distinct from other.' ~ column) -%}{%- endfor -%}
    {%- set join = 'select read.* from {} as read anti join {} as other on ' ~ same | join(' and ') -%}
    {{ return([
        keyed_keep('gone', join.format(keyed_temp('before'), keyed_temp('after'))),
        keyed_keep('come', join.format(keyed_temp('after'), keyed_temp('before'))),
    ]) }}
{% endmacro %}

{# The statements that put what came in the place of what went. #}
{% macro keyed_apply(relation) %}{{ return(adapter.dispatch('keyed_apply')(relation)) }}{% endmacro %}
{% macro default__keyed_apply(relation) %}
    {{ return([
        'delete from ' ~ relation ~ ' where rowid in (select _row from ' ~ keyed_temp('gone') ~ ')',
        'insert into ' ~ relation ~ ' by name select * from ' ~ keyed_temp('come'),
    ]) }}
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

{# The statements that write the descriptions on the table and its columns. The contract sees to it that these are all there. #}
{% macro keyed_docs(relation, incremental) %}{{ return(adapter.dispatch('keyed_docs')(relation, incremental)) }}{% endmacro %}
{% macro default__keyed_docs(relation, incremental) %}
    {%- set comments = [] -%}
    {%- if config.persist_relation_docs() -%}
        {%- do comments.append('comment on table ' ~ relation ~ ' is ' ~ duckdb_escape_comment(model.description)) -%}
    {%- endif -%}
    {%- if config.persist_column_docs() -%}
        {%- for column in model.columns.values() -%}
            {%- do comments.append('comment on column ' ~ relation ~ '.' ~ adapter.quote(column.name) ~ ' is ' ~ duckdb_escape_comment(column.description)) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(comments) }}
{% endmacro %}


{#
What they share.
#}

{#
Keeps the touched keys, the dates to read for them, and the model's own rows of these keys. Gives how many keys there are
(`keys`), and the span of the dates (`first_date`, `last_date`), an empty one where there are none.
#}
{% macro keyed_take_touched(keyed) %}
    {%- set date = keyed.get('date') -%}
    {%- set found = keyed_temp('found') -%}
    {%- set statements = [
        keyed_keep('found', keyed_touched_sql(keyed)),
        keyed_keep(
            'touched',
            'select distinct ' ~ keyed['key'] | join(', ') ~ ' from ' ~ found ~ ' where ' ~ keyed['key'] | join(' is not null and ') ~ ' is not null'
        ),
    ] -%}
    {%- set counts = 'select (select count(*) from ' ~ keyed_temp('touched') ~ ') as keys' -%}
    {%- if date -%}
        {%- set dates = ['select ' ~ date ~ ' from ' ~ found ~ ' where ' ~ date ~ ' is not null'] -%}
        {%- if date not in keyed['key'] -%}
            {%- for relation, columns in keyed.get('dates_in', {this.identifier: keyed['key']}).items() -%}
                {%- do dates.append(
                    'select ' ~ date ~ ' from ' ~ keyed_relation(relation) ~ ' semi join ' ~ keyed_temp('touched') ~ ' using (' ~ columns | join(', ') ~ ')'
                ) -%}
                {#- Where only a part of the models is built, it may lag behind this one. -#}
                {%- for producer in keyed_common_producers(keyed, relation) -%}
                    {%- do dates.append('select ' ~ date ~ ' from (' ~ keyed_keys_of(producer, keyed['follows'][producer], relation) ~ ') as untaken') -%}
                {%- endfor -%}
            {%- endfor -%}
        {%- endif -%}
        {%- do statements.append(keyed_keep('dates', 'select distinct ' ~ date ~ ' from (' ~ dates | join(' union all ') ~ ') as dates')) -%}
        {%- set counts = counts
            ~ ", cast(coalesce(min(" ~ date ~ "), date '2000-01-02') as string) as first_date"
            ~ ", cast(coalesce(max(" ~ date ~ "), date '2000-01-01') as string) as last_date from " ~ keyed_temp('dates') -%}
    {%- endif -%}
    {%- do statements.extend([keyed_keep('before', keyed_own_touched_rows(keyed)), counts]) -%}
    {{ return(keyed_script('touched', statements, asked=true)) }}
{% endmacro %}

{# The compiled model with the span of the touched dates in it (see `touched_rows`). #}
{% macro keyed_fill_dates(sql, touched) %}
    {%- if keyed_first_date() not in sql -%}{{ return(sql) }}{%- endif -%}
    {{ return(sql | replace(keyed_first_date(), touched['first_date']) | replace(keyed_last_date(), touched['last_date'])) }}
{% endmacro %}

{#
Computes the touched rows anew and keeps what went and what came. Gives whether anything differs.
Recomputing a key must not touch another one: such a row would stand twice, or change without anyone being told.
#}
{% macro keyed_compare(sql) %}
    {%- set counts = [] -%}
    {%- for part in ['before', 'after', 'gone', 'come'] -%}{%- do counts.append('(select count(*) from ' ~ keyed_temp(part) ~ ') as ' ~ part) -%}{%- endfor -%}
    {%- set found = keyed_script('compared', keyed_keep_after(sql) + keyed_keep_differences() + [
        'select (select count(*) from ' ~ keyed_temp('after') ~ ' as read anti join ' ~ keyed_temp('touched') ~ ' as touched on ' ~ is_touched() ~ ') as stray, '
        ~ counts | join(', '),
    ], asked=true) -%}
    {%- if found['stray'] -%}
        {{ exceptions.raise_compiler_error(
            this.identifier ~ ' emits ' ~ found['stray'] ~ ' rows outside its touched keys: read through touched_rows()'
        ) }}
    {%- endif -%}
    {%- if found['before'] - found['gone'] != found['after'] - found['come'] -%}
        {#- Rows are alike, and another number of them is there now: a test of the primary key will say so. Until then, all of them go and come. -#}
        {%- do keyed_script('all_differ', [
            keyed_keep('gone', 'select * from ' ~ keyed_temp('before')), keyed_keep('come', 'select * from ' ~ keyed_temp('after')),
        ]) -%}
        {{ return(true) }}
    {%- endif -%}
    {{ return(found['gone'] + found['come'] > 0) }}
{% endmacro %}

{#
The statements that write the change log, what went and came, and the dates of the keys that were computed again; of a full build nothing, for all may
have changed.
#}
{% macro keyed_write_log(keyed, relation, build, incremental) %}
    {%- set logged = keyed_log_columns(keyed) -%}
    {%- if not logged -%}{{ return([]) }}{%- endif -%}
    {%- if not incremental -%}
        {{ return([
            'create or replace table ' ~ keyed_log(this.identifier) ~ ' ' ~ keyed_format()
            ~ ' as select cast(0 as bigint) as batch, ' ~ logged | join(', ') ~ ' from ' ~ relation ~ ' limit 0'
        ]) }}
    {%- endif -%}
    {{ return([
        'insert into ' ~ keyed_log(this.identifier)
        ~ ' select ' ~ build['batch'] ~ ', ' ~ logged | join(', ') ~ ' from ' ~ keyed_temp('gone')
        ~ ' union select ' ~ build['batch'] ~ ', ' ~ logged | join(', ') ~ ' from ' ~ keyed_temp('come')
    ] + keyed_write_dates(build)) }}
{% endmacro %}

{# What is logged: the key, by which tests find what is new, and the columns that followers need. Tests of other engines look at all rows. #}
{% macro keyed_log_columns(keyed) %}{{ return(adapter.dispatch('keyed_log_columns')(keyed)) }}{% endmacro %}
{% macro default__keyed_log_columns(keyed) %}
    {{ return(keyed.get('log', []) + (keyed.get('key_of') or keyed['key']) | reject('in', keyed.get('log', [])) | list) }}
{% endmacro %}

{# The dates on which the keys that were computed again have or had rows, where the model has a date: a test reads no others. #}
{% macro keyed_write_dates(build) %}{{ return(adapter.dispatch('keyed_write_dates')(build)) }}{% endmacro %}
{% macro default__keyed_write_dates(build) %}
    {%- if not keyed_has_date(model) -%}{{ return([]) }}{%- endif -%}
    {%- set date = config.get('meta')['keyed']['date'] -%}
    {{ return([
        'insert into ' ~ keyed_books(this.database, 'touched_dates') ~ " select distinct '" ~ this.identifier ~ "', " ~ build['batch'] ~ ', ' ~ date ~ ' from ('
        ~ 'select ' ~ date ~ ' from ' ~ keyed_temp('before') ~ ' union all select ' ~ date ~ ' from ' ~ keyed_temp('after') ~ ') as touched'
    ]) }}
{% endmacro %}

{% macro keyed_touched_sql(keyed) %}
    {%- set parts = [] -%}
    {%- for producer, select_keys in keyed.get('follows', {}).items() -%}
        {%- if model.resource_type == 'test' -%}
            {%- do parts.append('(with changes as (' ~ keyed_untested(producer) ~ ') ' ~ select_keys ~ ')') -%}
        {%- else -%}
            {%- do parts.append('(' ~ keyed_keys_of(producer, select_keys, this.identifier) ~ ')') -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if keyed.get('loads') -%}{%- do parts.append('(' ~ keys_of_unapplied_loads(keyed) ~ ')') -%}{%- endif -%}
    {%- if keyed.get('also') -%}
        {%- do parts.append('(with ' ~ keyed_own_ctes() ~ keyed['also'] ~ ')') -%}
    {%- endif -%}
    {{ return(parts | join(' union ')) }}
{% endmacro %}

{# What `follows` and `also` can read beside changes: the model's rows before, `self`, and, where the model depends on it, as-of. #}
{% macro keyed_own_ctes() %}
    {%- set as_of = ', as_of as (select * from ' ~ ref('int_as_of') ~ ')' if config.get('meta')['keyed'].get('as_of') else '' -%}
    {{ return('self as (select * from ' ~ this ~ ')' ~ as_of ~ ' ') }}
{% endmacro %}

{# The keys of this model that those entries of a producer's log touch which a consumer, this model or another one, has not taken yet. #}
{% macro keyed_keys_of(producer, select_keys, consumer) %}
    {{ return('with changes as (' ~ keyed_pending(producer, consumer) ~ '), ' ~ keyed_own_ctes() ~ select_keys) }}
{% endmacro %}

{# The producers that this model and another one both follow. #}
{% macro keyed_common_producers(keyed, other) %}
    {{ return(keyed.get('follows', {}).keys() | select('in', keyed_node(other).config.meta.keyed.get('follows', {})) | list if other != this.identifier else []) }}
{% endmacro %}

{# The model's own rows of the touched keys. Read with the date filter where the model has the date. #}
{% macro keyed_own_touched_rows(keyed) %}
    select read.*{{ keyed_row() }} from {{ this }} as read
    semi join {{ keyed_temp('touched') }} as touched on {{ is_touched() }}
    {%- if keyed.get('date') and not keyed.get('dates_in') %} where read.{{ keyed['date'] }} in (select {{ keyed['date'] }} from {{ keyed_temp('dates') }}){% endif -%}
{% endmacro %}
