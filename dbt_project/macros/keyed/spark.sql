{#
Keyed models on Spark. Without Delta there is no DELETE, and overwriting a partition with nothing leaves the old rows: a keyed model is built
in full by every run, like a table, and keeps no books.
#}
{% materialization keyed, adapter='spark' %}
    {{ return(materialization_table_spark()) }}
{% endmaterialization %}

{% macro spark__is_keyed_run() %}{{ return(false) }}{% endmacro %}
{% macro spark__keyed_last_build(name) %}{{ return(counted_build(ref(name))) }}{% endmacro %}
{% macro spark__keyed_books_setup(database) %}{% endmacro %}
{% macro spark__keyed_books_prune(database) %}{% endmacro %}
{% macro spark__marts_database() %}{{ return(none) }}{% endmacro %}
