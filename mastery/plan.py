"""What a learner should practise next, and why, as a picture: `python -m mastery.plan USER_ID > plan.svg`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from datetime import date
from html import escape

import duckdb

from ingestion.home import Home

_ROW, _TOP, _LEFT, _SCALE, _WIDTH = 34, 64, 230, 320, 1080
_LINES = {0.70: "proficient", 0.85: "mastered"}
_COLOURS = {"blocked": "#8a6d3b", "forgotten": "#3a78a8", "wheel_spinning": "#a83a5c", "struggling": "#c77f1a"}


@dataclass(frozen=True)
class Gap:
    """An open gap of the learner, as the marts have it."""

    priority: int
    topic: str
    gap_type: str
    blocking_topic: str | None
    score: float
    low: float
    high: float
    attempts: int
    correct: int
    days_since_practice: float
    recall: float
    was_mastered: bool


def read_gaps(con: duckdb.DuckDBPyConnection, user_id: str) -> list[Gap]:
    """The open gaps of a learner, the first to practise first, from the schema `marts` of a connection."""
    rows = con.execute(
        """
        select
            gap.priority,
            coalesce(nullif(topic.topic_name, ''), 'topic ' || left(gap.topic_id, 8)) as topic,
            gap.gap_type,
            coalesce(nullif(blocking.topic_name, ''), 'topic ' || left(gap.blocking_topic_id, 8)) as blocking_topic,
            pair.mastery_score, pair.mastery_low, pair.mastery_high,
            pair.questions_attempted, pair.questions_correct, cast(pair.days_since_practice as double), pair.recall,
            pair.reached_mastered_at is not null
        from marts.knowledge_gaps as gap
        inner join marts.topic_mastery as pair using (user_id, topic_id)
        left join marts.topics as topic using (topic_id)
        left join marts.topics as blocking on gap.blocking_topic_id = blocking.topic_id
        where gap.user_id = ? and gap.resolved_on is null
        order by gap.priority
        """,
        [user_id],
    ).fetchall()
    return [Gap(*row) for row in rows]


def why(gap: Gap) -> str:
    """Why the topic is a gap, in a sentence for a teacher."""
    days = f"{gap.days_since_practice:.0f}"
    then = f"{gap.score / gap.recall:.0%} when last practised, {days} {'day' if days == '1' else 'days'} ago"
    answers = f"{gap.correct} of {gap.attempts} answers right"
    if gap.gap_type == "forgotten":
        return f"was mastered: {then}"
    if gap.gap_type == "wheel_spinning":
        return f"{answers}, never mastered; {then}"
    once = ", mastered once" if gap.was_mastered else ""
    if gap.gap_type == "blocked":
        return f"builds on {gap.blocking_topic}: that first; {answers}{once}"
    return f"{answers}{once}; {then}"


def draw(gaps: list[Gap], as_of: date) -> str:
    """The gaps as SVG: for each the score, its 90 % interval, what is missing, and why.

    Args:
        gaps: in the order in which they are drawn.
        as_of: the day that the picture speaks of.
    """
    height = _TOP + _ROW * max(len(gaps), 1) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
        ' font-family="sans-serif" font-size="13" fill="#222">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        '<text x="10" y="22" font-size="16" font-weight="bold">What to practise next, and why</text>',
        _text(262, 22, f"as of {as_of:%-d %B %Y}", colour="#777"),
    ]
    bottom = height - 36
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(_text(_x(share), bottom + 16, f"{share:.0%}", anchor="middle", colour="#777"))
    for score, name in _LINES.items():
        parts.append(
            f'<line x1="{_x(score)}" x2="{_x(score)}" y1="{_TOP - 14}" y2="{bottom}"'
            ' stroke="#999" stroke-dasharray="4 3"/>'
        )
        anchor = "end" if score == min(_LINES) else "start"
        parts.append(_text(_x(score), _TOP - 18, name, anchor=anchor, colour="#777"))
    parts.append(
        _text(
            _x(0.5),
            bottom + 32,
            "how likely the next answer is right, and how sure that is",
            anchor="middle",
            colour="#777",
        )
    )
    for number, gap in enumerate(gaps):
        y = _TOP + _ROW * number + _ROW / 2
        colour = _COLOURS[gap.gap_type]
        parts += [
            _text(10, y + 4, f"{gap.priority}.  {gap.topic}"),
            f'<line x1="{_x(gap.low)}" x2="{_x(gap.high)}" y1="{y}" y2="{y}"'
            f' stroke="{colour}" stroke-width="3" opacity="0.5"/>',
            f'<circle cx="{_x(gap.score)}" cy="{y}" r="6" fill="{colour}"/>',
            _text(_LEFT + _SCALE + 24, y - 2, gap.gap_type.replace("_", " "), colour=colour),
            _text(_LEFT + _SCALE + 24, y + 13, why(gap), size=12),
        ]
    if not gaps:
        parts.append(_text(10, _TOP + 20, "No open gaps."))
    return "\n".join([*parts, "</svg>\n"])


def _x(share: float) -> float:
    return round(_LEFT + _SCALE * share, 1)


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = "#222", size: int = 13) -> str:
    text = "".join(character for character in text if character.isprintable())  # XML has no control characters
    return f'<text x="{x}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}">{escape(text)}</text>'


def main(arguments: list[str] | None = None) -> int:
    """Write the picture of a learner to standard output."""
    parser = argparse.ArgumentParser(prog="python -m mastery.plan", description=__doc__)
    parser.add_argument("user_id")
    user_id = parser.parse_args(arguments).user_id.lower()
    published = Home.from_env().published
    if not published.is_file():
        print(f"{published}: nothing is published yet; run make nightly first", file=sys.stderr)
        return 1
    with duckdb.connect(str(published), read_only=True) as con:
        if not con.execute("select 1 from marts.topic_mastery where user_id = ? limit 1", [user_id]).fetchone():
            print(f"{published}: no learner with this id has an attempt", file=sys.stderr)
            return 1
        (as_of,) = con.execute("select as_of from marts.mart_as_of").fetchall()[0]
        sys.stdout.write(draw(read_gaps(con, user_id), as_of))
    return 0


if __name__ == "__main__":
    sys.exit(main())
