"""`tail --follow` at a terminal: keys pause, resume and quit, and the terminal is left as it was."""

import signal
import termios
from contextlib import ExitStack

from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction
from tests.kafka_source.asking import delete

from .producing import messages, produce, wait_until
from .terminals import Terminal, terminal

LOCAL_FLAGS = 3
"""Where `tcgetattr` has them."""


def takes_keys(opened: Terminal) -> bool:
    """Whether keys reach the command one by one, and are not shown."""
    return not opened.mode()[LOCAL_FLAGS] & (termios.ICANON | termios.ECHO)


def test_space_pauses_and_resumes_and_q_quits(kafka: KafkaCluster, new_topic: NewTopicFunction) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(2))
    with terminal("tail", topic, "-b", kafka.bootstrap_servers, "--follow") as opened:
        opened.wait_for(f"following {topic}: space pauses, q quits")
        opened.wait_for("value 1\r\n")
        assert takes_keys(opened)
        produce(kafka, topic, messages(1, first=2))
        opened.wait_for("value 2\r\n")

        opened.type(" ")
        opened.wait_for("paused, 0 records waiting · space goes on, q quits")
        produce(kafka, topic, messages(3, first=3))
        opened.wait_for("paused, 3 records waiting")
        assert "value 3" not in opened.shown

        opened.type(" ")
        opened.wait_for("value 5\r\n")
        opened.type("q")

        assert opened.ended() == 0
        assert opened.mode() == opened.first_mode
        assert [opened.shown.count(f"value {number}\r\n") for number in range(6)] == [1] * 6


def test_the_terminal_is_left_as_it_was_by_every_end(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    kept, gone = new_topic(), new_topic()
    arguments = ("-b", kafka.bootstrap_servers, "--follow")
    with ExitStack() as stack:
        interrupted, terminated, failed = (
            stack.enter_context(terminal("tail", topic, *arguments)) for topic in (kept, kept, gone)
        )
        for each in (interrupted, terminated, failed):
            wait_until(lambda each=each: takes_keys(each), "the terminal to be taken")  # type: ignore[misc]

        interrupted.type("\x03")
        terminated.signal(signal.SIGTERM)
        delete(kafka, gone)

        assert [each.ended() for each in (interrupted, terminated, failed)] == [130, 143, 2]
        assert "was deleted while it was read" in failed.shown
        for each in (interrupted, terminated, failed):
            assert each.mode() == each.first_mode
