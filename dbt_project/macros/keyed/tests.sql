{#
Data tests that cost what is new. In a `dbt build`, a test that follows keyed models looks at the rows of the keys that changed since it last
passed, as a keyed model computes those keys; in a `dbt test`, at all rows. So does a test that has not passed yet, whose code changed, or one of whose
models was built in full. `keyed.passed` has what each test has passed, and the entries of the logs wait for it. A test that warned or failed has
passed nothing: it looks at all rows, until it passes.

A generic test reads through `untested_rows`. A singular one declares `meta.keyed` with `key`, `follows` and `date`, as a keyed model does (`keyed_by`
where all its models have the key), and reads through `touched_rows`: on both sides of a comparison, and by the whole key.

On engines other than DuckDB every test looks at all rows.
#}

{#
The rows of the tested model that a generic test has to look at. Where it compares rows with each other, `unique` names the columns by which it does:
these are the rows of changed keys, and all that share those columns with one. Else they are those of the dates on which changed keys have rows, where
the model has a date: to look at a row takes less than to find out whether its key changed.
#}
{% macro untested_rows(relation, unique=none) %}{{ return(adapter.dispatch('untested_rows')(relation, unique) if execute else relation) }}{% endmacro %}
{% macro default__untested_rows(relation, unique) %}{{ return(relation) }}{% endmacro %}
{% macro duckdb__untested_rows(relation, unique) %}
    {%- if config.get('where') -%}{{ return(relation) }}{%- endif -%}
    {%- set tested = graph.nodes[model.attached_node] -%}
    {%- set producers = keyed_behind(tested.unique_id) -%}
    {%- set names = producers | map(attribute='name') | list -%}
    {%- set date = producers[0].config.meta.keyed.date if producers | length == 1 and keyed_has_date(producers[0]) -%}
    {%- set on_dates -%}
        {%- if date and date in tested.columns %} where read.{{ date }} in ({{ keyed_untested_dates(names[0]) }}){% endif -%}
    {%- endset -%}
    {%- if unique is none -%}
        {{ return('(select read.* from ' ~ relation ~ ' as read' ~ on_dates ~ ')' if on_dates and is_test_of_news(names) else relation) }}
    {%- endif -%}
    {%- if producers | length == 1 and keyed_is_in(keyed_identity(producers[0]), tested) -%}
        {%- if not is_test_of_news(names) -%}{{ return(relation) }}{%- endif -%}
        {%- set identity = keyed_identity(producers[0]) -%}
        {%- set rows -%}
            (
                select read.* from {{ relation }} as read
                semi join ({{ keyed_untested(names[0]) }}) as touched on {{ keyed_same(identity, 'touched') }}
                {{- on_dates }}
            )
        {%- endset -%}
        {{ return(rows if identity | reject('in', unique) | list == [] else rows_that_share(relation, rows, unique)) }}
    {%- endif -%}
    {#- Rows that share all columns share those that the logs have. -#}
    {%- set ns = namespace(shared=unique) -%}
    {%- for producer in producers -%}{%- set ns.shared = ns.shared | select('in', keyed_log_names(producer)) | list -%}{%- endfor -%}
    {%- if not producers or not ns.shared or not is_test_of_news(names) -%}{{ return(relation) }}{%- endif -%}
    {%- set logged = [] -%}
    {%- for name in names -%}{%- do logged.append('select ' ~ ns.shared | join(', ') ~ ' from (' ~ keyed_untested(name) ~ ') as changes') -%}{%- endfor -%}
    {{ return(rows_that_share(relation, '(' ~ logged | join(' union all ') ~ ')', ns.shared)) }}
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
    {%- set known = keyed_tests_of_run() -%}
    {%- if model.unique_id not in known -%}
        {%- set code = local_md5(keyed_version() ~ '|' ~ keyed_code(model.unique_id)) -%}
        {%- do known.update({model.unique_id: {
            'code': code, 'producers': producers, 'news': flags.WHICH == 'build' and has_passed_all(producers, code),
        }}) -%}
    {%- endif -%}
    {{ return(known[model.unique_id]['news']) }}
{% endmacro %}

{# What is known of the tests of this run that follow keyed models: a dict by test, which lies where `keyed_known` does. #}
{% macro keyed_tests_of_run() %}{{ return(graph.setdefault('keyed_tests', {}).setdefault(invocation_id, {})) }}{% endmacro %}

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

{#
The statements that note, in the books of a database, which tests of this run have passed what. What did not pass has passed nothing. If it looked at
news, its line stays without a code for one more run: its query, with which people look at what it found, reads that line and the log behind it.
#}
{% macro keyed_book_passed(results, database) %}{{ return(adapter.dispatch('keyed_book_passed')(results, database) if execute) }}{% endmacro %}
{% macro default__keyed_book_passed(results, database) %}{% endmacro %}
{% macro duckdb__keyed_book_passed(results, database) %}
    {%- set book = keyed_books(database, 'passed') -%}
    {%- set there = graph.nodes.values() | selectattr('resource_type', 'equalto', 'test') | map(attribute='unique_id') | list -%}
    {%- set void = [] -%}
    {%- set found = [] -%}
    {%- set passed = [] -%}
    {%- for result in results if result.node.resource_type == 'test' and result.status != 'skipped' -%}
        {%- set test = keyed_tests_of_run().get(result.node.unique_id, {}) -%}
        {%- do (found if result.status != 'pass' and test.get('news') else void).append(result.node.unique_id) -%}
        {%- for producer in test.get('producers', []) if result.status == 'pass' and keyed_node(producer).database == database -%}
            {%- do passed.append("('" ~ result.node.unique_id ~ "', '" ~ test['code'] ~ "', '" ~ producer ~ "')") -%}
        {%- endfor -%}
    {%- endfor -%}
    delete from {{ book }} where test not in ('{{ there | join("', '") }}') or test in ('{{ void | join("', '") }}');
    update {{ book }} set code = '' where test in ('{{ found | join("', '") }}');
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
