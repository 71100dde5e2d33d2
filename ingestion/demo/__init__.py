"""Demo extracts of the five systems, and the truth behind them.

`generate` plays learners who learn and forget, and writes what their products would have delivered: late, twice, broken
now and then, in every format. It knows what it did: `demo_truth.json` says where each row has to end up, and
`demo_truth.parquet` how able each learner is at each topic.

    world.py            topics, questions, learners
    learning.py         the true probability of an answer
    coming.py           when learners come to home screens, drafts and the textbook
    study.py            what happens in the study app      study_fields.py           how the app writes it down
    assessment.py       what happens in tests              assessment_fields.py      how the test system writes it down
    recommendation.py   what happens on home screens       recommendation_fields.py  how they write it down
    collaboration.py    what happens to shared drafts      collaboration_fields.py   how it is written down
    textbook.py         what happens in the textbook       textbook_fields.py        how it is written down
    snapshots.py        the reference data of the study app
    delivery.py         late, twice, changed               faults.py                 broken in every way
    streams.py          the streams, ready for delivery    feeds.py, files.py        their files
    generate.py         all of it
    database.py         the same rows in the tables of a database
"""

from ingestion.demo.generate import DemoSummary, generate, remove

__all__ = ["DemoSummary", "generate", "remove"]
