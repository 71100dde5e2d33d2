"""Random histories of a small, dense world: extract files, night by night, and the reference's input after each night.

What belongs here: rows whose verdict at load is known, and everything that goes wrong on the way to a warehouse: late,
repeated, conflicting and corrected rows, dates out of order, empty files.
What does not: any expected mart (`marts.py`).

    for night in history(seed):
        night.write(home / "landing")
        ...  # run the warehouse
        expected = build(night.rows(), night.loads())

A world is made so that edges are met often: three learners, few questions, times on a coarse grid around midnight with
gaps of exactly the inactivity limit, a microsecond more, and none at all. The scripts of the systems beside study and
assessment have a module of their own, `worlds.py`.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.reference import models, worlds
from tests.reference.marts.mastery import Model
from tests.reference.reading import Load, Row, timestamp
from tests.reference.spelling import DAY, MICROSECOND, MINUTE, midnight, spelled

FIRST_DATE = date(2026, 3, 2)

# Seconds to an answer; those above an hour, and the fractions, are cut where a mart says so.
ANSWER_TIMES = (0, 5, 5.0, 7.5, 12.3456785, 40, 3599.9999996, 3600, 3600.5, 4000)

# Gaps between the events of a script; half of them at or near a limit.
GAPS = (
    timedelta(0),
    timedelta(0),
    MICROSECOND,
    timedelta(seconds=1.5),
    timedelta(seconds=20),
    5 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE - MICROSECOND,
    30 * MINUTE,
    30 * MINUTE,
    30 * MINUTE + MICROSECOND,
    35 * MINUTE,
    60 * MINUTE,
    60 * MINUTE + MICROSECOND,
    5 * MINUTE + MICROSECOND,
)

# Most learners either know a topic or do not.
SKILLS = (0.03, 0.5, 0.95, 1, 1)

STUDY_TYPES = (
    ("session_start", 10),
    ("session_end", 14),
    ("session_pause", 12),
    ("session_resume", 8),
    ("material_open", 4),
    ("material_read", 9),
    ("material_complete", 3),
    ("material_highlight", 2),
    ("material_note", 2),
    ("material_bookmark", 2),
    ("question_view", 6),
    ("question_submit", 20),
    ("question_attempt", 3),
    ("quiz_start", 3),
    ("quiz_complete", 3),
    ("ai_question_asked", 6),
    ("ai_response_received", 4),
    ("ai_feedback_positive", 1),
    ("ai_feedback_negative", 1),
    ("ai_hint_requested", 8),
    ("ai_explanation_requested", 8),
    ("xp_earned", 8),
    ("level_up", 2),
    ("achievement_unlocked", 2),
    ("streak_continued", 4),
    ("streak_broken", 1),
    ("search_performed", 5),
    ("topic_explored", 3),
)
MATERIAL_TYPES = tuple(name for name, _ in STUDY_TYPES if name.startswith("material_"))
QUESTION_TYPES = (
    "question_view",
    "question_submit",
    "question_attempt",
    "ai_hint_requested",
    "ai_explanation_requested",
)
TOPIC_TYPES = ("material_open", "material_read", "material_complete", "topic_explored", *QUESTION_TYPES)

CLIENT_TYPES = (
    ("QUESTION_VIEWED", 14),
    ("NAVIGATE_NEXT", 2),
    ("NAVIGATE_PREV", 2),
    ("NAVIGATE_JUMP", 2),
    ("ANSWER_SELECTED", 7),
    ("ANSWER_CHANGED", 5),
    ("MARK_FOR_REVIEW_TOGGLED", 6),
    ("PAUSE_BLUR", 14),
)
# What may follow an event exactly at the end of a funnel's window, or a microsecond after it.
ECHOES = {
    "quiz_start": ("quiz_complete", DAY),
    "material_open": ("material_read", 7 * DAY),
    "material_read": ("material_complete", 7 * DAY),
}
SERVER_TYPES = (("SESSION_CREATED", 3), ("SESSION_SUBMITTED", 4), ("SESSION_EXPIRED", 3), ("REVIEW_OPENED", 2))


# Names that are one event type.
ALIASES = (("question_submit", "question_attempt"), ("DraftPublished", "DraftPublishedEvent"))

TIME_FIELDS = {
    "study": "event_ts",
    "assessment": "event_ts",
    "recommendation": "occurred_at",
    "collaboration": "timestamp",
    "textbook": "timestamp",
}


@dataclass(frozen=True)
class Line:
    """One line of a file: its text, and for each of its rows the reason why the load refuses it, if it does."""

    text: str
    rejects: tuple[str | None, ...] = (None,)

    @property
    def document(self) -> dict[str, Any]:
        parsed = json.loads(self.text, parse_float=Decimal)
        assert isinstance(parsed, dict)
        return parsed


@dataclass(frozen=True)
class Name:
    """Where a file lies: `landing/<system>/<extract date>/<name>`."""

    system: str
    extract_date: date
    name: str

    @property
    def stream(self) -> str:
        return self.name.removesuffix(".ndjson").split("-")[0]

    @property
    def path(self) -> str:
        return f"{self.system}/{self.extract_date.isoformat()}/{self.name}"


Files = dict[Name, tuple[Line, ...]]


@dataclass(frozen=True)
class Night:
    """What one night changes in landing, and the state that it leaves."""

    index: int
    changed: tuple[Name, ...]  # written, replaced or merely touched
    removed: tuple[Name, ...]
    files: Files = field(repr=False)  # everything in landing after this night
    story: tuple[str, ...] = ()

    def write(self, landing: Path) -> None:
        """Apply this night's changes to a landing folder that holds the nights before."""
        for name in self.removed:
            (landing / name.path).unlink()
        for name in self.changed:
            write_file(landing, name, self.files[name], self.index)

    def write_all(self, landing: Path) -> None:
        """Write the whole state after this night into an empty landing folder."""
        for name, lines in self.files.items():
            write_file(landing, name, lines, self.index)

    def rows(self) -> list[Row]:
        """The reference's input: every row in landing after this night."""
        return [row for name, lines in self.files.items() for row in rows_of(name, lines)]

    def loads(self) -> list[Load]:
        """Every (system, stream, extract date) in landing after this night, empty ones included."""
        return sorted({Load(name.system, name.stream, name.extract_date) for name in self.files})

    def dates(self) -> list[date]:
        """The extract dates that this night has news for."""
        return sorted({name.extract_date for name in (*self.changed, *self.removed)})


