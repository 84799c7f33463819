"""Serial ports: the one door to pyserial. Reads lines in a thread of its own, and waits for what is unplugged."""

from __future__ import annotations

import errno
import re
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import serial

from edge.devices.sources import LONGEST_LINE_BYTES, SerialPort

LINE_END = re.compile(rb"[\r\n\x03]")
END_OF_ANSWER = b"\x03"

# How long a read waits; also how long a pause ends an answer.
QUIET_S = 0.1
RETRY_S = 1.0
BETWEEN_QUESTIONS_S = 0.3
STOP_S = 3.0

PARITIES = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}

REASONS = {
    errno.ENOENT: "is not there",
    errno.EACCES: "may not be opened by this user",
    errno.EBUSY: "is used by another program",
    errno.EAGAIN: "is used by another program",
}

OnLine = Callable[[bytes], None]
OnState = Callable[[str], None]


@contextmanager
def listening(port: SerialPort, on_line: OnLine, on_state: OnState, ask: str = "") -> Iterator[None]:
    """Hand on the lines of a port for as long as the block lasts.

    on_line   given each line without its end, in the port's thread
    on_state  told "" when the port is there, and why not when it is not
    ask       what makes the device answer; empty for one that sends by itself
    """
    stop = Event()
    thread = Thread(target=listen, args=(port, on_line, on_state, ask.encode(), stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(STOP_S)


def listen(port: SerialPort, on_line: OnLine, on_state: OnState, ask: bytes, stop: Event) -> None:
    """Read the port, and open it again whenever it is gone."""
    try:
        while not stop.is_set():
            why = "is not a serial port"
            try:
                with open_port(port) as opened:
                    why = "went away"
                    on_state("")
                    if ask:
                        hand_on_answers(opened, ask, on_line, stop)
                    else:
                        hand_on_lines(opened, on_line, stop)
            except (OSError, termios.error) as error:  # a SerialException is an OSError
                on_state(f"{port.path} {REASONS.get(getattr(error, 'errno', None) or 0, why)}")
                stop.wait(RETRY_S)
    finally:
        if not stop.is_set():
            on_state(f"{port.path} is no longer listened to")


def open_port(port: SerialPort) -> serial.Serial:
    return serial.Serial(
        port.path,
        port.baud,
        bytesize=port.bits,
        parity=PARITIES[port.parity],
        stopbits=port.stop,
        timeout=QUIET_S,
        write_timeout=RETRY_S,
        exclusive=True,
    )


def hand_on_lines(opened: serial.Serial, on_line: OnLine, stop: Event) -> None:
    rest = b""
    while not stop.is_set():
        *lines, rest = LINE_END.split(rest + read_some(opened))
        # Enough to see that it is too long when its end comes.
        rest = rest[-LONGEST_LINE_BYTES - 1 :]
        for line in lines:
            if 0 < len(line) <= LONGEST_LINE_BYTES:
                on_line(line)


def hand_on_answers(opened: serial.Serial, ask: bytes, on_line: OnLine, stop: Event) -> None:
    while not stop.is_set():
        opened.write(ask + b"\r")
        answer = b""
        while some := read_some(opened):
            answer += some
            if END_OF_ANSWER in some or len(answer) > LONGEST_LINE_BYTES:
                break
        if 0 < len(answer) <= LONGEST_LINE_BYTES:
            on_line(answer)
        stop.wait(BETWEEN_QUESTIONS_S)


def read_some(opened: serial.Serial) -> bytes:
    """What has come, or after a pause nothing."""
    return bytes(opened.read(min(max(1, opened.in_waiting), LONGEST_LINE_BYTES)))
