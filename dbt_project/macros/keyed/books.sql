{#
What the keyed models remember, in the schema `keyed` of the database that holds the model (one transaction cannot write two files):

  builds             one row a build: generation (changes with every full build), batch (rises with every build), settings, as-of,
                     rows and content sum after it. Builds that are no longer the model's last are pruned.
                     Without transactions a build has two rows, see `keyed_begin` in spark.sql.
  progress           up to which batch of which generation a consumer has taken a producer's log.
  applied_loads      which loads of the raw lake a model has applied.
  passed             up to which batch of which generation a data test has passed a model's log (see tests.sql).
  touched_dates      per batch, the dates on which the keys of the model that were computed again have or had rows.
  <model>__changes   the change log: per batch, the key and the logged columns of rows that came, went or changed.
#}
{% macro warehouse_database() %}{{ return(target.database) }}{% endmacro %}
{% macro marts_database() %}{{ return(adapter.dispatch('marts_database')()) }}{% endmacro %}
{% macro default__marts_database() %}{{ return('daybook') }}{% endmacro %}

{% macro keyed_books(database, table) %}{{ return((database ~ '.' if database else '') ~ 'keyed.' ~ table) }}{% endmacro %}

{% macro keyed_books_setup(database) %}{{ return(adapter.dispatch('keyed_books_setup')(database)) }}{% endmacro %}
{% macro default__keyed_books_setup(database) %}
    create schema if not exists {{ database }}.keyed;
    create table if not exists {{ keyed_books(database, 'builds') }} ({{ keyed_builds_columns() }});
    create table if not exists {{ keyed_books(database, 'progress') }} ({{ keyed_progress_columns() }});
    create table if not exists {{ keyed_books(database, 'passed') }} (
        test string, code string, producer string, generation string, batch bigint
    );
    create table if not exists {{ keyed_books(database, 'touched_dates') }} (model string, batch bigint, date date);
    create table if not exists {{ keyed_books(database, 'applied_loads') }} (
        model string, system string, stream string, extract_date date, load_id string
    )
{% endmacro %}

{% macro keyed_builds_columns() -%}
    model string, generation string, batch bigint, settings string, as_of timestamp,
    row_count bigint, content_sum decimal(38, 0), built_at timestamp
{%- endmacro %}
{% macro keyed_progress_columns() %}consumer string, producer string, generation string, batch bigint{% endmacro %}

{# The manifest's node of a model, by name. #}
{% macro keyed_node(name) %}{{ return(graph.nodes['model.' ~ project_name ~ '.' ~ name]) }}{% endmacro %}
{% macro keyed_relation(name) %}
    {%- set node = keyed_node(name) -%}
    {{ return((node.database ~ '.' if node.database else '') ~ node.schema ~ '.' ~ node.name) }}
{% endmacro %}
{# The nodes of the keyed models in a database. #}
{% macro keyed_nodes(database) %}
    {%- set nodes = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.config.materialized == 'keyed' and node.database == database -%}
        {%- do nodes.append(node) -%}
    {%- endfor -%}
    {{ return(nodes) }}
{% endmacro %}

{% macro keyed_log(producer) %}{{ return(keyed_books(keyed_node(producer).database, producer ~ '__changes')) }}{% endmacro %}

{% macro keyed_last_build(name) %}{{ return(adapter.dispatch('keyed_last_build')(name)) }}{% endmacro %}
{% macro default__keyed_last_build(name) %}
    {%- set builds = keyed_books(keyed_node(name).database, 'builds') -%}
    select * from {{ builds }} where model = '{{ name }}' order by batch desc, row_count desc nulls last limit 1
{%- endmacro %}

{#
What the books say of this model, asked once in a run: its last build (`generation`, `batch`, `row_count`, `content_sum`; null where there is none), and
whether that is current (`is_current`): of the code and settings of today, of producers that were not built in full since, neither were those of what
knows its dates, and of no later as-of.
#}
{% macro keyed_standing() %}
    {%- set known = keyed_known() -%}
    {%- if 'standing' not in known -%}{%- do known.update({'standing': keyed_ask_standing(config.get('meta')['keyed'])}) -%}{%- endif -%}
    {{ return(known['standing']) }}
{% endmacro %}

{% macro keyed_ask_standing(keyed) %}
    {%- set query -%}
        select
            own.generation,
            own.batch,
            own.row_count,
            cast(own.content_sum as string) as content_sum,
            coalesce(own.settings = '{{ keyed_settings() }}', false)
            {%- if keyed.get('as_of') %}
            and coalesce(own.as_of <= (select as_of from {{ ref('int_as_of') }}), false)
            {%- endif %}
            {%- for producer in keyed.get('follows', {}) %}
            and {{ keyed_has_begun(this.identifier, producer) }}
            {%- endfor %}
            {%- for other in keyed.get('dates_in', {}) %}
            {%- for producer in keyed_common_producers(keyed, other) %}
            and {{ keyed_has_begun(other, producer) }}
            {%- endfor %}
            {%- endfor %} as is_current
        from (select 1 as one) as always
        left join ({{ keyed_last_build(this.identifier) }}) as own on true
    {%- endset -%}
    {{ return(run_query(query).rows[0]) }}
{% endmacro %}

{# Whether a consumer has taken any of the log of a producer's current generation. #}
{% macro keyed_has_begun(consumer, producer) %}
            exists (
                select 1 from ({{ keyed_last_build(producer) }}) as producer
                inner join {{ keyed_books(keyed_node(consumer).database, 'progress') }} as progress
                    on progress.producer = '{{ producer }}' and progress.consumer = '{{ consumer }}' and progress.generation = producer.generation
            )
{%- endmacro %}

{#
What this model has found out in this run, so that it asks once: a dict of its own. It lies beside the nodes in `graph`, the one thing that the
compilation of a model and its materialization share.
#}
{% macro keyed_known() %}
    {{ return(graph.setdefault('keyed', {}).setdefault((invocation_id, this.identifier), {})) }}
{% endmacro %}

{# What a build of this model is booked as: `first` of a new generation, or the `next` batch of the current one. #}
{% macro keyed_new_build(which) %}
    {%- set last = keyed_standing() -%}
    {{ return({
        'generation': last['generation'] if which == 'next' else invocation_id,
        'batch': (last['batch'] or 0) + 1,
        'settings': keyed_settings(),
        'last': last if which == 'next' and last['row_count'] is not none else none,
    }) }}
{% endmacro %}

{# The entries of a producer's log that a consumer has not taken yet. #}
{% macro keyed_pending(producer, consumer) %}
    select * from {{ keyed_log(producer) }}
    where batch > (
        select max(batch) from {{ keyed_books(keyed_node(consumer).database, 'progress') }}
        where consumer = '{{ consumer }}' and producer = '{{ producer }}'
        and generation = (select generation from ({{ keyed_last_build(producer) }}) as last)
    )
{%- endmacro %}

{# Raised when a macro that the models share changes what they say, so that every warehouse is built in full once. #}
{% macro keyed_version() %}{{ return('4') }}{% endmacro %}

{#
What a model's rows depend on besides its producers: its own code and declared columns, the project's settings, on the lake the contracts, and the
fitted model of topic mastery where it reads that. As-of has a rule of its own.
#}
{% macro keyed_settings() %}
    {%- set known = keyed_known() -%}
    {%- if 'settings' not in known -%}{%- do known.update({'settings': keyed_hash_settings(config.get('meta')['keyed'])}) -%}{%- endif -%}
    {{ return(known['settings']) }}
{% endmacro %}

{% macro keyed_hash_settings(keyed) %}
    {%- set settings = [keyed_version(), keyed_code(model.unique_id)] -%}
    {%- for name in [
        'inactivity_minutes', 'complete_scroll_depth_percent', 'abandoned_after_hours', 'hint_success_minutes', 'search_click_minutes',
        'longest_answer_seconds', 'first_attempt_prior', 'fewest_earlier_first_attempts', 'fewest_discrimination_pairs',
        'min_evidence', 'proficient_score', 'mastered_score', 'mastered_low', 'wheel_spinning_attempts', 'wheel_spinning_days',
    ] -%}
        {%- do settings.append(name ~ '=' ~ var(name)) -%}
    {%- endfor -%}
    {%- for column in model.columns.values() -%}{%- do settings.append(column.name ~ ' ' ~ column.data_type) -%}{%- endfor -%}
    {%- for hash in contract_hashes(keyed) -%}{%- do settings.append(hash) -%}{%- endfor -%}
    {%- do settings.append(champion_version(keyed)) -%}
    {{ return(local_md5(settings | join('|'))) }}
{% endmacro %}

{# The version of the fitted model of topic mastery, for a model that reads it: another champion builds it in full. #}
{% macro champion_version(keyed) %}
    {%- if not keyed.get('champion') -%}{{ return('') }}{%- endif -%}
    {{ return(run_query('select max(model_version) as model_version from ' ~ source('lake', 'mastery_champion')).rows[0][0] or '') }}
{% endmacro %}

{#
The statement that books a build of the model. Where the last one's rows and sum are known, what went and came is added to them, if anything did; else
all is counted.
#}
{% macro keyed_book_build(relation, build, differs) %}
    {%- set last = build['last'] -%}
    {%- set rows -%}
        {%- if last and not differs %}{{ last['row_count'] }}
        {%- elif last %}{{ last['row_count'] }} - (select count(*) from {{ keyed_temp('gone') }}) + (select count(*) from {{ keyed_temp('come') }})
        {%- else %}(select count(*) from {{ relation }}){% endif -%}
    {%- endset -%}
    {%- set sum -%}
        {%- if relation.schema != 'marts' %}null
        {%- elif last and not differs %}{{ last['content_sum'] }}
        {%- elif last %}{{ last['content_sum'] }} - {{ content_sum(model, keyed_temp('gone')) }} + {{ content_sum(model, keyed_temp('come')) }}
        {%- else %}{{ content_sum(model, relation) }}{% endif -%}
    {%- endset -%}
    {{ keyed_builds_row(build, build['settings'], rows, sum) }}
{% endmacro %}

{% macro keyed_builds_row(build, settings, row_count, content_sum) %}
    insert into {{ keyed_books(this.database, 'builds') }}
    select
        '{{ this.identifier }}',
        '{{ build["generation"] }}',
        {{ build['batch'] }},
        '{{ settings }}',
        {% if config.get('meta')['keyed'].get('as_of') %}(select as_of from {{ ref('int_as_of') }}){% else %}cast(null as timestamp){% endif %},
        cast({{ row_count }} as bigint),
        cast({{ content_sum }} as decimal(38, 0)),
        {{ built_now() }}
{% endmacro %}

{# The statement that notes how far this model has taken its producers' logs. #}
{% macro keyed_book_progress(keyed) %}
    insert into {{ keyed_books(this.database, 'progress') }}
    {%- for producer in keyed['follows'] %}
    select '{{ this.identifier }}', '{{ producer }}', generation, batch from ({{ keyed_last_build(producer) }}) as last
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{% endmacro %}

{#
Drops what nobody needs any more: builds and progress that are not the last, and log entries that every consumer has taken and every test has passed.
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
    {%- for node in keyed_nodes(database) if node.name ~ '__changes' in logs -%}
        delete from {{ keyed_log(node.name) }} where batch <= ({{ keyed_taken_by_all(node) }});
        {%- if keyed_has_date(node) -%}
        delete from {{ keyed_books(database, 'touched_dates') }}
        where model = '{{ node.name }}' and batch not in (select batch from {{ keyed_log(node.name) }});
        {%- endif -%}
    {%- endfor -%}
    delete from {{ builds }} where (model, batch) not in (select (model, max(batch)) from {{ builds }} group by model);
    delete from {{ progress }} where rowid not in (select max(rowid) from {{ progress }} group by consumer, producer)
    {%- endif -%}
{% endmacro %}

{#
Up to which batch of its generation every consumer has taken a producer's log, and every test has passed it. One that has not begun with this generation
will look at everything; where that is so of all, up to the last.
#}
{% macro keyed_taken_by_all(node) %}
    {%- set generation = 'generation = (select generation from (' ~ keyed_last_build(node.name) ~ ') as last)' -%}
    {%- set taken = keyed_passed_by_tests(node, generation) -%}
    {%- for consumer in graph.nodes.values() if consumer.resource_type == 'model' and consumer.config.materialized == 'keyed' and node.name in consumer.config.meta.keyed.get('follows', {}) -%}
        {%- do taken.append(
            "select max(batch) as batch from " ~ keyed_books(consumer.database, 'progress') ~ " where consumer = '" ~ consumer.name ~ "' and producer = '" ~ node.name
            ~ "' and " ~ generation
        ) -%}
    {%- endfor -%}
    {{ return('select coalesce(min(batch), 9223372036854775807) from (' ~ (taken or ['select cast(null as bigint) as batch']) | join(' union all ') ~ ') as taken') }}
{% endmacro %}

{# Whether a model's rows have the date by which it is read, and so lie in its order. #}
{% macro keyed_has_date(node) %}{{ return(node.config.meta.keyed.get('date') in node.columns) }}{% endmacro %}

{# The code of a model and of the seeds, views and tables between it and the keyed models that it reads: what they say is part of it. #}
{% macro keyed_code(unique_id) %}
    {%- set node = graph.nodes[unique_id] -%}
    {%- set code = [node.checksum.checksum if node.resource_type == 'seed' else node.raw_code] -%}
    {%- for parent in node.depends_on.nodes | sort if parent in graph.nodes and graph.nodes[parent].config.materialized != 'keyed' -%}
        {%- do code.append(keyed_code(parent)) -%}
    {%- endfor -%}
    {{ return(code | join('|')) }}
{% endmacro %}
