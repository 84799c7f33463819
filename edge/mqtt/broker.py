"""The connection to the MQTT broker: comes back by itself, says once that it is lost and once that it is back.

Nothing here stops the station: with no broker, a wrong password or a foreign certificate it goes on measuring.
"""

from __future__ import annotations

import logging
import socket
import ssl
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, topic_matches_sub
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from edge.errors import ConfigError
from edge.secret import secret
from edge.settings import MqttConfig
from edge.word import BrokerWord

log = logging.getLogger("goatdev.mqtt")

PASSWORD_VARIABLE = "GOATDEV_MQTT_PASSWORD"
PASSWORD_CREDENTIAL = "mqtt-password"
# A station that lost its power is reported offline by the broker after one and a half of these.
KEEPALIVE_S = 20
CONNECT_TIMEOUT_S = 5.0
RETRY_MIN_S, RETRY_MAX_S = 1, 10
# Connections that end within this time, so often in a row, are ended on purpose.
BRIEF_S, BRIEF_IN_A_ROW = 5.0, 3
FAREWELL_S = 2.0
RECEIPT_LOOK_S = 0.2

# Kinds of trouble: each is said once.
AWAY, REFUSED, FOREIGN, NO_TLS, ENDED, CUT_OFF = "away", "refused", "foreign", "no TLS", "ended", "cut off"

Handler = Callable[[str, bytes, bool], None]


