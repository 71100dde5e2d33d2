"""Topic mastery: predictions, states after attempts, levels and gaps, from `docs/guides/mastery_model.md`.

What belongs here: what follows from attempts and a model whose numbers are given. What does not: how a model is fitted
or evaluated. Readings of the text where it leaves room are marked "Reading:".

Slow on purpose: the features of every attempt are formed anew from the list of all that came before it, and gaps are
found by looking at every topic of a learner at the end of every day.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.reference.marts.common import DAY, Mart, midnight, ratio, round9
from tests.reference.marts.study import days
from tests.reference.reading import MICROSECOND

COLUMNS: dict[str, tuple[str, ...]] = {
    "attempt_predictions": (
        "attempt_id",
        "user_id",
        "topic_id",
        "question_id",
        "date",
        "is_correct",
        "predicted_correct",
        "model_version",
        "is_held_out",
    ),
    "topic_mastery_daily": (
        "user_id",
        "topic_id",
        "date",
        "mastery_score",
        "mastery_low",
        "mastery_high",
        "evidence",
        "questions_attempted",
        "questions_correct",
        "mastery_level",
        "recall",
        "last_practiced_at",
        "mastered_until",
        "proficient_until",
        "reached_mastered_at",
        "log_odds_at_practice",
        "log_odds_per_log_day",
        "log_odds_margin",
        "fading_days",
        "model_version",
        "is_newest",
    ),
    "topic_mastery": (
        "user_id",
        "topic_id",
        "mastery_score",
        "mastery_low",
        "mastery_high",
        "evidence",
        "questions_attempted",
        "questions_correct",
        "accuracy",
        "last_practiced_at",
        "days_since_practice",
        "recall",
        "mastery_level",
        "reached_mastered_at",
        "model_version",
    ),
    "knowledge_gaps": (
        "user_id",
        "topic_id",
        "opened_on",
        "resolved_on",
        "gap_type",
        "blocking_topic_id",
        "severity",
        "priority",
        "evidence",
        "mastery_score",
    ),
}
KEYS: dict[str, tuple[str, ...]] = {
    "attempt_predictions": ("attempt_id",),
    "topic_mastery_daily": ("user_id", "topic_id", "date"),
    "topic_mastery": ("user_id", "topic_id"),
    "knowledge_gaps": ("user_id", "topic_id", "opened_on"),
}

LEARNER_MEMORIES = (1, 3, 10, 30, 100, 300, None)  # None: all
TOPIC_MEMORIES = (1, 3, 10, None)
QUESTION_MEMORIES = (1, None)
LEARNER_K0, TOPIC_K0, QUESTION_K0 = Fraction(1), Fraction(1, 2), Fraction(1, 2)

MASTERED, PROFICIENT = 0.85, 0.70
NORMAL_95 = 1.6448536269514722
MIN_EVIDENCE = 3
NEVER_ENDS = datetime(9999, 12, 31)
LONGEST_DAYS = 36_500
WHEEL_SPINNING_ATTEMPTS, WHEEL_SPINNING_DAYS = 10, 2


# --- the model ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difficulty:
    """What a model holds for a question or topic, or over all."""

    difficulty: float  # in logits, higher is harder
    expected_millionths: int
    information_millionths: int

    @staticmethod
    def of(expected: float) -> Difficulty:
        """The difficulty of what an average learner gets right so often."""
        millionths = round(expected * 1_000_000)
        information = round(Fraction(millionths * (1_000_000 - millionths), 1_000_000))
        return Difficulty(math.log((1 - expected) / expected), millionths, information)


EVEN = Difficulty.of(0.5)


@dataclass(frozen=True)
class Model:
    """One model version: its numbers, as plain dicts."""

    version: str = "no-model"
    coefficients: Mapping[str, float] = field(default_factory=dict)  # by feature name; one that is absent is 0
    questions: Mapping[str, Difficulty] = field(default_factory=dict)
    topics: Mapping[str, Difficulty] = field(default_factory=dict)
    overall: Difficulty = EVEN
    interval_variance: float = 0.0
    interval_newness: float = 1.0
    fading_days: float = 1.0

    def coefficient(self, name: str) -> float:
        return self.coefficients.get(name, 0.0)

    def of_topic(self, topic_id: str) -> Difficulty:
        return self.topics.get(topic_id, self.overall)

    def of_question(self, question_id: str | None, topic_id: str) -> Difficulty:
        if question_id is not None and question_id in self.questions:
            return self.questions[question_id]
        return self.of_topic(topic_id)

    def logit(self, features: Mapping[str, float]) -> float:
        unknown = set(self.coefficients) - set(features) - {"intercept"}
        assert not unknown, f"no such features: {sorted(unknown)}"
        return math.fsum(
            [self.coefficient("intercept"), *(self.coefficient(name) * value for name, value in features.items())]
        )


def probability(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def rounded(value: float) -> Decimal:
    return round9(Decimal(value))


def is_held_out(user_id: str) -> bool:
    return int(hashlib.md5(user_id.encode()).hexdigest()[:8], 16) % 5 == 0


# --- features -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attempt:
    attempt_id: str
    user_id: str
    topic_id: str
    question_id: str | None
    at: datetime
    is_correct: bool
    hint_used: bool
    difficulty: Difficulty  # the question's, else its topic's, else that over all


def attempts_by_learner(mart: Mart, model: Model) -> dict[str, list[Attempt]]:
    """The attempts of `question_attempts`, those of each learner in their order."""
    learners: dict[str, list[Attempt]] = defaultdict(list)
    for row in sorted(mart, key=lambda row: (row["attempted_at"], row["attempt_id"])):
        learners[row["user_id"]].append(
            Attempt(
                attempt_id=row["attempt_id"],
                user_id=row["user_id"],
                topic_id=row["topic_id"],
                question_id=row["question_id"],
                at=row["attempted_at"],
                is_correct=row["is_correct"],
                hint_used=row["hint_used"],
                difficulty=model.of_question(row["question_id"], row["topic_id"]),
            )
        )
    return learners


def information(memory: Iterable[Attempt]) -> Fraction:
    """The sum of `v`, as a part of one."""
    return Fraction(sum(attempt.difficulty.information_millionths for attempt in memory), 1_000_000)


def memory_features(
    level: str, earlier: Sequence[Attempt], sizes: Iterable[int | None], k0: Fraction
) -> dict[str, float]:
    """Three features for each memory of a level."""
    features = {}
    for size in sizes:
        memory = earlier if size is None else earlier[-size:]
        name = f"{level}_{'all' if size is None else size}"
        n, s = len(memory), sum(attempt.is_correct for attempt in memory)
        expected = Fraction(sum(attempt.difficulty.expected_millionths for attempt in memory), 1_000_000)
        features[f"{name}_correct"] = math.log(1 + s)
        features[f"{name}_wrong"] = math.log(1 + n - s)
        features[f"{name}_strength"] = float((s - expected) / (information(memory) + k0))
    return features


def double_days(span: timedelta) -> float:
    """A span in days, not rounded."""
    return (span // MICROSECOND) / 86_400_000_000


def fading(span: timedelta, fading_days: float) -> float:
    return math.log(1 + double_days(span) / fading_days)


def features_of(
    earlier: Sequence[Attempt],
    topic_id: str,
    question_id: str | None,
    at: datetime,
    difficulty: float,
    topic: float,
    fading_days: float,
) -> dict[str, float]:
    """The features of an attempt by a learner who has made the earlier ones.

    Args:
        earlier: The learner's earlier attempts, in order.
        topic_id: The attempt's topic.
        question_id: The attempt's question; None stands for one that the learner has not met.
        at: When it is made.
        difficulty: Its question difficulty.
        topic: Its topic difficulty.
        fading_days: The model's.
    """
    on_topic = [attempt for attempt in earlier if attempt.topic_id == topic_id]
    at_question = [] if question_id is None else [a for a in earlier if a.question_id == question_id]
    features = {
        **memory_features("learner", earlier, LEARNER_MEMORIES, LEARNER_K0),
        **memory_features("topic", on_topic, TOPIC_MEMORIES, TOPIC_K0),
        **memory_features("question", at_question, QUESTION_MEMORIES, QUESTION_K0),
        "question_difficulty": difficulty,
        "topic_difficulty": topic,
        "learner_attempts": math.log(1 + len(earlier)),
        "topic_attempts": math.log(1 + len(on_topic)),
        "question_attempts": math.log(1 + len(at_question)),
        "topic_hinted": math.log(1 + sum(attempt.hint_used for attempt in on_topic)),
        "topic_fading": fading(at - on_topic[-1].at, fading_days) if on_topic else 0.0,
        "topic_pause": math.log(1 + len(earlier) - earlier.index(on_topic[-1])) if on_topic else 0.0,
        "question_pause": math.log(1 + len(earlier) - earlier.index(at_question[-1])) if at_question else 0.0,
    }
    features["topic_fading_of_practice"] = features["topic_fading"] * features["topic_attempts"]
    features["question_pause_of_strength"] = features["question_pause"] * features["question_all_strength"]
    features["difficulty_of_strong"] = difficulty * features["learner_all_strength"]
    features["difficulty_of_practised"] = difficulty * features["topic_10_correct"]
    features["learner_100_correct_of_attempts"] = features["learner_100_correct"] * features["learner_attempts"]
    features["difficulty_of_known"] = difficulty * features["question_attempts"]
    return features


FEATURES = frozenset(features_of([], "topic", None, datetime(2026, 1, 1), 0.0, 0.0, 1.0))


def attempt_predictions(attempts: Mart, model: Model) -> Mart:
    """One row an attempt."""
    mart = []
    for mine in attempts_by_learner(attempts, model).values():
        for index, attempt in enumerate(mine):
            features = features_of(
                mine[:index],
                attempt.topic_id,
                attempt.question_id,
                attempt.at,
                attempt.difficulty.difficulty,
                model.of_topic(attempt.topic_id).difficulty,
                model.fading_days,
            )
            mart.append(
                {
                    "attempt_id": attempt.attempt_id,
                    "user_id": attempt.user_id,
                    "topic_id": attempt.topic_id,
                    "question_id": attempt.question_id,
                    "date": attempt.at.date(),
                    "is_correct": attempt.is_correct,
                    "predicted_correct": rounded(probability(model.logit(features))),
                    "model_version": model.version,
                    "is_held_out": is_held_out(attempt.user_id),
                }
            )
    return mart


# --- states ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """What a learner is worth at a topic after an attempt there."""

    on_topic: tuple[Attempt, ...]  # all attempts there, the newest one last
    z0: float  # these three rounded to 9 places: what follows is computed from the published numbers
    slope: float
    margin: float  # half the width of the interval
    fading_days: float
    evidence: Fraction
    reached_mastered_at: datetime | None

    @property
    def at(self) -> datetime:
        return self.on_topic[-1].at

    @property
    def mastered_until(self) -> datetime | None:
        return self.until(min(self.z0 - logit_of(MASTERED), self.z0 - self.margin - logit_of(PROFICIENT)))

    @property
    def proficient_until(self) -> datetime | None:
        return self.until(self.z0 - logit_of(PROFICIENT))

    def until(self, m0: float) -> datetime | None:
        """When a margin in logits is used up."""
        if m0 < 0:
            return None
        if self.slope >= 0 or m0 / -self.slope > math.log(LONGEST_DAYS / self.fading_days + 1):
            return NEVER_ENDS
        lasting = self.fading_days * (math.exp(m0 / -self.slope) - 1)
        end = self.at + timedelta(microseconds=math.floor(lasting * 86_400_000_000))
        return end.replace(second=0, microsecond=0)

    @property
    def is_mastered_at_first(self) -> bool:
        """Whether it is right after the attempt: the seconds that `mastered_until` lacks do not count against it."""
        return self.evidence >= MIN_EVIDENCE and self.mastered_until is not None

    def level(self, instant: datetime) -> str:
        if self.evidence < MIN_EVIDENCE:
            return "unknown"
        if not is_past(instant, self.mastered_until):
            return "mastered"
        if not is_past(instant, self.proficient_until):
            return "proficient"
        return "learning"

    def is_gap(self, instant: datetime) -> bool:
        if self.evidence < MIN_EVIDENCE:
            return False
        was_mastered = self.reached_mastered_at is not None
        return is_past(instant, self.proficient_until) or (was_mastered and is_past(instant, self.mastered_until))

    def logit(self, instant: datetime) -> float:
        """z(t); t is 0 where the instant lies before the attempt."""
        return self.z0 + self.slope * fading(max(instant - self.at, timedelta(0)), self.fading_days)

    def score(self, instant: datetime) -> Decimal:
        return rounded(probability(self.logit(instant)))

    def described(self, instant: datetime) -> dict[str, Any]:
        """Every column of a mart that speaks of the state at an instant."""
        z = self.logit(instant)
        correct = sum(attempt.is_correct for attempt in self.on_topic)
        return {
            "user_id": self.on_topic[-1].user_id,
            "topic_id": self.on_topic[-1].topic_id,
            "mastery_score": self.score(instant),
            "mastery_low": rounded(probability(z - self.margin)),
            "mastery_high": rounded(probability(z + self.margin)),
            "evidence": round9(self.evidence),
            "questions_attempted": len(self.on_topic),
            "questions_correct": correct,
            "accuracy": ratio(correct, len(self.on_topic)),
            "last_practiced_at": self.at,
            "days_since_practice": days(max(instant - self.at, timedelta(0))),
            "recall": rounded(probability(z) / probability(self.z0)),
            "mastery_level": self.level(instant),
            "reached_mastered_at": self.reached_mastered_at,
            "mastered_until": self.mastered_until,
            "proficient_until": self.proficient_until,
            "log_odds_at_practice": rounded(self.z0),
            "log_odds_per_log_day": rounded(self.slope),
            "log_odds_margin": rounded(self.margin),
            "fading_days": self.fading_days,
        }


def logit_of(share: float) -> float:
    return math.log(share / (1 - share))


def is_past(instant: datetime, until: datetime | None) -> bool:
    """A level lasts for less than its days: at the instant where it ends it is over."""
    return until is None or instant >= until


def states_of(mine: Sequence[Attempt], model: Model) -> dict[str, list[State]]:
    """By topic: the state after each of a learner's attempts there, in order."""
    states: dict[str, list[State]] = defaultdict(list)
    for index, attempt in enumerate(mine):
        so_far = mine[: index + 1]
        topic_id = attempt.topic_id
        on_topic = tuple(a for a in so_far if a.topic_id == topic_id)
        usual = model.of_topic(topic_id).difficulty
        # The next attempt, right away, at a question that the learner has not met.
        features = features_of(so_far, topic_id, None, attempt.at, usual, usual, model.fading_days)
        slope = model.coefficient("topic_fading") + (
            model.coefficient("topic_fading_of_practice") * features["topic_attempts"]
        )
        evidence = 4 * information(on_topic)
        z0 = float(rounded(model.logit(features)))
        variance = model.interval_variance + model.interval_newness / (1 + float(evidence))
        width = math.sqrt(variance * math.cosh(min(abs(z0), 4) / 2))
        before = states[topic_id][-1].reached_mastered_at if states[topic_id] else None
        state = State(
            on_topic=on_topic,
            z0=z0,
            slope=float(rounded(slope)),
            margin=float(rounded(NORMAL_95 * width)),
            fading_days=model.fading_days,
            evidence=evidence,
            reached_mastered_at=before,
        )
        if before is None and state.is_mastered_at_first:
            state = replace(state, reached_mastered_at=attempt.at)
        states[topic_id].append(state)
    return states


