"""What the alternatives start from: numbers of the definitions, and the mastery model that Daybook ships."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mastery

# The numbers of the spec that the three marts need.
INACTIVITY_MINUTES = 30
COMPLETE_SCROLL_DEPTH = 90
MIN_EVIDENCE = 3
PROFICIENT, MASTERED, MASTERED_LOW = 0.70, 0.85, 0.70
NORMAL_95 = 1.6448536269514722
LONGEST_DAYS = 36_500

# Daybook's learning events are all but these.
NO_LEARNING_TYPES = (
    "session_start",
    "session_end",
    "session_pause",
    "session_resume",
    "xp_earned",
    "level_up",
    "achievement_unlocked",
    "streak_continued",
    "streak_broken",
)

# How many of the last attempts each memory of the model holds (None: all), and what draws its strength to 0.
MEMORIES: Mapping[str, tuple[tuple[int | None, ...], float]] = {
    "learner": ((1, 3, 10, 30, 100, 300, None), 1.0),
    "topic": ((1, 3, 10, None), 0.5),
}

# Features that the scripts leave out, because the shipped model has 0 for them, or because they are of a question: a
# mastery score is of one that the learner has not met.
_LEFT_OUT = (
    "question_difficulty",
    "topic_difficulty",
    "topic_hinted",
    "topic_fading",
    "difficulty_of_strong",
    "difficulty_of_practised",
)


@dataclass(frozen=True)
class Model:
    """The shipped model: it knows no question and no topic, so one difficulty stands for all of them."""

    version: str
    coefficients: Mapping[str, float]
    expected: float  # of an average learner's attempts, how many are correct
    information: float  # of one attempt


def shipped_model() -> Model:
    """The model of `mastery/shipped.json`."""
    document = json.loads((Path(mastery.__file__).parent / "shipped.json").read_text())
    (overall,) = document["difficulties"]
    needed = [name for name in _LEFT_OUT if document["coefficients"][name]]
    if needed:
        raise ValueError(f"the alternatives do not compute these features of the shipped model: {', '.join(needed)}")
    return Model(
        document["version"],
        document["coefficients"],
        overall["expected_millionths"] / 1e6,
        overall["information_millionths"] / 1e6,
    )
