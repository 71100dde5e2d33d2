{#
Each value that is there lies between `min` and `max`, both included; either may be left out. Only for what holds whatever arrives:
a number that odd data can push out of its range belongs in a test that warns. It returns the rows at fault.
#}
{% test within(model, column_name, min=none, max=none) %}
{%- set faults = [] -%}
{%- if min is not none -%}{%- do faults.append(column_name ~ ' < ' ~ min) -%}{%- endif -%}
{%- if max is not none -%}{%- do faults.append(column_name ~ ' > ' ~ max) -%}{%- endif -%}
select *
from {{ model }}
where {{ faults | join(' or ') or 'false' }}
{% endtest %}
