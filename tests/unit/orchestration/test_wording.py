from orchestration.wording import in_short, not_read


def test_a_message_in_short_has_no_stack() -> None:
    told = """An error occurred while calling o54.sql.
: org.apache.spark.SparkException: Job aborted
\tat org.apache.spark.util.ThreadUtils$.awaitResult(ThreadUtils.scala:401)
\tat java.base/java.lang.Thread.run(Thread.java:840)
Caused by: java.lang.ArithmeticException: at least one value is too large
\t... 12 more
"""
    assert in_short(told) == (
        "An error occurred while calling o54.sql. : org.apache.spark.SparkException: Job aborted"
        " Caused by: java.lang.ArithmeticException: at least one value is too large"
    )


def test_a_sentence_that_begins_with_at_stays() -> None:
    assert in_short("at the limit: 5 %") == "at the limit: 5 %"


def test_a_name_of_a_file_may_say_who_somebody_is() -> None:
    told = not_read(["study/2026-03-01/kim@example.org.csv: not the name of an extract file; ignored"])
    assert told == ["not read: study/2026-03-01/[email]: not the name of an extract file"]
