{#
What the keyed models remember, in the schema `keyed` of the database that holds the model (one transaction cannot write two files):

  builds             one row a build: generation (changes with every full build), batch (rises with every build), settings, as-of,
                     rows and content sum after it. Builds that are no longer the model's last are pruned.
  progress           up to which batch of which generation a consumer has taken a producer's log.
  applied_loads      which loads of the raw lake a model has applied.
  <model>__changes   the change log: per batch, the logged columns of rows that came, went or changed.
#}
{% macro warehouse_database() %}{{ return(target.database) }}{% endmacro %}
{% macro marts_database() %}{{ return(adapter.dispatch('marts_database')()) }}{% endmacro %}
{% macro default__marts_database() %}{{ return('daybook') }}{% endmacro %}

{% macro keyed_books(database, table) %}{{ return(database ~ '.keyed.' ~ table) }}{% endmacro %}

{% macro keyed_books_setup(database) %}{{ return(adapter.dispatch('keyed_books_setup')(database)) }}{% endmacro %}
{% macro default__keyed_books_setup(database) %}
    create schema if not exists {{ database }}.keyed;
    create table if not exists {{ keyed_books(database, 'builds') }} (
        model varchar, generation varchar, batch bigint, settings varchar, as_of timestamp,
        row_count bigint, content_sum decimal(38, 0), built_at timestamp
    );
    create table if not exists {{ keyed_books(database, 'progress') }} (consumer varchar, producer varchar, generation varchar, batch bigint);
    create table if not exists {{ keyed_books(database, 'applied_loads') }} (
        model varchar, system varchar, stream varchar, extract_date date, load_id varchar
    )
{% endmacro %}

{# The manifest's node of a model, by name. #}
{% macro keyed_node(name) %}{{ return(graph.nodes['model.' ~ project_name ~ '.' ~ name]) }}{% endmacro %}
{% macro keyed_relation(name) %}
    {%- set node = keyed_node(name) -%}
    {{ return(node.database ~ '.' ~ node.schema ~ '.' ~ node.name) }}
{% endmacro %}

{% macro keyed_temp(part) %}{{ return('temp.' ~ this.identifier ~ '__' ~ part) }}{% endmacro %}
{% macro keyed_log(producer) %}{{ return(keyed_books(keyed_node(producer).database, producer ~ '__changes')) }}{% endmacro %}

{% macro keyed_last_build(name) %}{{ return(adapter.dispatch('keyed_last_build')(name)) }}{% endmacro %}
{% macro default__keyed_last_build(name) %}
    {%- set builds = keyed_books(keyed_node(name).database, 'builds') -%}
    select * from {{ builds }} where model = '{{ name }}' order by batch desc limit 1
{%- endmacro %}
{% macro keyed_current_batch(name) %}(select batch from ({{ keyed_last_build(name) }})){% endmacro %}

{# The entries of a producer's log that this model has not taken yet. #}
{% macro keyed_pending(producer) %}
    select * from {{ keyed_log(producer) }}
    where batch > (
        select max(batch) from {{ keyed_books(this.database, 'progress') }}
        where consumer = '{{ this.identifier }}' and producer = '{{ producer }}'
        and generation = (select generation from ({{ keyed_last_build(producer) }}))
    )
{%- endmacro %}

{# What a model's rows depend on besides its producers: its own code, the project's settings, and on the lake the contracts. As-of has a rule of its own. #}
{% macro keyed_settings() %}
    {%- set settings = [keyed_code(model.unique_id)] -%}
    {%- for name in ['inactivity_minutes', 'complete_scroll_depth_percent', 'abandoned_after_hours'] -%}
        {%- do settings.append(name ~ '=' ~ var(name)) -%}
    {%- endfor -%}
    {%- for hash in contract_hashes(config.get('meta')['keyed']) -%}{%- do settings.append(hash) -%}{%- endfor -%}
    {{ return(local_md5(settings | join('|'))) }}
{% endmacro %}

{# Books a build of the model: `first` of a new generation, or the `next` batch of the current one. #}
{% macro keyed_book_build(relation, which) %}
    {%- set keyed = config.get('meta')['keyed'] -%}
    {%- set hashed = relation.schema == 'marts' -%}
    insert into {{ keyed_books(this.database, 'builds') }}
    select
        '{{ this.identifier }}',
        {% if which == 'next' %}last.generation{% else %}'{{ invocation_id }}'{% endif %},
        coalesce(last.batch, 0) + 1,
        '{{ keyed_settings() }}',
        {% if keyed.get('as_of') %}(select as_of from {{ ref('int_as_of') }}){% else %}null{% endif %},
        {% if which == 'next' -%}
        last.row_count - (select count(*) from {{ keyed_temp('gone') }}) + (select count(*) from {{ keyed_temp('come') }}),
        {% if hashed -%}
        last.content_sum - {{ content_sum(relation, keyed_temp('gone')) }} + {{ content_sum(relation, keyed_temp('come')) }},
        {%- else %}null,{% endif %}
        {%- else -%}
        (select count(*) from {{ relation }}),
        {% if hashed %}{{ content_sum(relation, relation) }}{% else %}null{% endif %},
        {%- endif %}
        {{ built_now() }}
    from (select 1) as one
    left join ({{ keyed_last_build(this.identifier) }}) as last on true
{% endmacro %}

{# Notes how far this model has taken its producers' logs and which loads it has applied. #}
{% macro keyed_book_progress(keyed) %}
    {%- for producer in keyed.get('follows', {}) %}
        insert into {{ keyed_books(this.database, 'progress') }}
        select '{{ this.identifier }}', '{{ producer }}', generation, batch from ({{ keyed_last_build(producer) }});
    {%- endfor -%}
    {%- if keyed.get('loads') %}
        delete from {{ keyed_books(this.database, 'applied_loads') }} where model = '{{ this.identifier }}';
        insert into {{ keyed_books(this.database, 'applied_loads') }}
        select '{{ this.identifier }}', system, stream, extract_date, load_id from {{ loads_of(keyed) }};
    {%- endif %}
    select 1
{% endmacro %}

{#
Drops what nobody needs any more: builds and progress that are not the last, and log entries that every consumer has taken.
In one place, at the end of the run: two consumers that prune at once would conflict.
#}
{% macro keyed_books_prune(database) %}{{ return(adapter.dispatch('keyed_books_prune')(database)) }}{% endmacro %}
{% macro default__keyed_books_prune(database) %}
    {%- if execute -%}
    {%- set builds = keyed_books(database, 'builds') -%}
    {%- set progress = keyed_books(database, 'progress') -%}
    {%- set logs = run_query(
        "select table_name from information_schema.tables where table_catalog = '" ~ database ~ "' and table_schema = 'keyed'"
    ).columns[0].values() -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.config.materialized == 'keyed' -%}
        {%- if node.database == database and node.config.meta.keyed.get('log') -%}
            {%- set taken = [] -%}
            {%- for consumer in graph.nodes.values() if consumer.resource_type == 'model' and consumer.config.materialized == 'keyed' and node.name in consumer.config.meta.keyed.get('follows', {}) -%}
                {%- do taken.append(
                    "select max(batch) as batch from " ~ keyed_books(consumer.database, 'progress') ~ " where consumer = '" ~ consumer.name ~ "' and producer = '" ~ node.name
                    ~ "' and generation = (select generation from (" ~ keyed_last_build(node.name) ~ "))"
                ) -%}
            {%- endfor -%}
            {%- if taken and node.name ~ '__changes' in logs -%}
                delete from {{ keyed_log(node.name) }} where batch <= (select min(batch) from ({{ taken | join(' union all ') }}));
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    delete from {{ builds }} where (model, batch) not in (select (model, max(batch)) from {{ builds }} group by model);
    delete from {{ progress }} where rowid not in (select max(rowid) from {{ progress }} group by consumer, producer)
    {%- endif -%}
{% endmacro %}

{# The code of a model and of the views and tables between it and the keyed models that it reads: what they say is part of it. #}
{% macro keyed_code(unique_id) %}
    {%- set node = graph.nodes[unique_id] -%}
    {%- set code = [node.raw_code] -%}
    {%- for parent in node.depends_on.nodes | sort if parent in graph.nodes and graph.nodes[parent].config.materialized != 'keyed' -%}
        {%- do code.append(keyed_code(parent)) -%}
    {%- endfor -%}
    {{ return(code | join('|')) }}
{% endmacro %}
