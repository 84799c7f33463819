"""From a message on the network to a row on disk: who pressed is told "accepted" only when it can no longer be lost."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from threading import Event
from typing import Any

from edge.config import Config
from edge.errors import DiskFull, DiskTrouble, InputRefused, StationError, StoreError
from edge.keeping.store import Store
from edge.mqtt import feedback
from edge.mqtt.broker import Broker
from edge.mqtt.buttons import Button, NoPress, Press
from edge.pressing import press as press_button
from edge.settings import ButtonConfig
from edge.triggers import new_trigger

log = logging.getLogger("goatdev.buttons")

# A request that is refused for its id gets back as much of it as any id may have.
LONGEST_ECHO = 64


class Presses:
    """Hears the buttons of one station.

    busy   set while the station takes a capture
    saved  called after each press that was written down
    """

    def __init__(self, config: Config, broker: Broker, busy: Event, saved: Callable[[], None]) -> None:
        self.config = config
        self.broker = broker
        self.busy = busy
        self.saved = saved

    def listen(self) -> None:
        """To every button that is configured, and to the station's own trigger topic."""
        own = ButtonConfig("plain", f"{self.config.topic_root}/trigger")
        for one in (own, *self.config.buttons):
            self.broker.listen(one.topic, self.handler_of(Button(one, self.config.mqtt.debounce_s)))

    def handler_of(self, button: Button) -> Callable[[str, bytes, bool], None]:
        def heard(topic: str, payload: bytes, retained: bool) -> None:
            message = NoPress("retained") if retained else button.heard(payload, time.monotonic())
            if isinstance(message, NoPress):
                log.debug("%s: no press: %s", topic, message.why)
            else:
                self.take(button, message)

        return heard

    def take(self, button: Button, press: Press) -> None:
        """Write the press down and say so, or say why not."""
        try:
            trigger = new_trigger("mqtt", press.goat_id, press.request_id)
            # In the connection's thread, which must not use the station's database: presses are rare, opening is quick.
            with Store(self.config.database_path) as store:
                capture = store.pressed(trigger.id)
                if capture is None and self.busy.is_set():
                    self.say_no(feedback.BUSY, press)
                    return
                if capture is None:
                    capture = press_button(store, self.config, trigger)
        except InputRefused as error:
            log.warning("%s: refused: %s", button.config.topic, error)
            self.say_no(feedback.REFUSED, press, error)
        except DiskFull as error:
            log.warning("%s: refused: %s", button.config.topic, error)
            self.say_no(feedback.DISK_FULL, press, error)
        except (StoreError, DiskTrouble) as error:
            # The protocol's own receipt goes out all the same: the broker would not send it again to a clean session,
            # and after twenty without receipt it would send nothing more.
            log.error("%s: a press could not be written down: %s", button.config.topic, error)
            self.say_no(feedback.ERROR, press, error)
        else:
            button.accepted(time.monotonic())
            self.say(feedback.feedback_of(capture, self.config.station.language))
            self.saved()

    def say_no(self, state: str, press: Press, why: StationError | str = "") -> None:
        request_id = press.request_id[:LONGEST_ECHO] if press.request_id else None
        self.say(feedback.feedback(state, self.config.station.language, str(why), request_id))

    def say(self, document: dict[str, Any]) -> None:
        self.broker.publish(f"{self.config.topic_root}/feedback", json.dumps(document))
