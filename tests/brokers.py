"""A real broker on a free port, to be stopped and started again, and somebody who listens to all of it."""

from __future__ import annotations

import datetime
import ipaddress
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from tests.live import wait_until

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


@dataclass
class Mosquitto:
    """One broker. What it retained is gone when it stops, as with a broker that keeps nothing on disk."""

    folder: Path
    port: int
    lines: tuple[str, ...] = ("allow_anonymous true",)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        path = self.folder / "mosquitto.conf"
        path.write_text("\n".join(("user root", f"listener {self.port} 127.0.0.1", *self.lines)) + "\n")
        log = (self.folder / "mosquitto.log").open("ab")
        self.process = subprocess.Popen([str(MOSQUITTO), "-c", str(path)], stdout=log, stderr=log)
        log.close()
        wait_until(self.answers, what=(self.folder / "mosquitto.log").read_text())

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self) -> str:
        return (self.folder / "mosquitto.log").read_text()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def require_mosquitto() -> None:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed (scripts/test installs it with apt-get)")


@contextmanager
def mosquitto(folder: Path, *lines: str, started: bool = True) -> Iterator[Mosquitto]:
    require_mosquitto()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    broker = Mosquitto(folder, port, lines or ("allow_anonymous true",))
    if started:
        broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@dataclass
class Listener:
    """What somebody else on the broker hears, and how they send."""

    client: paho.Client
    messages: list[tuple[str, bytes, bool]] = field(default_factory=list)
    subscribed: threading.Event = field(default_factory=threading.Event)

    def send(self, topic: str, payload: str | bytes = b"", retain: bool = False) -> None:
        """Until the broker has it."""
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(5)

    def on(self, topic: str) -> list[Any]:
        """All that came on one topic, as JSON where it is some."""
        return [readable(payload) for name, payload, _ in list(self.messages) if name == topic]

    def states(self, station: str = "barn1") -> list[str]:
        return [one["state"] for one in self.on(f"goatdev/{station}/feedback")]


def readable(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode()


@contextmanager
def listening(broker: Mosquitto, client_id: str = "") -> Iterator[Listener]:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=client_id)
    client.reconnect_delay_set(1, 1)
    heard = Listener(client)

    def connected(client: paho.Client, *_: Any) -> None:
        client.subscribe("#", qos=1)

    def received(_: Any, __: Any, message: paho.MQTTMessage) -> None:
        heard.messages.append((message.topic, bytes(message.payload), message.retain))

    client.on_connect = connected
    client.on_message = received
    client.on_subscribe = lambda *_: heard.subscribed.set()
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    assert heard.subscribed.wait(5)
    try:
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


def certificates(folder: Path, name: str = "ours") -> Path:
    """An authority of its own and a certificate of it for 127.0.0.1: <name>_ca.pem, <name>.pem, <name>.key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = datetime.datetime.now(datetime.UTC)

    def certificate(subject: str, issuer: str, key: Any, signer: Any, authority: bool) -> x509.Certificate:
        def named(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        builder = (
            x509.CertificateBuilder(
                named(issuer), named(subject), key.public_key(), x509.random_serial_number()
            )
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
            )
        )
        if authority:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        else:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        return builder.sign(signer, hashes.SHA256())

    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = certificate(f"{name} authority", f"{name} authority", authority_key, authority_key, True)
    own = certificate("broker", f"{name} authority", key, authority_key, False)
    pem = serialization.Encoding.PEM
    (folder / f"{name}_ca.pem").write_bytes(authority.public_bytes(pem))
    (folder / f"{name}.pem").write_bytes(own.public_bytes(pem))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / f"{name}_ca.pem"
