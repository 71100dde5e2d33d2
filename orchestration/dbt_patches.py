"""What dbt does in vain, and does not do in our processes: each changes how soon dbt is done, and nothing else.

What belongs here: replacements of a few of dbt's functions, each with what it saves. dbt is pinned; where a new version
has another function in its place, the tests of builds fail. What does not: the command (`dbt_command.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from functools import cache
from typing import Any

from orchestration.garbage import collect_rarely


@cache
def save_time() -> None:
    """Let dbt, in this process, do without what it spends time on in vain; once is enough."""
    collect_rarely()
    put_messages_into_words_late()
    drop_unheard_messages()
    share_what_is_parsed()
    compile_templates_once()
    find_macros_once()
    make_macros_once()
    make_types_once()
    set_once()


def put_messages_into_words_late() -> None:
    """Let dbt, in this process, make a message only when somebody looks at it.

    dbt makes thousands for each build, most of them for a log at a level that nobody has asked for. One that cannot be
    made is told then, too, and not where dbt meant to make it.
    """
    from dbt_common.events.base_types import BaseEvent

    make = BaseEvent.__init__

    def remember(self: Any, *args: Any, **kwargs: Any) -> None:
        object.__setattr__(self, "_made_of", (args, kwargs))

    def look(self: Any, name: str) -> Any:  # asked for what is not there, or not yet
        if name.startswith("_"):
            raise AttributeError(name)
        if name != "pb_msg":
            return getattr(self.pb_msg, name)
        args, kwargs = self._made_of
        make(self, *args, **kwargs)
        return vars(self)["pb_msg"]

    def change(self: Any, name: str, value: Any) -> None:
        if name == "pb_msg":
            object.__setattr__(self, name, value)
        else:
            setattr(self.pb_msg, name, value)

    BaseEvent.__init__ = remember  # type: ignore[method-assign]
    BaseEvent.__getattr__ = look  # type: ignore[method-assign]
    BaseEvent.__setattr__ = change  # type: ignore[method-assign]


def drop_unheard_messages() -> None:
    """Let dbt, in this process, drop a debug message that no logger shows before it is put into words."""
    from dbt_common.events.base_types import EventLevel
    from dbt_common.events.event_manager import EventManager
    from dbt_common.events.event_manager_client import ctx_set_event_manager

    debug = {EventLevel.DEBUG, EventLevel.TEST}

    class Heard(EventManager):
        def fire_event(self, e: Any, level: EventLevel | None = None, *args: Any, **kwargs: Any) -> None:
            if (level or e.level_tag()) not in debug or any(logger.level in debug for logger in self.loggers):
                super().fire_event(e, level, *args, **kwargs)

    ctx_set_event_manager(Heard())


def share_what_is_parsed() -> None:
    """Let dbt, in this process, use what it has parsed for one home in another: its files do not tell homes apart.

    dbt takes the path of the database for something that a model may be made of, and parses all of the project again
    where it is another one: four seconds of 2 cores.
    """
    from dbt.adapters.duckdb.credentials import DuckDBCredentials

    all_keys: Callable[[Any], tuple[str, ...]] = DuckDBCredentials._connection_keys

    def keys_but_paths(self: DuckDBCredentials) -> tuple[str, ...]:
        return tuple(key for key in all_keys(self) if key not in ("path", "attach"))

    DuckDBCredentials._connection_keys = keys_but_paths  # type: ignore[method-assign]


def compile_templates_once() -> None:
    """Let dbt, in this process, compile equal templates once: those of a generic test are the same at each column."""
    from dbt_common.clients.jinja import MacroFuzzEnvironment
    from jinja2 import Undefined

    anew = MacroFuzzEnvironment.compile
    compiled: dict[tuple[Any, ...], Any] = {}

    def compile_once(self: Any, source: Any, *how: Any, **named: Any) -> Any:
        # dbt gives all environments of a class the same extensions and filters. What is undefined it lets pass where it
        # parses, and so does what jinja works out as it compiles.
        key = (type(self), self.undefined is Undefined, source, how, *sorted(named.items()))
        if key not in compiled:
            compiled[key] = anew(self, source, *how, **named)
        return compiled[key]

    MacroFuzzEnvironment.compile = compile_once  # type: ignore[method-assign]


def find_macros_once() -> None:
    """Let dbt, in this process, look through the packages once for the macro that a name stands for in a node.

    dbt hands all of its thousand macros to each node twice, by their names, and looks through all packages for each.
    """
    from dbt.context.macros import MacroNamespace

    make = MacroNamespace.__init__

    def make_flat(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        self._found = {}
        for package in reversed([*self._search_order()]):
            self._found.update(dict.fromkeys(package, package))

    def get(self: Any, key: str) -> Any:
        return self._found[key][key]  # a unit test puts macros of its own in the place of a package's

    def names(self: Any) -> Iterator[str]:
        return iter(self._found)

    MacroNamespace.__init__ = make_flat  # type: ignore[method-assign]
    MacroNamespace.__getitem__ = get  # type: ignore[method-assign]
    MacroNamespace.__iter__ = names  # type: ignore[method-assign]


def make_macros_once() -> None:
    """Let dbt, in this process, make a macro once for each node that calls it, not at each call.

    A macro sees its node's context as it is when it is called, and keeps nothing from one call to the next.
    """
    from dbt_common.clients.jinja import BaseMacroGenerator

    make = BaseMacroGenerator.get_macro

    def make_once(self: Any) -> Any:
        made = vars(self).get("_made")
        if made is None:
            made = self._made = make(self)
        return made

    BaseMacroGenerator.get_macro = make_once  # type: ignore[method-assign]


def make_types_once() -> None:
    """Let dbt, in this process, make what guesses the types of a result once for the columns that it is to leave alone.

    For each result it makes the same two parsers of dates anew, which is most of what a small result costs.
    """
    from dbt_common.clients import agate_helper

    make = cache(agate_helper.build_type_tester)

    def make_once(text_columns: Iterable[str], string_null_values: Iterable[str] | None = ("null", "")) -> Any:
        nulls = None if string_null_values is None else tuple(string_null_values)
        return make(frozenset(text_columns), nulls)

    agate_helper.build_type_tester = make_once


def set_once() -> None:
    """Let dbt, in this process, set what the profile says of DuckDB when it opens it, not at each node's connection.

    The profile can have no setting, then, that DuckDB knows for a session alone.
    """
    from dbt.adapters.duckdb.environments.local import LocalEnvironment
    from dbt.adapters.duckdb.utils import escape_sql_string

    open_database: Any = LocalEnvironment.initialize_db
    open_cursor: Any = LocalEnvironment.initialize_cursor

    def open_and_set(creds: Any, *args: Any) -> Any:
        connection = open_database(creds, *args)
        try:
            for name, value in (creds.settings or {}).items():
                connection.execute(f"set global {name} = '{escape_sql_string(value)}'")
        except Exception:
            connection.close()  # it would outlive the failure within its traceback
            raise
        return connection

    def open_unset(creds: Any, *args: Any) -> Any:
        without = copy(creds)
        without.settings = None
        return open_cursor(without, *args)

    LocalEnvironment.initialize_db = staticmethod(open_and_set)  # type: ignore[method-assign, assignment]
    LocalEnvironment.initialize_cursor = staticmethod(open_unset)  # type: ignore[method-assign, assignment]
