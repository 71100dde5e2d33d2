{#
`meta.keyed` of a data test that compares keyed models by columns that all their logs have, and so are the keys that a change of one of them touches.
A `date` among them lets `touched_rows` skip row groups.
#}
{% macro keyed_by(columns, models) %}
    {%- set follows = {} -%}
    {%- for name in models -%}{%- do follows.update({name: 'select ' ~ columns | join(', ') ~ ' from changes'}) -%}{%- endfor -%}
    {{ return({'key': columns, 'follows': follows, 'date': 'date' if 'date' in columns else none}) }}
{% endmacro %}
