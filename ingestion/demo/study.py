"""The study app: sessions, what learners do in them, and what the app makes of it (points, levels, streaks)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ingestion.demo.ids import Column, Floats, Ints, Mask, random
from ingestion.demo.learning import HINT_HELPS, MICROSECONDS_PER_DAY, Answers, answer
from ingestion.demo.rows import SECOND, Script, Table, expanded, ranked, take
from ingestion.demo.world import CHUNKS_PER_MATERIAL, MATERIALS_PER_TOPIC, QUESTIONS_PER_TOPIC, Curriculum, Learners

EVENT_TYPES = (
    "session_start", "session_end", "session_pause", "session_resume",
    "material_open", "material_read", "material_complete", "material_highlight", "material_note", "material_bookmark",
    "question_view", "question_submit", "quiz_start", "quiz_complete",
    "ai_question_asked", "ai_response_received", "ai_feedback_positive", "ai_feedback_negative",
    "ai_hint_requested", "ai_explanation_requested",
    "xp_earned", "level_up", "achievement_unlocked", "streak_continued", "streak_broken",
    "search_performed", "topic_explored",
)  # fmt: skip
KIND = {name: np.int8(number) for number, name in enumerate(EVENT_TYPES)}

WEEKDAY_HABIT = (1.1, 1.15, 1.1, 1.0, 0.75, 0.65, 1.0)  # from Monday
MOST_SESSIONS_A_DAY = 3
STEPS = ("question", "read", "ask", "search", "pause")
STEP_SHARES = (0.72, 0.13, 0.07, 0.04, 0.04)
STEP_PLACES = 16  # places in the script that one step of a session has
SESSIONLESS_SHARE = 0.05  # e.g. a widget that knows no sessions: Daybook has to derive them
LEFT_OPEN_SHARE = 0.15
MISCOUNTED_SHARE = 0.04  # of sessions: the app reports less active time than there was
LATE_END_SHARE = 0.03  # the app noticed hours later that nobody was there
QUIZ_SHARE = 0.2
IDLE_SHARE = 0.012  # of steps: gone for more than half an hour, without a pause
REVISIT_SHARE = 0.25
ACHIEVEMENTS = (10, 50, 100, 250, 500, 1000, 2500)  # answers given

DEFAULTS: dict[str, np.generic] = {
    "kind": np.int8(0),
    "topic": np.int16(-1),
    "question": np.int16(-1),
    "material": np.int16(-1),
    "chunk": np.int16(-1),
    "seconds": np.float32(np.nan),
    "active_seconds": np.float32(np.nan),
    "share": np.float32(np.nan),  # a percentage
    "count": np.int32(-1),
    "total": np.int32(-1),
    "other": np.int32(-1),
    "flag": np.bool_(False),
}


@dataclass(frozen=True)
class Study:
    """All events of the study app, in no order of time, and what is true of the learners behind them."""

    events: Table  # DEFAULTS and: at, session, learner, is_sessionless, roll
    answers: Answers
    attempts: Ints  # by (learner, topic), like the next two
    correct: Ints
    expected: Floats  # sum of the true probabilities


@dataclass(frozen=True)
class _Sessions:
    learner: Ints
    started_at: Ints
    steps: Ints
    newest_topic: Ints  # how far the learner has come in the curriculum
    is_sessionless: Mask
    has_quiz: Mask

    def __len__(self) -> int:
        return len(self.learner)


def simulate(
    seed: int,
    curriculum: Curriculum,
    learners: Learners,
    start_at: int,
    days: int,
    weekday_habit: Sequence[float] = WEEKDAY_HABIT,
) -> Study:
    """Let the learners study for a number of days from `start_at` (microseconds since 1970, midnight).

    `weekday_habit` is how often they do on each weekday, from Monday, beside their own diligence.
    """
    rng = random(seed, "study")
    end_at = start_at + days * MICROSECONDS_PER_DAY
    sessions = _plan(rng, curriculum, learners, start_at, days, np.asarray(weekday_habit))
    script = Script(DEFAULTS)
    _write_frame(rng, script, sessions)
    _write_steps(rng, script, sessions)
    events = script.played(sessions.started_at)
    # What has not happened yet when the period ends is in no extract: those sessions are still active.
    events = take(events, events["at"] < end_at)
    events["learner"] = sessions.learner[events["session"]]
    events["is_sessionless"] = sessions.is_sessionless[events["session"]]

    topics = curriculum.topics
    submits = np.flatnonzero(events["kind"] == KIND["question_submit"])
    asked = take(events, submits)
    group = asked["learner"] * topics + asked["topic"]
    hints = HINT_HELPS * asked["flag"]  # until it is answered, the flag of a submit says whether there was a hint
    answers = answer(
        group,
        asked["at"],
        learners.ability.reshape(-1)[group] + hints - curriculum.question_difficulty[asked["question"]],
        np.repeat(learners.gain, topics),
        np.repeat(learners.forgetting, topics),
        rng.random(len(submits)),
    )
    events["flag"][submits] = answers.is_correct
    questions = len(curriculum.question_ids)
    by_time = np.argsort(asked["at"], kind="stable")
    number = np.empty(len(submits), dtype=np.int64)
    number[by_time] = ranked((asked["learner"] * questions + asked["question"])[by_time])
    events["count"][submits] = number + 1

    _settle(rng, events, sessions, submits, answers.is_correct)
    rewards = _rewards(events, sessions)
    streaks = _streaks(sessions, events, start_at)
    events = {name: np.concatenate([events[name], rewards[name], streaks[name]]) for name in events}
    events = take(events, events["at"] < end_at)
    events["roll"] = rng.integers(0, 2**31, len(events["at"]), dtype=np.int64)
    pairs = len(learners.ids) * topics
    return Study(
        events,
        answers,
        attempts=np.bincount(group, minlength=pairs),
        correct=np.bincount(group[answers.is_correct], minlength=pairs),
        expected=np.bincount(group, weights=answers.probability, minlength=pairs).astype(np.float64),
    )


def _plan(
    rng: np.random.Generator,
    curriculum: Curriculum,
    learners: Learners,
    start_at: int,
    days: int,
    weekday_habit: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> _Sessions:
    """Who studies when, and for how long."""
    day = np.arange(days)
    weekday = (start_at // MICROSECONDS_PER_DAY + 3 + day) % 7  # 1970-01-01 was a Thursday
    rate = learners.diligence[:, None] * weekday_habit[weekday]
    rate = rate * (day >= learners.joined_day[:, None]) * (day < learners.left_day[:, None])
    owner, turn = expanded(np.minimum(rng.poisson(rate), MOST_SESSIONS_A_DAY).reshape(-1))
    learner, day_of = owner // days, owner % days
    hour = learners.habit_hour[learner] + 3.5 * turn + rng.normal(0, 1.0, len(owner)) - learners.utc_offset[learner]
    started_at = start_at + day_of * MICROSECONDS_PER_DAY + np.round(hour * 3_600_000).astype(np.int64) * 1000
    order = np.lexsort((started_at, learner))
    order = order[(started_at[order] >= start_at) & (started_at[order] < start_at + days * MICROSECONDS_PER_DAY)]
    learner, started_at = learner[order], started_at[order]
    sessions = len(learner)
    return _Sessions(
        learner=learner,
        started_at=started_at,
        steps=3 + rng.negative_binomial(2, 2 / 17, sessions),
        newest_topic=np.minimum(ranked(learner) // learners.pace[learner], curriculum.topics - 1),
        is_sessionless=rng.random(sessions) < SESSIONLESS_SHARE,
        has_quiz=rng.random(sessions) < QUIZ_SHARE,
    )


def _write_frame(rng: np.random.Generator, script: Script, sessions: _Sessions) -> None:
    """Start and end of each session, of its quiz, and the points given at the end."""
    every = np.arange(len(sessions))
    after_steps = (sessions.steps + 1) * STEP_PLACES
    script.add(every[~sessions.is_sessionless], 0, 0, kind=KIND["session_start"])
    quiz = every[sessions.has_quiz]
    script.add(quiz, 1, 3, kind=KIND["quiz_start"])
    script.add(quiz, after_steps[quiz], 4, kind=KIND["quiz_complete"])
    script.add(every, after_steps + 1, 1, kind=KIND["xp_earned"])
    ended = every[~sessions.is_sessionless & (rng.random(len(sessions)) >= LEFT_OPEN_SHARE)]
    gap = 5 + rng.exponential(20, len(ended))
    gap = np.where(rng.random(len(ended)) < LATE_END_SHARE, gap + rng.uniform(2400, 9000, len(ended)), gap)
    script.add(ended, after_steps[ended] + 2, gap, kind=KIND["session_end"])


def _write_steps(rng: np.random.Generator, script: Script, sessions: _Sessions) -> None:
    """What is done in a session: questions, reading, asking the assistant, searching, pausing."""
    session, number = expanded(sessions.steps)
    newest = sessions.newest_topic[session]
    again = rng.random(len(session)) < REVISIT_SHARE
    topic = np.where(again, (rng.random(len(session)) * (newest + 1)).astype(np.int64), newest)
    place = (number + 1) * STEP_PLACES
    idle = rng.random(len(session)) < IDLE_SHARE
    gap = 2 + rng.exponential(6, len(session)) + np.where(idle, rng.uniform(1500, 4500, len(session)), 0)
    what = rng.choice(len(STEPS), len(session), p=STEP_SHARES)
    # A pause belongs to a session: where the app knows of none, there is nothing to pause.
    what[sessions.is_sessionless[session] & (what == STEPS.index("pause"))] = STEPS.index("question")
    writers = {"question": _question, "read": _read, "ask": _ask, "search": _search, "pause": _pause}
    for step, name in enumerate(STEPS):
        chosen = np.flatnonzero(what == step)
        writers[name](rng, script, session[chosen], place[chosen], gap[chosen], topic[chosen])


def _question(rng: np.random.Generator, script: Script, session: Ints, place: Ints, gap: Floats, topic: Ints) -> None:
    size = len(session)
    question = topic * QUESTIONS_PER_TOPIC + rng.integers(0, QUESTIONS_PER_TOPIC, size)
    at = {"topic": topic, "question": question}
    script.add(session, place, gap, kind=KIND["question_view"], **at)
    has_hint = rng.random(size) < 0.09
    hint_gap = np.where(has_hint, np.round(3 + rng.exponential(12, size), 1), 0.0)
    answer_gap = np.round(rng.lognormal(np.log(21), 0.6, size), 1)
    hinted = np.flatnonzero(has_hint)
    script.add(
        session[hinted], place[hinted] + 1, hint_gap[hinted],
        kind=KIND["ai_hint_requested"], seconds=hint_gap[hinted], **_at(at, hinted),
    )  # fmt: skip
    script.add(
        session, place + 2, answer_gap,
        kind=KIND["question_submit"], seconds=hint_gap + answer_gap, flag=has_hint, other=has_hint, **at,
    )  # fmt: skip
    explained = np.flatnonzero(rng.random(size) < 0.1)
    script.add(
        session[explained], place[explained] + 3, 4 + rng.exponential(8, len(explained)),
        kind=KIND["ai_explanation_requested"], **_at(at, explained),
    )  # fmt: skip


def _read(rng: np.random.Generator, script: Script, session: Ints, place: Ints, gap: Floats, topic: Ints) -> None:
    material = topic * MATERIALS_PER_TOPIC + rng.integers(0, MATERIALS_PER_TOPIC, len(session))
    at = {"topic": topic, "material": material}
    script.add(session, place, gap, kind=KIND["material_open"], **at)
    of, page = expanded(rng.integers(1, 4, len(session)))
    chunk = (rng.integers(0, CHUNKS_PER_MATERIAL, len(session))[of] + page) % CHUNKS_PER_MATERIAL
    seconds = np.round(rng.lognormal(np.log(45), 0.7, len(of)), 1)
    depth = np.minimum(100, np.round((page + 1) * rng.uniform(20, 45, len(session))[of], 1))
    script.add(
        session[of], place[of] + 1 + page, seconds,
        kind=KIND["material_read"], chunk=chunk, seconds=seconds, share=depth, flag=depth >= 90, **_at(at, of),
    )  # fmt: skip
    marks = np.array([KIND["material_highlight"], KIND["material_note"], KIND["material_bookmark"]])
    marked = np.flatnonzero(rng.random(len(session)) < 0.3)
    script.add(
        session[marked], place[marked] + 4, 6,
        kind=rng.choice(marks, len(marked)), count=rng.integers(4, 240, len(marked)), **_at(at, marked),
    )  # fmt: skip
    done = np.flatnonzero(rng.random(len(session)) < 0.25)
    total = np.round(np.bincount(of, weights=seconds, minlength=len(session)), 1)
    script.add(
        session[done], place[done] + 5, 2,
        kind=KIND["material_complete"], seconds=total[done], share=100, **_at(at, done),
    )  # fmt: skip


def _ask(rng: np.random.Generator, script: Script, session: Ints, place: Ints, gap: Floats, topic: Ints) -> None:
    size = len(session)
    at = {"topic": topic}
    script.add(session, place, gap + 15, kind=KIND["ai_question_asked"], count=rng.integers(8, 300, size), **at)
    seconds = np.round(rng.lognormal(np.log(1.6), 0.5, size), 3)
    script.add(
        session, place + 1, seconds,
        kind=KIND["ai_response_received"], seconds=seconds, count=rng.integers(80, 2400, size), **at,
    )  # fmt: skip
    rated = np.flatnonzero(rng.random(size) < 0.3)
    liked = rng.random(len(rated)) < 0.75
    script.add(
        session[rated], place[rated] + 2, 12,
        kind=np.where(liked, KIND["ai_feedback_positive"], KIND["ai_feedback_negative"]),
        count=np.where(liked, rng.integers(4, 6, len(rated)), rng.integers(1, 3, len(rated))),
    )  # fmt: skip


def _search(rng: np.random.Generator, script: Script, session: Ints, place: Ints, gap: Floats, topic: Ints) -> None:
    found = np.where(rng.random(len(session)) < 0.12, 0, rng.integers(1, 40, len(session)))
    script.add(session, place, gap, kind=KIND["search_performed"], count=found)
    clicked = np.flatnonzero((found > 0) & (rng.random(len(session)) < 0.6))
    script.add(
        session[clicked], place[clicked] + 1, 3 + rng.exponential(10, len(clicked)),
        kind=KIND["topic_explored"], topic=topic[clicked], share=np.round(rng.uniform(0, 100, len(clicked)), 1),
    )  # fmt: skip


def _pause(rng: np.random.Generator, script: Script, session: Ints, place: Ints, gap: Floats, topic: Ints) -> None:
    script.add(session, place, gap, kind=KIND["session_pause"])
    # Some come back without saying so: their next event ends the pause.
    said = np.flatnonzero(rng.random(len(session)) < 0.85)
    script.add(session[said], place[said] + 1, rng.exponential(420, len(said)), kind=KIND["session_resume"])


def _at(columns: dict[str, Ints], rows: Ints) -> dict[str, Ints]:
    return {name: column[rows] for name, column in columns.items()}


def _settle(rng: np.random.Generator, events: Table, sessions: _Sessions, submits: Ints, is_correct: Mask) -> None:
    """Fill in what the app reports of sessions and quizzes, and the points: from what happened in them."""
    size = len(sessions)
    session, kind = events["session"], events["kind"]

    def per_session(rows: Column) -> Ints:
        return np.bincount(session[rows], minlength=size)

    answered = per_session(submits)
    correct = per_session(submits[is_correct])
    read = per_session(kind == KIND["material_read"])
    viewings = np.isin(kind, [KIND["material_open"], KIND["material_read"]])
    pairs = np.unique(np.stack([session[viewings], events["material"][viewings]]), axis=1)
    viewed = np.bincount(pairs[0], minlength=size)
    points = 10 * correct + 2 * (answered - correct) + 3 * read

    def fill(name: str, **columns: Column) -> None:
        rows = np.flatnonzero(kind == KIND[name])
        for column, values in columns.items():
            events[column][rows] = values[session[rows]]

    ends = np.flatnonzero(kind == KIND["session_end"])
    lasted = np.zeros(size)
    lasted[session[ends]] = (events["at"][ends] - sessions.started_at[session[ends]]) / SECOND
    fill(
        "session_end",
        seconds=np.round(lasted),
        active_seconds=np.round(_present(events, size) * np.where(rng.random(size) < MISCOUNTED_SHARE, 0.8, 1.0)),
        count=answered,
        total=points,
        other=viewed,
    )
    with np.errstate(invalid="ignore"):
        accuracy = np.round(100 * correct / answered, 1)
    fill("quiz_start", count=answered)
    fill("quiz_complete", count=answered, total=correct, share=accuracy)
    earned = np.flatnonzero(kind == KIND["xp_earned"])
    earned = earned[np.lexsort((events["at"][earned], events["learner"][earned]))]
    events["count"][earned] = points[session[earned]]
    events["total"][earned] = _running(points[session[earned]], events["learner"][earned])


def _present(events: Table, size: int) -> Floats:
    """Seconds of each session in which its learner was there: gaps between events, without long ones and pauses."""
    order = np.lexsort((events["at"], events["session"]))
    session, kind = events["session"][order], events["kind"][order]
    gap = np.diff(events["at"][order]) / SECOND
    counts = (session[1:] == session[:-1]) & (gap <= 1800) & (kind[:-1] != KIND["session_pause"])
    return np.bincount(session[:-1][counts], weights=gap[counts], minlength=size).astype(np.float64)


def _running(values: Ints, group: Ints) -> Ints:
    """Running totals within groups that lie together."""
    total = np.cumsum(values)
    first = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]])) if len(group) else np.zeros(0, np.int64)
    sizes = np.diff(np.append(first, len(group)))
    result: Ints = total - np.repeat(total[first] - values[first], sizes)
    return result


def _level(points: Ints) -> Ints:
    level: Ints = 1 + np.floor(np.sqrt(points / 100)).astype(np.int64)
    return level


def _rewards(events: Table, sessions: _Sessions) -> Table:
    """Levels and achievements, a second or two after the points that led to them."""
    earned = take(events, events["kind"] == KIND["xp_earned"])
    earned = take(earned, np.lexsort((earned["at"], earned["learner"])))
    before, after = _level(earned["total"] - earned["count"]), _level(earned["total"])
    levels = _like(take(earned, after > before), "level_up", SECOND)
    levels["count"][:] = after[after > before]
    levels["other"][:] = before[after > before]

    answered = np.bincount(events["session"][events["kind"] == KIND["question_submit"]], minlength=len(sessions))
    given = _running(answered[earned["session"]], earned["learner"])
    steps = np.array(ACHIEVEMENTS)
    reached = np.searchsorted(steps, given, side="right")
    new = reached > np.searchsorted(steps, given - answered[earned["session"]], side="right")
    achievements = _like(take(earned, new), "achievement_unlocked", 2 * SECOND)
    achievements["count"][:] = steps[reached[new] - 1]
    return {name: np.concatenate([levels[name], achievements[name]]) for name in levels}


def _streaks(sessions: _Sessions, events: Table, start_at: int) -> Table:
    """At the first session of a day: the streak goes on, or was broken."""
    day = (sessions.started_at - start_at) // MICROSECONDS_PER_DAY
    first = np.flatnonzero(
        np.concatenate([[True], (sessions.learner[1:] != sessions.learner[:-1]) | (day[1:] != day[:-1])])
        if len(sessions)
        else np.zeros(0, np.bool_)
    )
    learner, day = sessions.learner[first], day[first]
    new_run = (
        np.concatenate([[True], (learner[1:] != learner[:-1]) | (day[1:] != day[:-1] + 1)]) if len(first) else first
    )
    run = np.cumsum(new_run)
    length = ranked(run) + 1
    previous = np.concatenate([[0], length[:-1]])
    same_learner = np.concatenate([[False], learner[1:] == learner[:-1]]) if len(first) else new_run
    continued = length > 1
    broken = same_learner & (length == 1) & (previous > 1)
    said = np.flatnonzero(continued | broken)
    streaks = {name: np.full(len(said), DEFAULTS.get(name, 0), dtype=column.dtype) for name, column in events.items()}
    streaks["kind"] = np.where(continued, KIND["streak_continued"], KIND["streak_broken"])[said]
    streaks["at"] = sessions.started_at[first[said]] + SECOND
    streaks["learner"] = learner[said]
    streaks["session"] = first[said]
    streaks["is_sessionless"] = np.ones(len(said), dtype=np.bool_)
    streaks["count"] = np.where(continued, length, 0)[said].astype(np.int32)
    streaks["total"] = previous[said].astype(np.int32)
    return streaks


def _like(rows: Table, kind: str, later: int) -> Table:
    """Events of another kind, a little later than these."""
    rows = {name: column.copy() for name, column in rows.items()}
    rows["kind"][:] = KIND[kind]
    rows["at"] += later
    return rows