def all_states(attempts: Mart, model: Model) -> dict[tuple[str, str], list[State]]:
    """By (user, topic)."""
    return {
        (user_id, topic_id): states
        for user_id, mine in attempts_by_learner(attempts, model).items()
        for topic_id, states in states_of(mine, model).items()
    }


def newest(states: Iterable[State], before: datetime) -> State | None:
    """The last state that was there before an instant."""
    earlier = [state for state in states if state.at < before]
    return earlier[-1] if earlier else None


def topic_mastery_daily(attempts: Mart, model: Model) -> Mart:
    """One row a (user, topic, date with an attempt), at the end of that day."""
    mart = []
    for states in all_states(attempts, model).values():
        for day in sorted({state.at.date() for state in states}):
            end = midnight(day) + DAY
            state = newest(states, end)
            assert state is not None
            is_newest = state is states[-1]
            row = {"date": day, "model_version": model.version, "is_newest": is_newest, **state.described(end)}
            mart.append({name: row[name] for name in COLUMNS["topic_mastery_daily"]})
    return mart


def topic_mastery(attempts: Mart, model: Model, as_of: datetime) -> Mart:
    """One row a (user, topic) with an attempt.

    Reading: attempts at as-of or later count at once, as everything does that is no look back from as-of.
    """
    mart = []
    for states in all_states(attempts, model).values():
        row = {"model_version": model.version, **states[-1].described(as_of)}
        mart.append({name: row[name] for name in COLUMNS["topic_mastery"]})
    return mart


