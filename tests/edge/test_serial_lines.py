"""Lines of a real serial port, which here is one end of a pseudo-terminal: whatever comes, and when it is unplugged."""

from __future__ import annotations

import os
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest

from edge.devices.serial_lines import listening
from edge.devices.sources import LONGEST_LINE_BYTES, SerialPort, Topic, read_source
from edge.errors import ConfigError

PATIENCE_S = 20.0


class Cable:
    """A device on a serial port that can be unplugged and come back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plug()

    def plug(self) -> None:
        self.ours, self.theirs = os.openpty()
        tty.setraw(self.theirs)
        self.path.symlink_to(os.ttyname(self.theirs))

    def unplug(self) -> None:
        self.path.unlink()
        os.close(self.ours)
        os.close(self.theirs)

    def send(self, content: bytes) -> None:
        os.write(self.ours, content)

    def asked(self) -> bytes:
        return os.read(self.ours, 100)


class Listener:
    """What a port's thread handed on."""

    def __init__(self) -> None:
        self.lines: Queue[bytes] = Queue()
        self.states: Queue[str] = Queue()

    def next_lines(self, number: int) -> list[bytes]:
        return [self.lines.get(timeout=PATIENCE_S) for _ in range(number)]


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    cable = Cable(tmp_path / "ttyUSB0")
    yield cable
    cable.unplug()


@pytest.fixture
def listener() -> Listener:
    return Listener()


def port_of(cable: Cable) -> SerialPort:
    source = read_source(f"serial:{cable.path}?baud=9600", "[reader] source")
    assert isinstance(source, SerialPort)
    return source


def test_each_line_is_handed_on_once_whatever_ends_it(cable: Cable, listener: Listener) -> None:
    with listening(port_of(cable), listener.lines.put, listener.states.put):
        assert listener.states.get(timeout=PATIENCE_S) == ""
        cable.send(b"LA 982 000001088420\r\nA982000123456789\r826 052636100657\n3E7.1CBE9")
        assert listener.next_lines(3) == [b"LA 982 000001088420", b"A982000123456789", b"826 052636100657"]
        cable.send(b"91A14\r\n")
        assert listener.next_lines(1) == [b"3E7.1CBE991A14"]
        assert listener.lines.empty()


def test_noise_and_endless_lines_do_no_harm(cable: Cable, listener: Listener) -> None:
    with listening(port_of(cable), listener.lines.put, listener.states.put):
        assert listener.states.get(timeout=PATIENCE_S) == ""
        for _ in range(20):
            cable.send(b"x" * LONGEST_LINE_BYTES)
        cable.send(b"\r\n" + bytes(one for one in range(256) if one not in b"\r\n\x03") + b"\r\n")
        cable.send(b"982000001088420\r\n")
        assert listener.next_lines(1) == [b"982000001088420"]


def test_a_port_that_is_unplugged_is_told_and_heard_again_when_it_is_back(
    cable: Cable, listener: Listener
) -> None:
    with listening(port_of(cable), listener.lines.put, listener.states.put):
        assert listener.states.get(timeout=PATIENCE_S) == ""
        cable.send(b"98200000108")
        time.sleep(0.3)
        cable.unplug()
        assert "went away" in listener.states.get(timeout=PATIENCE_S)
        assert "is not there" in listener.states.get(timeout=PATIENCE_S)
        cable.plug()
        while listener.states.get(timeout=PATIENCE_S) != "":
            pass
        # What came before is forgotten: two halves make no tag.
        cable.send(b"8420\r\n982000001088420\r\n")
        assert listener.next_lines(2) == [b"8420", b"982000001088420"]


def test_a_port_that_is_absent_at_the_start_is_waited_for(tmp_path: Path, listener: Listener) -> None:
    cable = Cable(tmp_path / "ttyUSB0")
    cable.unplug()
    with listening(port_of(cable), listener.lines.put, listener.states.put):
        assert "is not there" in listener.states.get(timeout=PATIENCE_S)
        cable.plug()
        while listener.states.get(timeout=PATIENCE_S) != "":
            pass
        cable.send(b"982000001088420\r\n")
        assert listener.next_lines(1) == [b"982000001088420"]
    cable.unplug()


def test_a_file_that_is_no_port_is_told(tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "ttyUSB0").write_text("")
    source = read_source(f"serial:{tmp_path / 'ttyUSB0'}", "[reader] source")
    assert isinstance(source, SerialPort)
    with listening(source, listener.lines.put, listener.states.put):
        why = listener.states.get(timeout=PATIENCE_S)
    assert why == f"{tmp_path / 'ttyUSB0'} is not a serial port"


def test_an_indicator_that_has_to_be_asked_is_asked_again_and_again(cable: Cable, listener: Listener) -> None:
    with listening(port_of(cable), listener.lines.put, listener.states.put, ask="W"):
        for answer in (b"\n 55.250LB\r\nS00\r\x03", b"ST,GS,+00055.0lb\r\n"):
            assert cable.asked() == b"W\r"
            cable.send(answer)
            assert listener.next_lines(1) == [answer]


def test_an_indicator_that_does_not_answer_is_no_line(cable: Cable, listener: Listener) -> None:
    with listening(port_of(cable), listener.lines.put, listener.states.put, ask="W"):
        assert cable.asked() == b"W\r"
        assert cable.asked() == b"W\r"
    with pytest.raises(Empty):
        listener.lines.get_nowait()


def test_nothing_is_handed_on_after_the_end(cable: Cable, listener: Listener) -> None:
    with listening(port_of(cable), listener.lines.put, listener.states.put):
        assert listener.states.get(timeout=PATIENCE_S) == ""
    cable.send(b"982000001088420\r\n")
    time.sleep(0.3)
    assert listener.lines.empty()


def failing(line: bytes) -> None:
    raise ZeroDivisionError(line)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_listener_that_breaks_is_told(cable: Cable, listener: Listener) -> None:
    broken: Callable[[bytes], None] = failing
    with listening(port_of(cable), broken, listener.states.put):
        assert listener.states.get(timeout=PATIENCE_S) == ""
        cable.send(b"1\r\n")
        assert "no longer listened to" in listener.states.get(timeout=PATIENCE_S)


def test_a_source_is_a_port_with_its_settings_or_a_topic() -> None:
    port = read_source("serial:/dev/ttyUSB0?baud=2400&bits=7&parity=even&stop=2", "x")
    assert port == SerialPort("/dev/ttyUSB0", 2400, 7, "even", 2)
    assert read_source("serial:/dev/ttyACM0", "x") == SerialPort("/dev/ttyACM0", 9600, 8, "none", 1)
    assert read_source("mqtt:barn/reader", "x") == Topic("barn/reader")
    assert read_source("", "x") is None


@pytest.mark.parametrize(
    "text",
    [
        "usb:0",
        "serial:",
        "serial:ttyUSB0",
        "serial:/dev/ttyUSB0?baud=fast",
        "serial:/dev/ttyUSB0?baud=0",
        "serial:/dev/ttyUSB0?speed=9600",
        "mqtt:",
        "mqtt:barn/#",
        "mqtt:+/reader",
    ],
)
def test_a_source_that_is_none_is_refused_with_its_key(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_source(text, "[reader] source")
    assert caught.value.message.startswith("[reader] source: ")
    assert caught.value.hint
