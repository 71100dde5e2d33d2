{#
Data tests that cost what is new. In a `dbt build`, a test that follows keyed models looks at the rows of the keys that changed since it last
passed, as a keyed model computes those keys; in a `dbt test`, at all rows. So does a test that has not passed yet, whose code changed, or one of whose
models was built in full. `keyed.passed` has what each test has passed, and the entries of the logs wait for it. A test that warned or failed has
passed nothing: it looks at all rows, until it passes.

On engines other than DuckDB every test looks at all rows.
#}

{#
The rows of the tested model that a generic test has to look at: those of changed keys. Where the test compares rows with each other, `unique` names
the columns by which it does: then all rows that share them with such a row are there.
#}
{% macro untested_rows(relation, unique=none) %}{{ return(adapter.dispatch('untested_rows')(relation, unique) if execute else relation) }}{% endmacro %}
{% macro default__untested_rows(relation, unique) %}{{ return(relation) }}{% endmacro %}
{% macro duckdb__untested_rows(relation, unique) %}
    {%- if config.get('where') -%}{{ return(relation) }}{%- endif -%}
    {%- set tested = graph.nodes[model.attached_node] -%}
    {%- set producers = keyed_behind(tested.unique_id) -%}
    {%- set names = producers | map(attribute='name') | list -%}
    {%- if producers | length == 1 and keyed_is_in(keyed_identity(producers[0]), tested) -%}
        {%- if not is_test_of_news(names) -%}{{ return(relation) }}{%- endif -%}
        {%- set identity = keyed_identity(producers[0]) -%}
        {%- set rows -%}
            (
                select read.* from {{ relation }} as read
                semi join ({{ keyed_untested(names[0]) }}) as touched on {{ keyed_same(identity, 'touched') }}
                {%- if keyed_has_date(producers[0]) and keyed_is_in([producers[0].config.meta.keyed.date], tested) %}
                where read.{{ producers[0].config.meta.keyed.date }} in ({{ keyed_untested_dates(names[0]) }})
                {%- endif %}
            )
        {%- endset -%}
        {{ return(rows if unique is none or identity | reject('in', unique) | list == [] else rows_that_share(relation, rows, unique)) }}
    {%- endif -%}
    {%- for producer in producers -%}
        {%- if unique is none or unique | reject('in', keyed_log_names(producer)) | list -%}{{ return(relation) }}{%- endif -%}
    {%- endfor -%}
    {%- if not producers or not is_test_of_news(names) -%}{{ return(relation) }}{%- endif -%}
    {%- set logged = [] -%}
    {%- for name in names -%}{%- do logged.append('select ' ~ unique | join(', ') ~ ' from (' ~ keyed_untested(name) ~ ') as changes') -%}{%- endfor -%}
    {{ return(rows_that_share(relation, '(' ~ logged | join(' union all ') ~ ')', unique)) }}
{% endmacro %}

{# The rows of a relation that share columns with those of another one; nulls are shared too. #}
{% macro rows_that_share(relation, others, columns) %}
    {%- set same = [] -%}
    {%- for column in columns -%}{%- do same.append('read.' ~ column ~ ' is not distinct from other.' ~ column) -%}{%- endfor -%}
    {{ return('(select read.* from ' ~ relation ~ ' as read semi join ' ~ others ~ ' as other on ' ~ same | join(' and ') ~ ')') }}
{% endmacro %}

{# The entries of a model's log that the test has not passed yet. #}
{% macro keyed_untested(producer) %}
    select * from {{ keyed_log(producer) }} where batch > ({{ keyed_passed_batch(producer) }})
{%- endmacro %}

{# The dates on which the keys of these entries have rows, or had. #}
{% macro keyed_untested_dates(producer) %}
    select date from {{ keyed_books(keyed_node(producer).database, 'touched_dates') }}
    where model = '{{ producer }}' and batch > ({{ keyed_passed_batch(producer) }})
{%- endmacro %}

{% macro keyed_passed_batch(producer) -%}
    select max(batch) from {{ keyed_books(keyed_node(producer).database, 'passed') }} where test = '{{ model.unique_id }}' and producer = '{{ producer }}'
{%- endmacro %}

{#
Whether the test may look at news alone: this is a `dbt build`, and it has passed all models that it follows, by name, as they were last built in full.
Which those are is kept for the end of the run, when it is known whether the test passed.
#}
{% macro is_test_of_news(producers) %}
    {%- set known = graph.setdefault('keyed_tests', {}) -%}
    {%- if model.unique_id not in known -%}
        {%- set code = local_md5(keyed_version() ~ '|' ~ keyed_code(model.unique_id)) -%}
        {%- do known.update({model.unique_id: {
            'code': code, 'producers': producers, 'news': flags.WHICH == 'build' and has_passed_all(producers, code),
        }}) -%}
    {%- endif -%}
    {{ return(known[model.unique_id]['news']) }}
{% endmacro %}

{# Whether the test, of this code, has passed all these models as they were last built in full. #}
{% macro has_passed_all(producers, code) %}
    {%- set passed = [] -%}
    {%- for producer in producers -%}
        {%- do passed.append(
            "select producer from " ~ keyed_books(keyed_node(producer).database, 'passed') ~ " where test = '" ~ model.unique_id ~ "' and code = '" ~ code
            ~ "' and producer = '" ~ producer ~ "' and generation = (select generation from (" ~ keyed_last_build(producer) ~ ") as last)"
        ) -%}
    {%- endfor -%}
    {{ return(run_query('select count(*) from (' ~ passed | join(' union all ') ~ ') as passed').rows[0][0] == producers | length) }}
{% endmacro %}

{# The statements that note, in the books of a database, which tests of this run have passed what. What did not pass has passed nothing. #}
{% macro keyed_book_passed(results, database) %}{{ return(adapter.dispatch('keyed_book_passed')(results, database) if execute) }}{% endmacro %}
{% macro default__keyed_book_passed(results, database) %}{% endmacro %}
{% macro duckdb__keyed_book_passed(results, database) %}
    {%- set book = keyed_books(database, 'passed') -%}
    {%- set there = graph.nodes.values() | selectattr('resource_type', 'equalto', 'test') | map(attribute='unique_id') | list -%}
    {%- set run = [] -%}
    {%- set passed = [] -%}
    {%- for result in results if result.node.resource_type == 'test' and result.status != 'skipped' -%}
        {%- do run.append(result.node.unique_id) -%}
        {%- set test = graph.get('keyed_tests', {}).get(result.node.unique_id, {}) -%}
        {%- for producer in test.get('producers', []) if result.status == 'pass' and keyed_node(producer).database == database -%}
            {%- do passed.append("('" ~ result.node.unique_id ~ "', '" ~ test['code'] ~ "', '" ~ producer ~ "')") -%}
        {%- endfor -%}
    {%- endfor -%}
    delete from {{ book }} where test not in ('{{ there | join("', '") }}') or test in ('{{ run | join("', '") }}');
    {%- if passed %}
    insert into {{ book }}
    select passed.test, passed.code, passed.producer, last.generation, last.batch
    from (values {{ passed | join(', ') }}) as passed (test, code, producer)
    inner join (
        select model, max_by(generation, batch) as generation, max(batch) as batch from {{ keyed_books(database, 'builds') }} group by model
    ) as last on passed.producer = last.model
    {%- endif -%}
{% endmacro %}

{# Selects of the batch up to which each test that there is has passed a model's log. #}
{% macro keyed_passed_by_tests(node, generation) %}{{ return(adapter.dispatch('keyed_passed_by_tests')(node, generation)) }}{% endmacro %}
{% macro default__keyed_passed_by_tests(node, generation) %}{{ return([]) }}{% endmacro %}
{% macro duckdb__keyed_passed_by_tests(node, generation) %}
    {{ return([
        "select max(batch) as batch from " ~ keyed_books(node.database, 'passed') ~ " where producer = '" ~ node.name ~ "' and " ~ generation ~ " group by test"
    ]) }}
{% endmacro %}

{# The keyed models behind a model: itself, or those that a view reads; none where it reads anything else. #}
{% macro keyed_behind(unique_id) %}
    {%- set node = graph.nodes.get(unique_id) -%}
    {%- set materialized = node.config.materialized if node else none -%}
    {%- if materialized == 'keyed' -%}{{ return([node]) }}{%- endif -%}
    {%- set found = [] -%}
    {%- for parent in (node.depends_on.nodes if materialized == 'view' else []) -%}
        {%- set behind = keyed_behind(parent) -%}
        {%- if not behind -%}{{ return([]) }}{%- endif -%}
        {%- for producer in behind if producer not in found -%}{%- do found.append(producer) -%}{%- endfor -%}
    {%- endfor -%}
    {{ return(found) }}
{% endmacro %}

{# The columns that name a row's key: the key itself, or what it is computed from. #}
{% macro keyed_identity(node) %}{{ return(node.config.meta.keyed.get('key_of') or node.config.meta.keyed['key']) }}{% endmacro %}

{# By which names a model's log has its columns. #}
{% macro keyed_log_names(node) %}
    {%- set names = [] -%}
    {%- for column in keyed_log_columns(node.config.meta.keyed) -%}{%- do names.append(column.split(' as ') | last) -%}{%- endfor -%}
    {{ return(names) }}
{% endmacro %}

{% macro keyed_is_in(columns, node) %}{{ return(columns | reject('in', node.columns) | list == []) }}{% endmacro %}
