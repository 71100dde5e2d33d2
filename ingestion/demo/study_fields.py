"""How the study app writes its events: the columns of its simulation as the fields of the contract."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.demo.arrow import named, numbers, times, zones
from ingestion.demo.cells import Cell, members, pick, value
from ingestion.demo.delivery import CONFLICT, FIRST
from ingestion.demo.ids import Ints, uuid_list, uuids
from ingestion.demo.rows import Table, take
from ingestion.demo.study import EVENT_TYPES, KIND
from ingestion.demo.world import CHUNKS_PER_MATERIAL, Curriculum, Learners

OLD_APP_EVERY = 12  # one learner in so many has an old version, which says question_attempt
FEEDBACK = (
    "That helped, thanks!",
    'It says "see above", but there is nothing above.',
    "Too long.\nI stopped reading.",
    "Zu schwer erklärt 🤯",
    "Wrong sign in the second step. Write to me: mira.sample@example.org",
)
SEARCHES = (
    "how to add fractions",
    "quadratic formula",
    "why is minus times minus plus",
    "circle area proof",
    "tutor near me call +1 202-555-0143",
    "notes of ben.example@example.com",
    "median vs mean",
    "übung vektoren",
    "exam 2025",
    "https://wiki.example.org/ratios?session=8f2c91",
)


_OPTION = "chr(65 + ((question + {shift}) % 4)::int)"
_ANSWERED_WRONG = "case when flag then 0 else 1 + roll % 3 end"

# What `count`, `total`, `other`, `seconds`, `share` and `flag` stand for depends on the type.
PROPERTIES: dict[str, str] = {
    "session_start": "start_properties",
    "session_end": members(
        value("duration_seconds", "seconds"),
        value("active_seconds", "active_seconds"),
        value("materials_viewed", "other"),
        value("questions_attempted", "count"),
        value("xp_earned", "total"),
    ),
    "session_pause": members(value("pause_reason", pick(["break", "phone_call", "tab_hidden"], "roll"))),
    "session_resume": "'{}'",
    "material_open": members(
        value("material_type", pick(["pdf", "video", "article"], "material")),
        Cell("material_name", "material_name"),
        value("total_pages", "6 + material % 9"),
    ),
    "material_read": members(
        value("time_spent_seconds", "seconds"),
        value("scroll_depth_percent", "share"),
        value("chunk_index", "chunk"),
        value("is_complete", "flag"),
    ),
    "material_complete": members(value("total_time_seconds", "seconds"), value("completion_percentage", "share")),
    "material_highlight": members(
        value("annotation_type", "'\"highlight\"'"),
        value("text_length", "count"),
        value("chunk_position", "roll % 2000"),
    ),
    "material_note": members(
        value("annotation_type", "'\"note\"'"), value("text_length", "count"), value("chunk_position", "roll % 2000")
    ),
    "material_bookmark": members(value("annotation_type", "'\"bookmark\"'"), value("chunk_position", "roll % 2000")),
    "question_view": members(
        value("question_type", pick(["multiple_choice", "open", "matching"], "question")),
        value("difficulty", pick([0.25, "medium", 0.75, "hard"], "question")),
    ),
    "question_submit": members(
        value("is_correct", "flag"),
        value("time_to_answer_seconds", "seconds"),
        Cell("selected_answer", _OPTION.format(shift=_ANSWERED_WRONG)),
        Cell("correct_answer", _OPTION.format(shift="0")),
        value("confidence_level", "case when roll % 5 > 1 then 1 + roll // 7 % 5 end"),
        value("is_first_attempt", "count = 1"),
        value("attempt_number", "count"),
        value("hint_used", "other = 1"),
        value("experiment", "case when roll % 701 = 0 then '\"short-prompts\"' end"),  # drift: in no contract
    ),
    "quiz_start": members(
        Cell("quiz_id", "quiz_id"),
        value("quiz_type", pick(["practice", "mock_exam", "flashcards"], "session")),
        value("total_questions", "count"),
    ),
    "quiz_complete": members(
        Cell("quiz_id", "quiz_id"),
        value("quiz_type", pick(["practice", "mock_exam", "flashcards"], "session")),
        value("total_questions", "count"),
        value("correct_answers", "total"),
        value("accuracy", "round(total / nullif(count, 0), 3)"),
    ),
    "ai_question_asked": members(
        value("question_length", "count"),
        value("context_provided", "roll % 3 > 0"),
        value("conversation_turn", "1 + roll // 3 % 6"),
        value("detected_topics", "case when roll % 4 > 0 then concat('[\"', topic_id, '\"]') else '[]' end"),
    ),
    "ai_response_received": members(
        value("response_length", "count"),
        value("response_time_ms", "round(seconds * 1000)::int"),
        value("model_used", pick(["tutor-small-1", "tutor-small-1", "tutor-large-2"], "roll")),
        value("tokens_used", "count // 4 + 40"),
    ),
    "ai_feedback_positive": members(
        Cell("message_id", "'m-' || roll"),
        value("rating", "count"),
        value("feedback_text", f"case when roll % 3 = 0 then {pick(FEEDBACK, 'roll // 3')} end"),
    ),
    "ai_feedback_negative": members(
        Cell("message_id", "'m-' || roll"),
        value("rating", "count"),
        value("feedback_text", f"case when roll % 2 = 0 then {pick(FEEDBACK, 'roll // 2')} end"),
    ),
    "ai_hint_requested": members(
        value("hint_type", pick(["guided", "guided", "direct"], "roll")), value("time_before_hint", "seconds")
    ),
    "ai_explanation_requested": members(value("hint_type", pick(["guided", "direct"], "roll"))),
    "xp_earned": members(
        value("xp_amount", "count"), value("xp_source", "'\"session\"'"), value("new_total_xp", "total")
    ),
    "level_up": members(value("old_level", "other"), value("new_level", "count"), value("total_xp", "total")),
    "achievement_unlocked": members(
        Cell("achievement_id", "'answers-' || count"),
        Cell("achievement_name", "count || ' answers given'"),
        Cell("achievement_type", "'milestone'"),
        value("xp_reward", "0"),
    ),
    "streak_continued": members(
        value("old_streak", "total"), value("new_streak", "count"), value("is_new_record", "count > 6")
    ),
    "streak_broken": members(value("old_streak", "total"), value("new_streak", "count")),
    "search_performed": members(
        value("query", pick(SEARCHES, "roll")),
        value("result_count", "count"),
        value("filters_applied", pick([None, ["video"], {"level": 2}], "roll // 10")),
        value("search_type", pick(["semantic", "semantic", "keyword"], "roll // 30")),
    ),
    "topic_explored": members(
        Cell("topic_name", "topic_name"),
        value("topic_level", "topic_level"),
        value("current_mastery", "round(share / 100, 3)"),
    ),
}
_CASES = " ".join(f"when {KIND[name]} then {sql}" for name, sql in PROPERTIES.items())

CELLS = (
    Cell("event_id", f"case when copy = {FIRST} then event_id else upper(event_id) end"),
    Cell("event_type", "event_type"),
    Cell("event_ts", "happened_at", "time"),
    Cell("user_id", "user_id"),
    Cell("session_id", "session_id"),
    Cell("client_ts", "client_at", "time"),
    Cell("material_id", "material_id"),
    Cell("chunk_id", "chunk_id"),
    Cell("topic_id", "topic_id"),
    Cell("question_id", "question_id"),
    Cell("properties", f"case kind {_CASES} end", "json"),
    Cell("app_build", "case when roll % 503 = 0 then 'b-2026.1' end"),  # drift: in no contract
)


class StudyFields:
    """Turns rows of the simulation into Arrow columns with the names that the SQL above uses."""

    def __init__(self, seed: int, curriculum: Curriculum, learners: Learners, events: Table) -> None:
        """Keep what the rows refer to by number."""
        self._seed = seed
        self._events = events
        chunks = len(curriculum.material_ids) * CHUNKS_PER_MATERIAL
        self._names = {
            "event_type": [*EVENT_TYPES, "question_attempt"],
            "user_id": learners.ids,
            "start_properties": learners.start_properties,
            "topic_id": curriculum.topic_ids,
            "topic_name": curriculum.topic_names,
            "question_id": curriculum.question_ids,
            "material_id": curriculum.material_ids,
            "material_name": curriculum.material_names,
            "chunk_id": uuid_list(seed, "chunk", chunks),
        }
        self._topic_level = np.array(curriculum.topic_levels)
        self._clock_skew = learners.clock_skew

    def rows(self, row: Ints, copy: Ints) -> pa.Table:
        """These rows, as these copies: a conflict says the opposite of what the first copy said."""
        events = take(self._events, row)
        learner, kind = events["learner"], events["kind"].astype(np.int64)
        events["flag"] = events["flag"] ^ (copy == CONFLICT)
        is_old = (kind == KIND["question_submit"]) & (learner % OLD_APP_EVERY == 0)
        chunk = np.where(events["chunk"] < 0, -1, events["material"] * CHUNKS_PER_MATERIAL + events["chunk"])
        clock = events["at"] + self._clock_skew[learner] - events["roll"] % 400 * 1000
        columns = {
            "event_id": uuids(self._seed, "study event", row),
            "event_type": named(self._names["event_type"], np.where(is_old, len(EVENT_TYPES), kind)),
            "user_id": named(self._names["user_id"], learner),
            "start_properties": named(self._names["start_properties"], learner),
            "topic_id": named(self._names["topic_id"], events["topic"]),
            "topic_name": named(self._names["topic_name"], events["topic"]),
            "topic_level": pa.array(self._topic_level[events["topic"]]),
            "question_id": named(self._names["question_id"], events["question"]),
            "material_id": named(self._names["material_id"], events["material"]),
            "material_name": named(self._names["material_name"], events["material"]),
            "chunk_id": named(self._names["chunk_id"], chunk),
            "session_id": pc.if_else(
                pa.array(events["is_sessionless"]), None, uuids(self._seed, "study session", events["session"])
            ),
            "quiz_id": uuids(self._seed, "quiz", events["session"]),
            "happened_at": times(events["at"]),
            "client_at": times(np.where(events["roll"] % 11 == 0, -1, clock)),
            "copy": pa.array(copy),
            "zone": zones(copy),
            "kind": pa.array(events["kind"]),
            **{name: numbers(events[name]) for name in ("question", "material", "chunk", "count", "total", "other")},
            **{name: numbers(events[name]) for name in ("seconds", "active_seconds", "share")},
            **{name: pa.array(events[name]) for name in ("flag", "session", "roll")},
        }
        return pa.table(columns)
