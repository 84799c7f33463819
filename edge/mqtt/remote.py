"""The station as it is heard and seen over MQTT: opened and closed with it; nothing where no broker is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread

from edge.config import Config
from edge.devices.heard import Heard
from edge.devices.sources import Topic
from edge.keeping.cursor import Cursor
from edge.keeping.store import Store
from edge.mqtt.broker import Broker
from edge.mqtt.feedback import feedback_of
from edge.mqtt.news import CURSOR, News
from edge.mqtt.presses import Presses
from edge.records import Capture
from edge.word import BrokerWord

END_S = 5.0


class Silence:
    """A station without a broker."""

    def begins(self, capture: Capture) -> None:
        """The station takes up a capture."""

    def ends(self, capture: Capture) -> None:
        """A capture is closed."""

    def changes(self) -> None:
        """The station is otherwise than it was."""

    def word(self) -> BrokerWord | None:
        """How the connection to the broker is; None where none is named."""
        return None


class Remote(Silence):
    """Where the station's loop says what it does.

    busy  set while a capture is taken: presses are then answered "busy"
    """

    def __init__(self, config: Config, broker: Broker, news: News, busy: Event) -> None:
        self.config = config
        self.broker = broker
        self.news = news
        self.busy = busy

    def begins(self, capture: Capture) -> None:
        # Measuring stored pictures again keeps nobody from the crate: a press waits for it.
        if not capture.images_of("raw"):
            self.busy.set()

    def ends(self, capture: Capture) -> None:
        if self.busy.is_set():
            self.busy.clear()
            document = feedback_of(capture, self.config.station.language)
            self.broker.publish(f"{self.config.topic_root}/feedback", json.dumps(document))
        self.news.woken.set()

    def changes(self) -> None:
        self.news.woken.set()

    def word(self) -> BrokerWord:
        return self.broker.word()


@contextmanager
def open_remote(config: Config, store: Store, heard: Heard, model: str) -> Iterator[Silence]:
    """Presses, tags and weights in and news out for as long as the station runs.

    store  the station's own, of the calling thread
    heard  takes the lines of a reader or a scale that speaks over MQTT
    model  what measures, in words
    """
    if not config.mqtt.host:
        yield Silence()
        return
    Cursor(store, CURSOR).begin()
    broker = Broker(
        config.mqtt, f"goatdev-{config.station.id}", f"{config.topic_root}/availability", config.folder
    )
    busy = Event()
    news = News(config, broker, model)
    Presses(config, broker, busy, news.woken.set).listen()
    for device, source in config.devices().items():
        if isinstance(source, Topic):
            broker.listen(source.name, partial(heard.hear_message, device))
    telling = Thread(target=news.run, name="news", daemon=True)
    telling.start()
    broker.start()
    try:
        yield Remote(config, broker, news, busy)
    finally:
        news.stop()
        telling.join(END_S)
        broker.close()
        telling.join(END_S)