def file_bytes(lines: tuple[Line, ...]) -> bytes:
    """The lines as NDJSON. A blank line follows every fifth one, and the last one goes without a line end at times."""
    text = ""
    for index, line in enumerate(lines):
        text += line.text + ("\r\n\n" if index % 5 == 4 else "\n")
    return (text.rstrip("\r\n") if len(lines) % 3 == 0 else text).encode()


def rows_of(name: Name, lines: tuple[Line, ...]) -> Iterator[Row]:
    """The rows of a file, with the line numbers that `file_bytes` gives them."""
    number = 0
    for index, line in enumerate(lines):
        number += 1
        for batch_index, reject in enumerate(line.rejects):
            document = {} if reject == "malformed" else line.document
            yield Row(
                name.system, name.stream, name.extract_date, name.name, number, batch_index, document, reject=reject
            )
        if index % 5 == 4:
            number += 1  # the blank line


def write_file(landing: Path, name: Name, lines: tuple[Line, ...], index: int) -> None:
    """Write a file whole, with a modification time that tells the nights apart."""
    path = landing / name.path
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(file_bytes(lines))
    modified = 1_767_225_600 + index
    os.utime(temporary, (modified, modified))
    temporary.replace(path)


class History:
    """A random history: iterate over its nights; `rows()` and `loads()` speak of landing after the newest one."""

    def __init__(
        self,
        seed: int,
        nights: int = 10,
        snapshots: bool = False,
        rejects: bool = True,
        learners: int = 3,
        first_date: date = FIRST_DATE,
    ) -> None:
        """Set up the world of a seed.

        Args:
            seed: The same seed gives the same history, byte for byte.
            nights: How many nights there are.
            snapshots: Whether the study system's reference streams have files, too.
            rejects: Whether some rows break their contract.
            learners: How many learners there are. More than three also sit exams, where each answers most questions.
            first_date: Around which date the history begins.
        """
        self.learners = learners
        self.seed = seed
        self.nights = nights
        self.snapshots = snapshots
        self.rejects = rejects
        self._night: Night | None = None
        self._author = _Author(random.Random(seed), snapshots, rejects, learners, first_date)
        self._iterator = self._generate()

    def __iter__(self) -> Iterator[Night]:
        return self._iterator

    def __next__(self) -> Night:
        return next(self._iterator)

    def rows(self) -> list[Row]:
        return [] if self._night is None else self._night.rows()

    def loads(self) -> list[Load]:
        return [] if self._night is None else self._night.loads()

    def written(self) -> list[tuple[str, str, Line]]:
        """What the systems have said so far, each thing once and whether or not a file has it: system, stream, line."""
        author = self._author
        return [(system, stream, author.line(system, stream, document)) for system, stream, document in author.written]

    def champion(self) -> Model:
        """A mastery model that knows some of this world's questions and topics."""
        return models.champion(self._author.topics, self._author.questions)

    def challenger(self) -> Model:
        """Another one, that may be promoted between two nights."""
        return models.challenger(self._author.topics, self._author.questions)

    def _generate(self) -> Iterator[Night]:
        for index in range(self.nights):
            self._night = self._author.night(index)
            yield self._night


def history(
    seed: int,
    nights: int = 10,
    snapshots: bool = False,
    rejects: bool = True,
    learners: int = 3,
    first_date: date = FIRST_DATE,
) -> History:
    """The random history of a seed; iterate over it for its nights."""
    return History(seed, nights, snapshots, rejects, learners, first_date)


# --- the author -----------------------------------------------------------------------------------------------------


def limit(extract_date: date) -> datetime:
    """The latest event_ts that an extract of this date may hold."""
    return midnight(extract_date) + 2 * DAY


