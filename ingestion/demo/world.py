"""Who learns what: the curriculum, and the learners with their abilities and habits."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from ingestion.demo.ids import Floats, Ints, random, uuid_list

SUBJECTS = {
    "Numbers": ("Counting on", "Fractions", "Decimals", "Percentages", "Ratios", "Powers and roots"),
    "Algebra": ("Terms", "Linear equations", "Inequalities", "Systems of equations", "Quadratics", "Functions"),
    "Geometry": ("Angles", "Triangles", "Circles", "Area", "Volume", "Vectors"),
    "Data": ("Tables and charts", "Averages", "Chance", "Counting cases", "Samples", "Correlation"),
}
# Topics that also need one of another subject: (subject, topic) by position.
CROSSINGS = {(1, 0): (0, 1), (1, 5): (2, 5), (2, 3): (0, 5), (3, 2): (0, 1), (3, 5): (1, 1)}
QUESTIONS_PER_TOPIC = 15
MATERIALS_PER_TOPIC = 3
CHUNKS_PER_MATERIAL = 8

# Time zone, hours ahead of UTC (of January: the demo knows no summer time).
TIME_ZONES = (
    ("UTC", 0.0),
    ("Europe/Berlin", 1.0),
    ("Africa/Nairobi", 3.0),
    ("Asia/Kolkata", 5.5),
    ("America/Bogota", -5.0),
)
# The local hours around which people like to study, and how many like each.
HABIT_HOURS = (7.5, 15.5, 19.5, 22.8)
HABIT_SHARES = (0.2, 0.3, 0.35, 0.15)
DEVICES = (
    ("web", "DemoBrowser/12.1 (X11; Linux x86_64)"),
    ("web", "DemoBrowser/12.0 (Desktop; rv:12.0) Harbour/88"),
    ("mobile", "StudyPal/4.2.1 (DemoPhone 9; en)"),
    ("tablet", "StudyPal/4.1.0 (DemoTab 3; de)"),
)
DEVICE_SHARES = (0.4, 0.2, 0.28, 0.12)
# Not in the contract's list: kept, and reported as drift. One learner in so many has it.
WATCH = ("watch", "StudyPal/0.9 (DemoWatch; en)")
WATCH_EVERY = 40


@dataclass(frozen=True)
class Curriculum:
    """Topics in an order in which each comes after those that it needs, with their questions and materials."""

    topic_ids: list[str]
    topic_names: list[str]
    topic_levels: list[int]
    subject_ids: list[str]
    subject_of_topic: list[int]
    prerequisites: list[list[int]]
    topic_difficulty: Floats
    question_ids: list[str]
    question_difficulty: Floats  # mean of a topic's questions = the topic's difficulty
    material_ids: list[str]
    material_names: list[str]

    @property
    def topics(self) -> int:
        """How many topics there are."""
        return len(self.topic_ids)


@dataclass(frozen=True)
class Learners:
    """One entry a learner; `ability` is by (learner, topic)."""

    ids: list[str]
    ability: Floats
    gain: Floats  # logits for each unit of ln(1 + what is remembered of the practice)
    forgetting: Floats  # share of remembered practice lost in a day, as a rate
    diligence: Floats  # sessions on a usual day
    joined_day: Ints
    left_day: Ints
    utc_offset: Floats
    habit_hour: Floats
    pace: Ints  # sessions spent on a topic before the next one
    clock_skew: Ints  # microseconds that the learner's clock is ahead
    start_properties: list[str]  # what a session_start of the learner says, as JSON


def build_curriculum(seed: int) -> Curriculum:
    """The same topics for every seed; their difficulties and questions differ."""
    rng = random(seed, "curriculum")
    names = [topic for topics in SUBJECTS.values() for topic in topics]
    # Level by level, so that a crossing into another subject comes later than what it needs.
    places = sorted(
        ((subject, level) for subject, topics in enumerate(SUBJECTS.values()) for level in range(len(topics))),
        key=lambda place: (place[1] + (2 if place in CROSSINGS else 0), place),
    )
    order: list[tuple[int, int]] = []
    while places:
        ready = next(place for place in places if all(needed in order for needed in _needs(place)))
        order.append(ready)
        places.remove(ready)
    number = {place: i for i, place in enumerate(order)}
    per_subject = len(names) // len(SUBJECTS)
    topic_names = [names[subject * per_subject + level] for subject, level in order]
    topic_difficulty = np.array([-0.9 + 0.35 * level for _, level in order]) + rng.normal(0, 0.25, len(order))
    spread = rng.normal(0, 0.7, (len(order), QUESTIONS_PER_TOPIC))
    spread -= spread.mean(axis=1, keepdims=True)
    return Curriculum(
        topic_ids=uuid_list(seed, "topic", len(order)),
        topic_names=topic_names,
        topic_levels=[level + 1 for _, level in order],
        subject_ids=uuid_list(seed, "subject", len(SUBJECTS)),
        subject_of_topic=[subject for subject, _ in order],
        prerequisites=[[number[needed] for needed in _needs(place)] for place in order],
        topic_difficulty=topic_difficulty,
        question_ids=uuid_list(seed, "question", spread.size),
        question_difficulty=(topic_difficulty[:, None] + spread).reshape(-1),
        material_ids=uuid_list(seed, "material", len(order) * MATERIALS_PER_TOPIC),
        material_names=[f"{name}, part {part + 1}" for name in topic_names for part in range(MATERIALS_PER_TOPIC)],
    )


def _needs(place: tuple[int, int]) -> list[tuple[int, int]]:
    """The topics that a topic needs: the one before it in its subject, and sometimes one of another subject."""
    subject, level = place
    return ([(subject, level - 1)] if level else []) + ([CROSSINGS[place]] if place in CROSSINGS else [])


def build_learners(seed: int, count: int, days: int, curriculum: Curriculum) -> Learners:
    """Learners of different ability, speed, memory and habits."""
    rng = random(seed, "learners")
    # What a learner finds hard early on makes what builds on it harder, too.
    talent = rng.normal(-0.2, 0.8, count)
    deviation = np.zeros((count, curriculum.topics))
    for topic, needed in enumerate(curriculum.prerequisites):
        inherited = 0.6 * deviation[:, needed].mean(axis=1) if needed else 0.0
        deviation[:, topic] = inherited + rng.normal(0, 0.4, count)
    zones = rng.integers(0, len(TIME_ZONES), count)
    devices = [DEVICES[i] for i in rng.choice(len(DEVICES), count, p=DEVICE_SHARES)]
    devices[WATCH_EVERY - 1 :: WATCH_EVERY] = [WATCH] * (count // WATCH_EVERY)
    stays = rng.random(count) < 0.7
    return Learners(
        ids=uuid_list(seed, "learner", count),
        ability=talent[:, None] + deviation,
        gain=rng.lognormal(np.log(0.45), 0.35, count),
        forgetting=np.log(2) / rng.lognormal(np.log(6), 0.5, count),
        diligence=rng.gamma(2.5, 0.75 / 2.5, count),
        joined_day=np.where(rng.random(count) < 0.7, 0, rng.integers(0, max(1, days // 2), count)),
        left_day=np.where(stays, days, rng.integers(days // 2, days + 1, count)),
        utc_offset=np.array([offset for _, offset in TIME_ZONES])[zones],
        habit_hour=rng.choice(HABIT_HOURS, count, p=HABIT_SHARES) + rng.normal(0, 0.8, count),
        pace=rng.integers(1, 4, count),
        clock_skew=np.round(rng.normal(0, 4, count) * 1000).astype(np.int64) * 1000,
        start_properties=[
            json.dumps(
                {
                    "device_type": devices[i][0],
                    "user_agent": devices[i][1],
                    "timezone": TIME_ZONES[zones[i]][0],
                    "ip_address": _address(i),
                }
            )
            for i in range(count)
        ],
    )


def _address(number: int) -> str:
    """An address of the ranges that are reserved for documentation."""
    if number % 5 == 4:
        return f"2001:db8:{number % 0xFFFF:x}:{number * 7 % 0xFFFF:x}::{number % 251:x}"
    return f"{('192.0.2', '198.51.100', '203.0.113')[number % 3]}.{1 + number * 37 % 254}"
