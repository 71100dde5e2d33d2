"""How messages word what they tell. What belongs here: words alone."""

import re


def counted(number: int, thing: str) -> str:
    """A number and what it counts: "1 date", "2 dates"."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def told_later(extracts: int) -> str:
    """That some extracts are of dates that no run can take yet."""
    return f"{counted(extracts, 'extract')} of dates outside the partitions: reload the definitions to load them"


def in_short(message: str) -> str:
    """A message on one line, without the stack of a program that nobody here wrote."""
    lines = (line.strip() for line in message.splitlines())
    return " ".join(
        line
        for line in lines
        if line and not re.match(r"(at )?[\w.$/<>]+\([\w ]+(\.\w+:\d+)?\)$|\.\.\. \d+ more", line)
    )