class _Author:
    """Writes the nights of one history: scripts of learners become documents, which wait until a file takes them."""

    def __init__(self, rng: random.Random, snapshots: bool, rejects: bool, learners: int, first_date: date) -> None:
        self.rng = rng
        self.snapshots = snapshots
        self.rejects = rejects
        self.users = [self.uuid() for _ in range(learners)]
        self.topics = [self.uuid() for _ in range(4)]
        self.questions = [self.uuid() for _ in range(8)]
        self.materials = [self.uuid() for _ in range(2)]
        self.chunks = [self.uuid() for _ in range(3)]
        # How likely a learner is right at a topic, where they practise it.
        self.skills = {(user, topic): rng.choice(SKILLS) for user in self.users for topic in self.topics}
        self.study_sessions: list[str] = []
        self.test_sessions: list[tuple[str, str, list[str]]] = []  # session, owner, questions
        self.seq: dict[str, int] = {}
        self.numbers = itertools.count(1)  # for ids that are opaque text
        # Documents that no file has taken yet, with the earliest extract date that may.
        self.waiting: dict[tuple[str, str], list[tuple[date, dict[str, Any]]]] = {}
        self.written: list[tuple[str, str, dict[str, Any]]] = []  # every document, as it was written first
        self.files: Files = {}
        self.first_date = first_date
        self.cursor = first_date - DAY
        self.changed: set[Name] = set()
        self.removed: set[Name] = set()
        self.story: list[str] = []

    # -- chance

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def weighted(self, table: tuple[tuple[str, int], ...]) -> str:
        return self.rng.choices([name for name, _ in table], [weight for _, weight in table])[0]

    def maybe(self, document: dict[str, Any], name: str, *values: Any, share: float = 0.6) -> None:
        """Set a field at times, at times to null, to one of the values."""
        if self.chance(share):
            document[name] = self.rng.choice(values)
        elif self.chance(0.2):
            document[name] = None

    def wait(self, system: str, stream: str, earliest: datetime, document: dict[str, Any]) -> None:
        """Let a document wait for a file; no earlier than 24 h before its own time, as the contract has it."""
        first = (earliest - 2 * DAY).date()
        if midnight(first) + 2 * DAY < earliest:
            first += DAY
        if self.chance(0.85):
            first = max(first, earliest.date())
        self.waiting.setdefault((system, stream), []).append((first, document))
        self.written.append((system, stream, document))

    def some_question(self) -> str:
        """A question; the first three are the popular ones."""
        return self.rng.choice(self.questions[:3] if self.chance(0.6) else self.questions)

    # -- study

    def exam(self, day: date) -> None:
        """Every learner answers most questions; some know more than others."""
        for number, user in enumerate(self.users):
            session = self.uuid()
            moment = midnight(day) + timedelta(hours=self.rng.choice((12, 23.9)))
            # Most take the questions as they come, so that the last ones meet learners who have answered others.
            questions = list(self.questions) if self.chance(0.8) else self.rng.sample(self.questions, 7)
            for question in questions:
                document = self.study_document("question_submit", moment, user, session, question, self.materials[0])
                document["properties"]["is_correct"] = self.chance((number + 1) / (len(self.users) + 1))
                self.wait("study", "events", moment, document)
                moment += self.rng.choice(GAPS[:6])

    def practice(self, day: date) -> None:
        """One learner answers questions on one topic; at times with hints, and at times until after midnight."""
        rng = self.rng
        user, topic = rng.choice(self.users[:4]), rng.choice(self.topics)
        if self.chance(0.25):
            # One learner goes on and on with a topic that is no use to them.
            user, topic = self.users[0], self.topics[0]
            self.skills[user, topic] = 0.03
        elif self.chance(0.15):
            self.skills[user, topic] = rng.choice(SKILLS)
        session = self.uuid()
        moment = midnight(day) + timedelta(hours=rng.choice((0, 9.5, 12, 23.75)))
        for _ in range(rng.choice((1, 2, 4, 6))):
            question = rng.choice(self.questions)
            for event_type in ("ai_hint_requested", "question_submit") if self.chance(0.1) else ("question_submit",):
                document = self.study_document(event_type, moment, user, session, question, self.materials[0])
                document["topic_id"] = topic
                if event_type == "question_submit":
                    document["properties"]["is_correct"] = self.chance(self.skills[user, topic])
                self.wait("study", "events", moment, document)
            moment += rng.choice(GAPS[:6])

    def study_script(self, day: date) -> None:
        """A run of events of mostly one learner in mostly one session, somewhere around a midnight or at noon."""
        rng = self.rng
        user = rng.choice(self.users)
        if not self.study_sessions or self.chance(0.7):
            self.study_sessions.append(self.uuid())
        session: str | None = rng.choice(self.study_sessions[-4:])
        if self.chance(0.25):
            session = None
        hours = rng.choice((-1.5, -0.5, 0, 23, 23, 23.5, 23.5, 23.75, 24, 12, 48))
        moment = midnight(day) + timedelta(hours=hours)
        question, material = self.some_question(), rng.choice(self.materials)
        for _ in range(rng.randint(1, 9)):
            event_type = self.weighted(STUDY_TYPES)
            stated = session
            if event_type.startswith("session_"):
                stated = session or rng.choice(self.study_sessions)
            elif self.chance(0.1):
                stated = rng.choice((None, rng.choice(self.study_sessions)))
            who = user if self.chance(0.93) else rng.choice(self.users)
            if self.chance(0.3):
                question, material = self.some_question(), rng.choice(self.materials)
            document = self.study_document(event_type, moment, who, stated, question, material)
            self.wait("study", "events", moment, document)
            if event_type in ECHOES and self.chance(0.3):
                self.echo(event_type, document, moment, material)
            moment += rng.choice(GAPS)
        if session is not None and self.chance(0.5):
            document = self.study_document("session_end", moment, user, session, question, material)
            self.wait("study", "events", moment, document)

    def echo(self, event_type: str, document: dict[str, Any], moment: datetime, material: str) -> None:
        """An event of the same learner at the same thing, at the end of a window or just outside."""
        follows, window = ECHOES[event_type]
        later = moment + window + self.rng.choice((timedelta(0), MICROSECOND))
        echo = self.study_document(follows, later, document["user_id"], None, self.questions[0], material)
        if "quiz_id" in document.get("properties", {}):
            echo["properties"]["quiz_id"] = document["properties"]["quiz_id"]
        self.wait("study", "events", later, echo)

    def study_document(
        self, event_type: str, moment: datetime, user: str, session: str | None, question: str, material: str
    ) -> dict[str, Any]:
        rng = self.rng
        document: dict[str, Any] = {
            "event_id": self.uuid(),
            "event_type": event_type,
            "event_ts": spelled(moment, rng),
            "user_id": user.upper() if self.chance(0.05) else user,
        }
        if session is not None:
            document["session_id"] = session.upper() if self.chance(0.05) else session
        elif self.chance(0.3):
            document["session_id"] = None
        if event_type in TOPIC_TYPES or self.chance(0.3):
            # The topic of a question is not always the same: upstream moves questions.
            document["topic_id"] = rng.choice(self.topics[:2]) if self.chance(0.8) else rng.choice(self.topics)
        if event_type in QUESTION_TYPES:
            document["question_id"] = question
        if event_type in MATERIAL_TYPES:
            document["material_id"] = material
            if self.chance(0.5):
                document["chunk_id"] = rng.choice(self.chunks)
        self.maybe(document, "client_ts", spelled(moment - timedelta(seconds=2)), share=0.2)
        properties = self.study_properties(event_type)
        if properties or self.chance(0.5):
            document["properties"] = properties
        if self.chance(0.03):
            document["app_build"] = rng.randint(1, 3)  # an unknown field
        return document

    def study_properties(self, event_type: str) -> dict[str, Any]:
        rng = self.rng
        properties: dict[str, Any] = {}
        if event_type == "session_start":
            self.maybe(properties, "device_type", "web", "mobile", "tablet", share=0.5)
            self.maybe(properties, "timezone", "Europe/Berlin", "America/New_York", share=0.5)
        elif event_type == "session_end":
            self.maybe(properties, "duration_seconds", 3660, 12.5, 0.1234567)
            self.maybe(properties, "active_seconds", 420, 99.9999995)
            self.maybe(properties, "materials_viewed", 0, 2)
            self.maybe(properties, "questions_attempted", 1, 3)
            self.maybe(properties, "xp_earned", 10, 5.5)
        elif event_type == "session_pause":
            self.maybe(properties, "pause_reason", "break", share=0.3)
        elif event_type == "material_read":
            properties["time_spent_seconds"] = rng.choice((0, 1, 30, 12.5, 0.0000005, 1.0000005, 33.333333))
            self.maybe(properties, "scroll_depth_percent", 0, 50, 89.999999, 89.9999995, 90, 90.0, 100)
            self.maybe(properties, "is_complete", True, False, share=0.3)
            self.maybe(properties, "chunk_index", 1, 2, share=0.3)
        elif event_type == "material_complete":
            self.maybe(properties, "completion_percentage", 20, 100, share=0.4)
        elif event_type in ("question_submit", "question_attempt"):
            properties["is_correct"] = self.chance(0.5)
            self.maybe(properties, "time_to_answer_seconds", *ANSWER_TIMES, share=0.8)
            answers = ("A", "B", 3, True, "", "x" * 64, "y" * 65, [1, 2], "null", "ü" * 64)
            self.maybe(properties, "selected_answer", *answers)
            self.maybe(properties, "correct_answer", *answers)
            self.maybe(properties, "confidence_level", 1, 5)
            self.maybe(properties, "is_first_attempt", True, False)
            self.maybe(properties, "attempt_number", 1, 2, 7)
            self.maybe(properties, "hint_used", True, False, False, share=0.4)
        elif event_type in ("quiz_start", "quiz_complete"):
            properties["quiz_id"] = rng.choice(("quiz-1", "quiz|%7C2"))
        elif event_type == "ai_question_asked":
            some = [rng.choice(self.topics) for _ in range(rng.randrange(4))]
            if some and self.chance(0.2):
                some[0] = some[0].upper()
            self.maybe(properties, "detected_topics", some, share=0.8)
        elif event_type == "ai_response_received":
            self.maybe(properties, "model_used", "m1", "m2", "m2", "m" * 65)
            self.maybe(properties, "response_time_ms", 100, 250.5, 1200, 3000.0000005)
            self.maybe(properties, "tokens_used", 0, 17, 400)
        elif event_type in ("ai_hint_requested", "ai_explanation_requested"):
            self.maybe(properties, "hint_type", "guided", "direct", share=0.3)
        elif event_type == "xp_earned":
            properties["xp_amount"] = rng.choice((0, 5, 10))
            self.maybe(properties, "new_total_xp", 5, 50, 500, share=0.4)
        elif event_type == "level_up":
            properties["new_level"] = rng.randint(1, 4)
            self.maybe(properties, "total_xp", 7, 70, share=0.5)
        elif event_type == "achievement_unlocked":
            properties["achievement_id"] = rng.choice(("first", "tenth"))
        elif event_type.startswith("streak_"):
            self.maybe(properties, "new_streak", 0, 3)
        elif event_type == "search_performed":
            self.maybe(properties, "result_count", 0, 0, 3)
            self.maybe(properties, "search_type", "semantic", "keyword", "fuzzy", share=0.7)
            self.maybe(properties, "query", "fractions", "ask ann@example.org", share=0.3)
        return properties

    # -- assessment

    def test_script(self, day: date) -> None:
        """A run of events of one test session; its reference rows may come long after, or contradict it."""
        rng = self.rng
        if not self.test_sessions or self.chance(0.6):
            session, owner = self.uuid(), rng.choice(self.users)
            mine = rng.sample(self.questions[:4], rng.randint(1, 3))
            self.test_sessions.append((session, owner, mine))
            created = midnight(day) + timedelta(hours=rng.choice((0, 12, 23.5)))
            self.reference_rows(session, owner, mine, created)
        session, owner, mine = rng.choice(self.test_sessions[-4:])
        moment = midnight(day) + timedelta(hours=rng.choice((-0.5, 0, 0, 12, 23, 23.75, 24)))
        batch: list[dict[str, Any]] = []
        user = owner if self.chance(0.95) else rng.choice(self.users)
        if self.chance(0.5):
            self.test_event("SESSION_CREATED", moment, session, owner, mine)
        for _ in range(rng.randint(1, 9)):
            if self.chance(0.12):
                self.test_event(self.weighted(SERVER_TYPES), moment, session, owner, mine)
            elif self.chance(0.6):
                self.test_event(self.weighted(CLIENT_TYPES), moment, session, user, mine)
            else:
                batch.append(self.batch_event(self.weighted(CLIENT_TYPES), moment, session, mine))
            moment += rng.choice(GAPS[:10])
        if self.chance(0.5):
            # At times exactly when a funnel's window ends, or just after.
            wait = 7 * DAY + rng.choice((timedelta(0), MICROSECOND)) if self.chance(0.2) else timedelta(0)
            self.test_event(rng.choice(("SESSION_SUBMITTED", "SESSION_EXPIRED")), moment + wait, session, owner, mine)
        if batch:
            received = moment + rng.choice((timedelta(0), timedelta(seconds=3), 5 * MINUTE))
            document = {"source": rng.choice(("web", "mobile")), "user_id": user, "received_at": spelled(received, rng)}
            if self.chance(0.1):
                del document["source"]
            rng.shuffle(batch)
            self.wait("assessment", "batches", received, {**document, "events": batch})

    def reference_rows(self, session: str, owner: str, mine: list[str], created: datetime) -> None:
        rng = self.rng
        # Some reference rows come days later; some never.
        if self.chance(0.93):
            late = rng.choice((0, 0, 0, 1, 3))
            document: dict[str, Any] = {"session_id": session, "user_id": owner}
            self.maybe(document, "created_at", spelled(created, rng), share=0.7)
            self.wait("assessment", "test_sessions", created + late * DAY, document)
        for position, question in enumerate(mine):
            if self.chance(0.92):
                document = {"session_id": session, "question_id": question}
                self.maybe(document, "position", position, share=0.5)
                self.wait("assessment", "session_questions", created + rng.choice((0, 0, 2)) * DAY, document)

    def next_seq(self, session: str) -> int:
        """The next number of a session; at times one is skipped, or used twice."""
        step = self.rng.choice((0, 1, 1, 1, 1, 2, 3))
        self.seq[session] = self.seq.get(session, -1) + step
        return max(self.seq[session], 0)

    def body(self, event_type: str, mine: list[str]) -> tuple[str | None, dict[str, Any]]:
        """The question and the payload of a client's event."""
        rng = self.rng
        question = None
        if event_type in ("QUESTION_VIEWED", "ANSWER_SELECTED", "ANSWER_CHANGED", "MARK_FOR_REVIEW_TOGGLED"):
            question = rng.choice(mine) if self.chance(0.95) else rng.choice(self.questions)
        elif self.chance(0.1):
            question = rng.choice(self.questions)
        payload: dict[str, Any] = {}
        if event_type == "PAUSE_BLUR":
            payload["state"] = rng.choice(("blur", "blur", "focus"))
        elif event_type.startswith("ANSWER_"):
            self.maybe(payload, "answer_index", 0, 1, 2)
        elif event_type == "NAVIGATE_JUMP":
            payload |= {"from_position": 0, "to_position": 1}
        return question, payload

    def test_event(self, event_type: str, moment: datetime, session: str, user: str, mine: list[str]) -> None:
        rng = self.rng
        document: dict[str, Any] = {
            "id": self.uuid(),
            "event_type": event_type,
            "event_ts": spelled(moment, rng),
            "session_id": session.upper() if self.chance(0.05) else session,
            "user_id": user,
        }
        server = event_type.startswith("SESSION_") or event_type == "REVIEW_OPENED"
        if not server:
            question, payload = self.body(event_type, mine)
            if question is not None:
                document["question_id"] = question
            if payload or self.chance(0.5):
                document["payload_json"] = payload
        if self.chance(0.3 if server else 0.8):
            document["seq"] = self.next_seq(session)
        skew = rng.choice(
            (timedelta(0), timedelta(seconds=1), timedelta(seconds=-2.5), MICROSECOND, timedelta(hours=1))
        )
        self.maybe(document, "client_ts", spelled(moment - skew, rng), share=0.2 if server else 0.6)
        self.maybe(document, "source", "web", "mobile", share=0.6)
        arrived = moment + rng.choice((timedelta(0), timedelta(seconds=1.5), 90 * MINUTE, timedelta(seconds=-1)))
        self.maybe(document, "created_at", spelled(arrived, rng), share=0.4)
        self.maybe(document, "event_version", 1, 2, share=0.2)
        self.wait("assessment", "events", moment, document)

    def batch_event(self, event_type: str, moment: datetime, session: str, mine: list[str]) -> dict[str, Any]:
        question, payload = self.body(event_type, mine)
        document: dict[str, Any] = {
            "event_type": event_type,
            "client_ts": spelled(moment, self.rng),
            "seq": self.next_seq(session),
            "session_id": session,
        }
        if question is not None:
            document["question_id"] = question
        if payload or self.chance(0.5):
            document["payload"] = payload
        return document

    # -- lines

    def line(self, system: str, stream: str, document: dict[str, Any]) -> Line:
        """A document as a line of text, in one of the spellings that mean the same."""
        pairs = list(document.items())
        if self.chance(0.3):
            self.rng.shuffle(pairs)
        text = json.dumps(dict(pairs), separators=self.rng.choice(((",", ":"), (", ", ": "))), ensure_ascii=False)
        events = document["events"] if stream == "batches" else [None]
        return Line(text, tuple(self.batch_reject(event) if stream == "batches" else None for event in events))

    @staticmethod
    def batch_reject(event: dict[str, Any]) -> str | None:
        return "missing_field" if "seq" not in event else None

    def again(self, line: Line, system: str, stream: str) -> dict[str, Any]:
        """The document of a line once more, spelled in another way that means the same."""
        document: dict[str, Any] = json.loads(line.text)
        for name in ("event_id", "id", "session_id", "topic_id") if system in ("study", "assessment") else ():
            if document.get(name) is not None and self.chance(0.3):
                document[name] = document[name].upper()
        for name in (TIME_FIELDS[system], "client_ts", "created_at"):
            if document.get(name) is not None and self.chance(0.5):
                document[name] = spelled(timestamp(document[name]), self.rng)
        if self.chance(0.2) and stream != "batches":
            document.setdefault("client_ts" if stream == "events" else "note", None)
        for names in ALIASES:
            if document.get("event_type") in names and self.chance(0.5):
                document["event_type"] = self.rng.choice(names)
        data = document.get("data")
        if data and isinstance(data.get("words"), int):
            data["words"] = float(data["words"])
        properties = document.get("properties")
        if properties and isinstance(properties.get("time_spent_seconds"), int):
            properties["time_spent_seconds"] = float(properties["time_spent_seconds"])
        if stream == "batches":
            # A client that sends a batch again: received_at is no part of the content.
            received = timestamp(document["received_at"]) + self.rng.choice((timedelta(0), MINUTE, timedelta(hours=-1)))
            document["received_at"] = spelled(received, self.rng)
            if self.chance(0.3):
                self.rng.shuffle(document["events"])
            if self.chance(0.3) and len(document["events"]) > 1:
                document["events"].pop()
        return document

    def altered(self, line: Line, system: str, stream: str) -> dict[str, Any]:
        """The document of a line with its identity kept and its content changed."""
        rng = self.rng
        document: dict[str, Any] = json.loads(line.text)
        if stream == "test_sessions":
            document["user_id"] = rng.choice([user for user in self.users if user != document["user_id"]])
        elif stream == "session_questions":
            document["position"] = (document.get("position") or 0) + 7
        elif stream == "batches":
            if document["events"]:
                event = rng.choice(document["events"])
                event["payload"] = {**(event.get("payload") or {}), "answer_index": rng.randint(3, 9)}
            if self.chance(0.2):
                document["user_id"] = rng.choice(self.users)
        elif system in worlds.SYSTEMS:
            worlds.alter(rng, system, document)
        elif stream == "questions":
            document["topic_id"] = rng.choice(self.topics)
        elif stream == "events":
            change = rng.choice(("time", "time", "user", "session", "body"))
            if change == "time":
                moved = timestamp(document["event_ts"]) - rng.choice((MICROSECOND, 5 * MINUTE, 30 * MINUTE, DAY))
                document["event_ts"] = spelled(moved, rng)
            elif change == "user":
                document["user_id"] = rng.choice([user for user in self.users if user != document["user_id"].lower()])
            elif change == "session" and "event_id" in document and self.study_sessions:
                document["session_id"] = rng.choice(self.study_sessions)
            elif "event_id" in document:
                properties = dict(document.get("properties") or {})
                if "is_correct" in properties:
                    properties["is_correct"] = not properties["is_correct"]
                document["properties"] = {**properties, "revision": rng.randint(2, 9)}
            else:
                document["payload_json"] = {**(document.get("payload_json") or {}), "revision": rng.randint(2, 9)}
        else:
            document["revision"] = rng.randint(2, 9)
        return document

    def broken(self, system: str, stream: str, line: Line) -> Line:
        """A line that the load refuses; it keeps its id, and takes no part."""
        document: dict[str, Any] = json.loads(line.text)
        if stream == "batches":
            if document["events"] and self.chance(0.7):
                del document["events"][0]["seq"]
                return self.line(system, stream, document)
            document["events"] = [document["events"][0]] * 51 if document["events"] else []
            return Line(json.dumps(document), ("batch_too_large",) * len(document["events"]))
        if system in worlds.SYSTEMS and self.chance(0.9):
            reason = worlds.spoil(self.rng, system, document)
            return Line(json.dumps(document), (reason,))
        reasons = ["malformed"] if system in worlds.SYSTEMS else ["malformed", "missing_field"]
        if stream == "events" and system not in worlds.SYSTEMS:
            reasons += ["unknown_event_type", "timestamp_out_of_range", "invalid_field"]
        reason = self.rng.choice(reasons)
        if reason == "malformed":
            return Line(line.text.rstrip()[:-1], ("malformed",))
        if reason == "missing_field":
            del document[next(name for name in ("user_id", "question_id", "topic_id") if name in document)]
        elif reason == "unknown_event_type":
            document["event_type"] = "Session_Start"
        elif reason == "timestamp_out_of_range":
            document["event_ts"] = "1999-12-31T23:59:59.999999Z"
        else:
            document["user_id"] = "not-a-uuid"
        return Line(json.dumps(document), (reason,))

    @staticmethod
    def fits(system: str, stream: str, document: dict[str, Any], extract_date: date) -> bool:
        """Whether the times of a document are within the bounds of an extract date."""
        moment = document.get("received_at" if stream == "batches" else TIME_FIELDS[system])
        return moment is None or timestamp(moment) <= limit(extract_date)

    # -- files

    def free_name(self, system: str, stream: str, day: date) -> Name:
        """A new file name; they sort in every which way."""
        for suffix in self.rng.sample(("", "-b", "-a", "-10", "-9", "-late", "-Again"), 7):
            name = Name(system, day, f"{stream}{suffix}.ndjson")
            if name not in self.files:
                return name
        return Name(system, day, f"{stream}-{len(self.files)}.ndjson")

    def put(self, name: Name, lines: list[Line], what: str) -> None:
        self.files[name] = tuple(lines)
        self.changed.add(name)
        self.removed.discard(name)
        self.story.append(f"{what} {name.path} ({len(lines)} lines)")

    def known_lines(self, system: str, stream: str) -> list[Line]:
        return [
            line
            for name, lines in self.files.items()
            if (name.system, name.stream) == (system, stream)
            for line in lines
            if all(reject is None for reject in line.rejects)
        ]

    def fresh_lines(self, system: str, stream: str, day: date, share: float) -> list[Line]:
        """Lines for a date: of what waits, and copies, conflicts and broken rows."""
        rng = self.rng
        taken: list[tuple[date, dict[str, Any]]] = []
        left: list[tuple[date, dict[str, Any]]] = []
        for first, document in self.waiting.get((system, stream), []):
            fits = first <= day and self.fits(system, stream, document, day)
            (taken if fits and self.chance(share) else left).append((first, document))
        self.waiting[system, stream] = left
        lines = [self.line(system, stream, document) for _, document in taken]
        known = self.known_lines(system, stream) + lines
        extra = []
        for _ in range(1 + len(lines) // 4):
            if not known:
                break
            source, dice = rng.choice(known), rng.random()
            document = self.again(source, system, stream) if dice < 0.3 else self.altered(source, system, stream)
            if dice < 0.45 and self.fits(system, stream, document, day):
                extra.append(self.line(system, stream, document))
            elif dice > 0.85 and self.rejects and self.fits(system, stream, source.document, day):
                extra.append(self.broken(system, stream, source))
        lines += extra
        rng.shuffle(lines)
        return lines

    def new_file(self, system: str, stream: str, day: date, share: float = 0.85) -> None:
        lines = self.fresh_lines(system, stream, day, share)
        self.put(self.free_name(system, stream, day), lines, "write")

    def correct(self, name: Name) -> None:
        """Replace a file under its name: rows gone, changed, added."""
        lines: list[Line] = []
        for line in self.files[name]:
            dice = self.rng.random()
            if dice < 0.2:
                continue
            if dice < 0.45 and all(reject is None for reject in line.rejects):
                document = self.altered(line, name.system, name.stream)
                if self.fits(name.system, name.stream, document, name.extract_date):
                    line = self.line(name.system, name.stream, document)
            lines.append(line)
        lines += self.fresh_lines(name.system, name.stream, name.extract_date, 0.3)
        if self.chance(0.3):
            self.rng.shuffle(lines)
        self.put(name, lines, "correct")

    def repeat(self, name: Name) -> None:
        """The same file a second time: under another name, or on another date."""
        day = self.rng.choice([known.extract_date for known in self.files])
        fitting = []
        for line in self.files[name]:
            refused = all(reject is not None for reject in line.rejects)
            if refused or self.fits(name.system, name.stream, line.document, day):
                fitting.append(line)
        self.put(self.free_name(name.system, name.stream, day), fitting, "repeat as")

    def remove(self, name: Name) -> None:
        """Remove a file, but never the last one of its stream and date: that would withdraw nothing."""
        siblings = [
            other
            for other in self.files
            if (other.system, other.stream, other.extract_date) == (name.system, name.stream, name.extract_date)
        ]
        if len(siblings) > 1 and name not in self.changed:
            del self.files[name]
            self.removed.add(name)
            self.story.append(f"remove {name.path}")

    def snapshot(self, day: date) -> None:
        for stream, documents in (
            ("topics", [self.topic(n, day) for n in range(len(self.topics))]),
            ("topic_prerequisites", self.prerequisites()),
            # One question is unknown to the stream, one has no topic there.
            (
                "questions",
                [
                    {"question_id": question, "topic_id": None if n == 1 else self.topics[n % 2]}
                    for n, question in enumerate(self.questions[:-1])
                ],
            ),
        ):
            self.waiting.setdefault(("study", stream), []).extend((day, document) for document in documents)
            self.new_file("study", stream, day, 1.0)

    def topic(self, n: int, day: date) -> dict[str, Any]:
        """A topic whose name changes from snapshot to snapshot; the last one's cannot be shown."""
        name = f"topic {n} of {day}" if n < 3 else "write to ann@example.com"
        return {"topic_id": self.topics[n], "name": name}

    def prerequisites(self) -> list[dict[str, Any]]:
        """A chain of topics, at times without a link, at times with one that makes a cycle or leads nowhere."""
        first, second, third, fourth = self.topics
        pairs = [(second, first), (third, second), (fourth, second), (fourth, first)]
        if self.chance(0.3):
            pairs.remove(self.rng.choice(pairs))
        if self.chance(0.4):
            pairs.append(self.rng.choice(((first, second), (first, third), (third, third), (first, self.uuid()))))
        return [{"topic_id": topic, "prerequisite_topic_id": prerequisite} for topic, prerequisite in pairs]

    # -- nights

    def night(self, index: int) -> Night:
        """One night: a date's extracts as a rule, and then whatever comes in between."""
        rng = self.rng
        self.changed, self.removed, self.story = set(), set(), []
        self.cursor += rng.choice((1, 1, 1, 2, 3)) * DAY
        day = self.cursor
        if index > 1 and self.chance(0.2):
            # A date out of order: one that was skipped, or one long before.
            day = self.first_date + rng.randint(-3, max((self.cursor - self.first_date).days, 0)) * DAY
        for _ in range(rng.randint(4, 8)):
            self.study_script(day - rng.choice((0, 0, 0, 0, 1, 2, 5)) * DAY)
        for _ in range(rng.randint(2, 4)):
            self.practice(day - rng.choice((0, 0, 0, 0, 1, 2, 5)) * DAY)
        for _ in range(rng.randint(2, 4)):
            self.test_script(day - rng.choice((0, 0, 0, 1, 2, 7, 8)) * DAY)
        if len(self.users) > 3 and index % 3 == 0:
            self.exam(day)
        for system in worlds.SYSTEMS:
            for _ in range(rng.randint(1, 4)):
                for moment, document in worlds.script(rng, system, day, self.users, self.numbers):
                    self.wait(system, "events", moment, document)
        streams = [("study", "events")]
        streams += [("assessment", stream) for stream in ("events", "batches", "test_sessions", "session_questions")]
        streams += [(system, "events") for system in worlds.SYSTEMS]
        for system, stream in streams:
            if self.chance(0.85) or not self.files:
                self.new_file(system, stream, day)
        if self.snapshots and self.chance(0.6):
            self.snapshot(day)
        for _ in range(rng.choice((0, 1, 2, 3, 4))):
            name = rng.choice(list(self.files))
            deed = rng.choice(("correct", "correct", "correct", "repeat", "late", "remove", "touch", "empty"))
            if deed == "correct":
                self.correct(name)
            elif deed == "repeat":
                self.repeat(name)
            elif deed == "late":
                self.new_file(name.system, name.stream, name.extract_date, 0.5)
            elif deed == "remove":
                self.remove(name)
            elif deed == "touch":
                self.put(name, list(self.files[name]), "touch")
            else:
                target = self.free_name(name.system, name.stream, rng.choice((name.extract_date, day)))
                self.put(target, [], "empty file")
        order = sorted(self.changed, key=lambda name: name.path)
        gone = sorted(self.removed, key=lambda name: name.path)
        return Night(index, tuple(order), tuple(gone), dict(self.files), tuple(self.story))