def topics_mastered(mastery: Mart, user_id: str) -> int:
    return sum(row["user_id"] == user_id and row["mastery_level"] == "mastered" for row in mastery)


# --- gaps -----------------------------------------------------------------------------------------------------------

Prerequisites = Mapping[str, set[str]]  # the direct ones of each topic


def all_prerequisites(topic_id: str, prerequisites: Prerequisites) -> set[str]:
    """The direct and indirect prerequisites of a topic; itself among them where it lies on a cycle."""
    found: set[str] = set()
    to_visit = list(prerequisites.get(topic_id, ()))
    while to_visit:
        topic = to_visit.pop()
        if topic not in found:
            found.add(topic)
            to_visit += prerequisites.get(topic, ())
    return found


def comes_before(earlier: str, topic_id: str, prerequisites: Prerequisites) -> bool:
    """Whether a topic is a direct or indirect prerequisite of another, and the other none of it."""
    return earlier in all_prerequisites(topic_id, prerequisites) and topic_id not in all_prerequisites(
        earlier, prerequisites
    )


def is_wheel_spinning(state: State) -> bool:
    dates = {attempt.at.date() for attempt in state.on_topic}
    return (
        state.reached_mastered_at is None
        and len(state.on_topic) >= WHEEL_SPINNING_ATTEMPTS
        and len(dates) >= WHEEL_SPINNING_DAYS
    )