class Broker:
    """One connection. `listen` before `start`; handlers run in the connection's own thread, one message at a time.

    availability  topic that says "online" or "offline", whatever becomes of this process
    """

    def __init__(self, config: MqttConfig, client_id: str, availability: str, folder: Path) -> None:
        self.config = config
        self.availability = availability
        self.listeners: list[tuple[str, Handler]] = []
        self.on_ready: list[Callable[[], None]] = []
        # One per connection, set when it ends; who waits for a receipt watches the one it began with.
        self.lost = Event()
        self.lost.set()
        self.trouble = ""
        self.why, self.hint = "", ""
        self.certificate_until = ""
        self.connected_at = 0.0
        self.brief = 0
        self.password = secret(PASSWORD_VARIABLE, PASSWORD_CREDENTIAL)
        self.client = self.make_client(client_id, folder)

    def make_client(self, client_id: str, folder: Path) -> Client:
        # A clean session: a press that the broker kept while we were away would photograph whoever stands there now.
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True)
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.reconnect_delay_set(RETRY_MIN_S, RETRY_MAX_S)
        client.will_set(self.availability, "offline", qos=1, retain=True)
        if self.config.username:
            client.username_pw_set(self.config.username, self.password)
        if self.config.tls:
            client.tls_set_context(trusting(self.config.ca_file, folder))
        client.on_pre_connect = self.before_connecting
        client.on_connect = self.connected
        client.on_connect_fail = self.unreachable
        client.on_disconnect = self.disconnected
        client.on_subscribe = self.subscribed
        client.on_message = self.received
        return client

    @property
    def place(self) -> str:
        return f"{self.config.host}:{self.config.port}"

    @property
    def is_connected(self) -> bool:
        return not self.lost.is_set()

    def word(self) -> BrokerWord:
        """How the connection is now."""
        if self.is_connected:
            return BrokerWord(True, certificate_until=self.certificate_until)
        return BrokerWord(False, self.why, self.hint, self.trouble in ("", AWAY, CUT_OFF))

    def listen(self, topic: str, handler: Handler) -> None:
        """Have handler(topic, payload, retained) called for each message; the broker may be away for now."""
        self.listeners.append((topic, handler))

    def start(self) -> None:
        """Connect now or whenever the broker is there."""
        self.client.connect_async(self.config.host, self.config.port, KEEPALIVE_S)
        self.client.loop_start()

    def close(self) -> None:
        """Say that the station is offline, and go."""
        if self.is_connected:
            self.deliver(self.availability, "offline", retain=True, within_s=FAREWELL_S)
        self.client.disconnect()
        self.client.loop_stop()
        self.lost.set()

    def publish(self, topic: str, payload: str, retain: bool = False) -> bool:
        """Send what is of no use later; False, and gone, while the broker is away."""
        if not self.is_connected:
            return False
        return self.client.publish(topic, payload, qos=1, retain=retain).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def deliver(self, topic: str, payload: str, retain: bool = False, within_s: float = 30.0) -> bool:
        """Send and wait for the broker's receipt; False where none came, and then it may have arrived or not."""
        lost = self.lost
        if lost.is_set():
            return False
        sent = self.client.publish(topic, payload, qos=1, retain=retain)
        waited_s = 0.0
        while sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS and waited_s < within_s:
            sent.wait_for_publish(RECEIPT_LOOK_S)
            if sent.is_published():
                return True
            if lost.is_set():
                break
            waited_s += RECEIPT_LOOK_S
        return False

    # What the connection tells, in its own thread.

    def before_connecting(self, client: Client, userdata: Any) -> None:
        """Forget what was under way: feedback is stale by now, and results come from the database again."""
        client.drop_out_messages()

    def connected(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self.is_refused(str(reason))
            return
        for topic in dict.fromkeys(topic for topic, _ in self.listeners):
            client.subscribe(topic, qos=1)
        client.publish(self.availability, "online", qos=1, retain=True)
        if self.trouble != ENDED:
            log.info("the broker at %s is %s", self.place, "back" if self.trouble else "there")
            self.trouble = ""
        self.certificate_until = certificate_end(client.socket())
        self.connected_at = time.monotonic()
        self.lost = Event()
        for ready in self.on_ready:
            ready()

    def is_refused(self, why: str) -> None:
        hint = f"check [mqtt] username and the password in {PASSWORD_VARIABLE}"
        if self.config.username and self.password is None:
            hint = f"there is no password: set {PASSWORD_VARIABLE}"
        self.tell(REFUSED, f"refuses this station: {why.lower()}", hint)

    def unreachable(self, client: Client, userdata: Any) -> None:
        """The connection calls this while it handles the exception, and passes on nothing of it."""
        self.tell(*trouble_of(sys.exc_info()[1], self.config.tls))

    def disconnected(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if self.is_connected and reason.is_failure:
            self.brief = self.brief + 1 if time.monotonic() - self.connected_at < BRIEF_S else 0
            if self.brief >= BRIEF_IN_A_ROW:
                hint = "does another station have the same [station] id? each needs one of its own"
                self.tell(ENDED, "ends every connection as soon as it is made", hint)
            else:
                self.tell(AWAY, "is lost; results wait in the database until it is back")
        elif reason.is_failure and self.trouble != REFUSED:
            hint = "if this port wants TLS, write [mqtt] tls = true"
            self.tell(CUT_OFF, "takes the connection and cuts it off at once", hint)
        self.lost.set()

    def tell(self, trouble: str, why: str, hint: str = "") -> None:
        """Say it once, until it is mended or turns into another trouble."""
        if trouble != self.trouble:
            log.warning("the broker at %s %s%s", self.place, why, f" ({hint})" if hint else "")
        self.trouble, self.why, self.hint = trouble, why, hint

    def subscribed(self, client: Client, userdata: Any, mid: int, reasons: Any, properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            log.warning(
                "the broker at %s does not let this station listen to all its topics (mend the rights of its user)",
                self.place,
            )

    def received(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        # Anybody on the network can send anything, again and again. A bug that one message finds must not cost more
        # than that message, so here, and only here, it does not end the process.
        try:
            for wanted, handler in self.listeners:
                if topic_matches_sub(wanted, message.topic):
                    handler(message.topic, bytes(message.payload), bool(message.retain))
        except Exception:
            log.exception("a message could not be handled")


def trouble_of(error: BaseException | None, tls: bool) -> tuple[str, str, str]:
    """Why no connection comes about: the kind of trouble, in words, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = (
            "[mqtt] ca_file must be of who signed the broker's certificate, and host a name that stands in it"
        )
        return FOREIGN, f"is not the one we trust: {error.verify_message}", hint
    if isinstance(error, ssl.SSLError) or (tls and isinstance(error, ConnectionResetError)):
        hint = "does this port speak TLS? it is usually 8883"
        return NO_TLS, f"cannot be spoken to safely: {getattr(error, 'reason', None) or error}", hint
    hint = "presses from elsewhere are served; check [mqtt] host, port and the network"
    return AWAY, f"cannot be reached: {getattr(error, 'strerror', None) or error}", hint


def reach(config: MqttConfig, folder: Path) -> BrokerWord:
    """Whether a broker answers, without logging in: a station's login of the same name would be cut off."""
    try:
        with socket.create_connection((config.host, config.port), CONNECT_TIMEOUT_S) as plain:
            if not config.tls:
                return BrokerWord(True)
            with trusting(config.ca_file, folder).wrap_socket(plain, server_hostname=config.host) as safe:
                return BrokerWord(True, certificate_until=certificate_end(safe))
    except ConfigError as error:
        return BrokerWord(False, error.message, error.hint, is_away=False)
    except OSError as error:
        trouble, why, hint = trouble_of(error, config.tls)
        return BrokerWord(False, why, hint, trouble == AWAY)


def certificate_end(connection: Any) -> str:
    """When the certificate of a broker ends, UTC, ISO 8601; empty without TLS."""
    certificate = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
    if not certificate:
        return ""
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC).isoformat()


def trusting(ca_file: str, folder: Path) -> ssl.SSLContext:
    """TLS with this authority alone, or with those of the system. Raises ConfigError for a file that is none."""
    try:
        return ssl.create_default_context(cafile=str(folder / ca_file) if ca_file else None)
    except OSError as error:
        raise ConfigError(
            f"[mqtt] ca_file: {folder / ca_file} cannot be used: {error.strerror or error}",
            "the certificate of the authority that signed the broker's, as PEM",
        ) from None
