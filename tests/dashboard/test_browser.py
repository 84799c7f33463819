"""One press in a real browser, with a thread that plays the station."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from werkzeug.serving import make_server

from dashboard import create_app
from edge.clock import since_boot_s
from edge.config import Config
from edge.devices.report import Devices
from edge.records import ALL_TRAITS, Measurement, Weight
from edge.settings import ReaderConfig
from tests.dashboard.conftest import Barn, picture, revision

if TYPE_CHECKING:
    from playwright.sync_api import Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt install chromium")

WEIGHT = Weight(55.25, "scale", "\n 55.250KG\r\nS00\r")


@contextmanager
def background(work: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(timeout=10)


@contextmanager
def served(config: Config) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, create_app(config), threaded=True)
    with background(server.serve_forever):
        try:
            yield f"http://127.0.0.1:{server.port}"
        finally:
            server.shutdown()
    server.server_close()


@contextmanager
def playing_station(config: Config) -> Iterator[None]:
    """Serves every press, slowly enough that a page sees it being measured."""
    stop = threading.Event()

    def serve() -> None:
        barn = Barn(config)
        with barn.running():
            while not stop.wait(0.2):
                capture = barn.store.next_queued()
                if capture is not None:
                    barn.store.begin(capture)
                    stop.wait(1.5)
                    barn.finish(capture, missing="waist_width_cm")
        barn.store.close()

    with background(serve):
        try:
            yield
        finally:
            stop.set()


@pytest.fixture
def page() -> Iterator[Page]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 360, "height": 740})
        page.set_default_timeout(15_000)
        yield page
        browser.close()


def test_a_press_shows_its_numbers_without_a_reload(config: Config, barn: Barn, page: Page) -> None:
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with served(config) as address, playing_station(config):
        page.goto(address)
        page.evaluate("window.stillTheSamePage = true")
        page.get_by_label("Goat").fill("1207")
        page.get_by_role("button", name="Measure").click()
        page.get_by_role("status").get_by_text("Measuring").wait_for()
        page.get_by_role("status").get_by_text("Done").wait_for()
        assert page.locator(".number").all_inner_texts() == ["61.2", "62.3", "71.4", "24.9", "—"]
        assert page.locator("#recent .goat").all_inner_texts() == ["1207"]
        assert page.get_by_label("Goat", exact=False).first.input_value() == ""
        assert page.get_by_role("button", name="Measure").is_enabled()
        assert page.evaluate("window.stillTheSamePage")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.goto(f"{address}{page.locator('#result .which a').last.get_attribute('href')}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert {urlsplit(url).hostname for url in requests} == {"127.0.0.1"}
    assert complaints == []


def test_a_press_elsewhere_appears_by_itself(config: Config, barn: Barn, page: Page) -> None:
    barn.completed("1")
    with served(config) as address, playing_station(config):
        page.goto(address)
        barn.press("2")
        page.locator("#recent .goat").get_by_text("2", exact=True).wait_for()


def test_a_lost_station_is_said_and_so_is_its_return(config: Config, barn: Barn, page: Page) -> None:
    with served(config) as address:
        page.goto(address)
        page.route("**/api/**", lambda route: route.abort())
        page.get_by_text("No connection to the station").first.wait_for()
        page.get_by_role("button", name="Measure").click()
        page.get_by_text("Press again").wait_for()
        page.unroute("**/api/**")
        page.locator("#lost").wait_for(state="hidden")
    assert barn.store.counts() == {}


def test_a_picture_opens_large_and_closes(config: Config, barn: Barn, page: Page) -> None:
    barn.completed("1207")
    with served(config) as address:
        page.goto(address)
        page.locator(".pictures a").first.click()
        assert page.locator("#large-side").is_visible()
        page.locator("#large-side").get_by_text("Close").click()
        assert not page.locator("#large-side").is_visible()


WEDGE = "982 000001088420"


def read_tag(page: Page, line: str = WEDGE) -> None:
    """What a reader that types does."""
    page.keyboard.type(line)
    page.keyboard.press("Enter")


@pytest.mark.parametrize(
    "place", ["body", "[name=goat_id]", "[name=weight]", "[name=weight_unit]", "#press button"]
)
def test_a_reader_that_types_fills_the_goat_field_and_presses_nothing(
    config: Config, barn: Barn, page: Page, place: str
) -> None:
    with served(config) as address:
        page.goto(address)
        page.locator("[name=weight]").fill("121.5")
        page.locator("[name=weight_unit]").select_option("kg")
        page.locator("[name=goat_id]").fill("half an id")
        page.locator(place).focus()
        read_tag(page)
        page.get_by_text(f"Read {WEDGE}.").wait_for()
        assert page.locator("[name=goat_id]").input_value() == WEDGE
        assert page.locator("[name=weight]").input_value() == "121.5"
        assert page.locator("[name=weight_unit]").input_value() == "kg"
        assert barn.store.counts() == {}
        page.get_by_role("button", name="Measure").click()
        page.locator("#recent .goat").get_by_text("982000001088420").wait_for()
    assert barn.store.captures(1)[0].goat_id == "982000001088420"


def test_a_person_who_types_and_presses_enter_presses_the_button(
    config: Config, barn: Barn, page: Page
) -> None:
    with served(config) as address:
        page.goto(address)
        page.locator("[name=goat_id]").press_sequentially("840003123456789", delay=90)
        page.keyboard.press("Enter")
        page.locator("#recent .goat").get_by_text("840003123456789").wait_for()
    assert barn.store.counts() == {"queued": 1}


def test_an_id_that_lost_a_digit_is_refused_on_the_page(config: Config, barn: Barn, page: Page) -> None:
    with served(config) as address:
        page.goto(address)
        read_tag(page, "98200000108842")
        page.get_by_role("button", name="Measure").click()
        page.get_by_role("status").get_by_text("has 14 digits, which is no tag").wait_for()
        assert page.locator("[name=goat_id]").input_value() == "98200000108842"
    assert barn.store.counts() == {}


def test_a_typed_weight_goes_with_the_press_and_is_shown(config: Config, barn: Barn, page: Page) -> None:
    with served(config) as address, playing_station(config):
        page.goto(address)
        page.get_by_label("Weight").fill("121.5")
        page.get_by_role("button", name="Measure").click()
        page.get_by_text("55.1 kg (121.5 lb), typed").wait_for()
        assert page.get_by_label("Weight").input_value() == ""
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_goat_and_weight_that_come_later_appear_by_themselves(config: Config, barn: Barn, page: Page) -> None:
    capture = barn.completed()
    with served(config) as address:
        page.goto(address)
        barn.store.label(capture.id, lambda one: replace(one.named("Heidi", "reader"), weight=WEIGHT))
        page.locator("#result").get_by_text("Heidi").wait_for()
        page.get_by_text("55.2 kg (121.8 lb), scale").wait_for()
        page.evaluate("document.getElementById('result').dataset.still = 'here'")
        page.wait_for_timeout(4000)
        assert page.locator("#result").get_attribute("data-still") == "here"


def test_the_tag_that_the_reader_saw_stands_in_the_empty_goat_field(
    config: Config, barn: Barn, page: Page
) -> None:
    config = replace(config, reader=ReaderConfig(source="serial:/dev/ttyUSB0"))
    devices = Devices(config.devices_path, ("reader",))
    with served(config) as address, barn.running():
        page.goto(address)
        assert page.locator("[name=goat_id]").get_attribute("placeholder") == ""
        devices.said("reader", "982000001088420", since_boot_s())
        page.get_by_text("read just now").wait_for()
        assert page.locator("[name=goat_id]").get_attribute("placeholder") == WEDGE
        assert page.locator("[name=goat_id]").input_value() == ""
        devices.said("reader", "982000001088420", since_boot_s() - 31)
        devices.reached("reader", "/dev/ttyUSB0 went away")
        page.get_by_text("read just now").wait_for(state="hidden")
        assert page.locator("[name=goat_id]").get_attribute("placeholder") == ""


def test_a_result_with_every_kind_of_trait_and_long_reasons_fits_a_phone(
    config: Config, barn: Barn, page: Page
) -> None:
    capture = barn.store.begin(barn.press())
    why = "calibrated side and top cameras that see the whole trunk are needed to estimate it"
    measurements = tuple(
        Measurement(trait.name, trait.views, value=121.25, u95=10.25, confidence=0.94)
        if place % 2
        else Measurement(trait.name, trait.views, reason=why)
        for place, trait in enumerate(ALL_TRAITS)
    )
    barn.store.close_capture(capture.completed(replace(revision(), measurements=measurements)))
    with served(config) as address:
        for path in ("/", f"/captures/{capture.id}"):
            page.goto(f"{address}{path}")
            assert page.get_by_text("(no\u00a0unit)").count() == 1
            assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_live_pictures_go_on_by_themselves_and_say_when_there_is_none(
    config: Config, barn: Barn, page: Page
) -> None:
    folder = config.preview_folder
    with served(config) as address:
        page.goto(f"{address}/cameras")
        page.get_by_text("No picture").wait_for()
        for colour in ("first", "second"):
            (folder / "side.jpg").write_bytes(picture("side", colour))
            with page.expect_response(lambda answer: "/preview/side.jpg" in answer.url and answer.ok):
                pass
        page.get_by_text("No picture").wait_for(state="hidden")
        assert page.locator("img[data-live]").evaluate("picture => picture.naturalWidth") == 320
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
