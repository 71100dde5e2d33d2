from orchestration.wording import in_short


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