def spells_of(gap_days: Iterable[date]) -> list[list[date]]:
    """Days in order, cut where one is missing."""
    spells: list[list[date]] = []
    for day in gap_days:
        if spells and spells[-1][-1] + DAY == day:
            spells[-1].append(day)
        else:
            spells.append([day])
    return spells


def knowledge_gaps(attempts: Mart, model: Model, prerequisites: Prerequisites, as_of: datetime) -> Mart:
    """One row a (user, topic, spell)."""
    mart = []
    for mine in attempts_by_learner(attempts, model).values():
        states = states_of(mine, model)
        mart += gaps_of_learner(states, prerequisites, as_of)
    return mart


def gaps_of_learner(states: Mapping[str, Sequence[State]], prerequisites: Prerequisites, as_of: datetime) -> Mart:
    """Judge each topic at the end of each day; then tell of the spells that this makes."""
    gap_days: dict[str, list[date]] = {topic_id: [] for topic_id in states}
    for topic_id, of_topic in states.items():
        day = of_topic[0].at.date()
        while midnight(day) + DAY <= as_of:
            state = newest(of_topic, midnight(day) + DAY)
            if state is not None and state.is_gap(midnight(day) + DAY):
                gap_days[topic_id].append(day)
            day += DAY

    spells = {topic_id: spells_of(found) for topic_id, found in gap_days.items()}
    last_day = as_of.date() - DAY  # the last one that is over

    mart = []
    for topic_id, of_topic_spells in spells.items():
        for spell in of_topic_spells:
            is_open = spell[-1] == last_day
            end = midnight(spell[-1]) + DAY
            then = newest(states[topic_id], end)
            now = states[topic_id][-1] if is_open else then
            assert then is not None and now is not None
            blocking = blocking_topic(topic_id, spell[-1], spells, prerequisites)
            if blocking is not None:
                gap_type = "blocked"
            elif then.mastered_until is not None:
                gap_type = "forgotten"
            elif is_wheel_spinning(then):
                gap_type = "wheel_spinning"
            else:
                gap_type = "struggling"
            score = now.score(as_of if is_open else end)
            mastered = Decimal("0.85")
            mart.append(
                {
                    "user_id": then.on_topic[-1].user_id,
                    "topic_id": topic_id,
                    "opened_on": spell[0],
                    "resolved_on": None if is_open else spell[-1] + DAY,
                    "gap_type": gap_type,
                    "blocking_topic_id": blocking,
                    "severity": round9(max(Decimal(0), mastered - score) / mastered),
                    "priority": None,
                    "evidence": round9(now.evidence),
                    "mastery_score": score,
                }
            )
    still_open = [row for row in mart if row["resolved_on"] is None]
    for priority, row in enumerate(
        sorted(still_open, key=lambda row: urgency(row, still_open, prerequisites)), start=1
    ):
        row["priority"] = priority
    return mart


def blocking_topic(
    topic_id: str, day: date, spells: Mapping[str, list[list[date]]], prerequisites: Prerequisites
) -> str | None:
    """The direct prerequisite that is a gap on that day; of several the one whose spell opened first, then by id."""
    blocking = [
        (spell[0], prerequisite)
        for prerequisite in prerequisites.get(topic_id, ())
        if comes_before(prerequisite, topic_id, prerequisites)
        for spell in spells.get(prerequisite, ())
        if day in spell
    ]
    return min(blocking)[1] if blocking else None


def urgency(row: dict[str, Any], still_open: Mart, prerequisites: Prerequisites) -> tuple[int, Decimal, str]:
    """What orders a learner's open gaps."""
    before = sum(comes_before(other["topic_id"], row["topic_id"], prerequisites) for other in still_open)
    return (before, -row["severity"], row["topic_id"])


def open_gaps(gaps: Mart, user_id: str) -> int:
    return sum(row["user_id"] == user_id and row["resolved_on"] is None for row in gaps)
