{# Replaced in one statement: the adapter's own way makes a second view, and renames the two, in six. #}
{% materialization view, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set existing = load_cached_relation(this) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- if existing is not none and not existing.is_view -%}{%- do adapter.drop_relation(existing) -%}{%- endif -%}
    {%- call statement('main') -%}{{ get_create_view_as_sql(target_relation, compiled_code) }}{%- endcall -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#
As the adapter makes a view, but that a view of the marts names the tables beside it without their database: that is the name of the file for
whoever reads it, and the published copy may be attached under any name.
#}
{% macro duckdb__create_view_as(relation, sql) %}
    {%- if config.get('contract').enforced -%}{{ get_assert_columns_equivalent(sql) }}{%- endif %}
    create or replace view {{ relation }} as (
        {{ sql | replace('"' ~ relation.database ~ '"."' ~ relation.schema ~ '".', '"' ~ relation.schema ~ '".') }}
    )
{% endmacro %}
