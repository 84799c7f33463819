"""Take the README's picture of the dashboard: press Measure in a running demo and wait for the numbers."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/dashboard.png"))
    parser.add_argument("--size", default="1280x1100", help="of the window, px")
    parser.add_argument("--port", type=int, default=8077)
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "edge.cli", "demo", "--data", folder, "--port", str(options.port)]
        demo = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            photograph(f"http://127.0.0.1:{options.port}/", options.out, width, height)
        finally:
            demo.terminate()
            demo.wait(timeout=20)
    print(options.out)
    return 0


def photograph(address: str, out: Path, width: int, height: int) -> None:
    """The page after a press, once the new result is shown."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": height})
        for _ in range(100):
            try:
                page.goto(address)
                break
            except Error:  # the demo is still starting
                page.wait_for_timeout(300)
        page.wait_for_timeout(2500)
        page.fill("input[name=goat_id]", "Heidi")
        page.click("button:has-text('Measure')")
        page.wait_for_selector("text=Heidi", timeout=20_000)
        page.wait_for_selector("text=Done at", timeout=60_000)
        page.wait_for_timeout(2000)
        page.screenshot(path=str(out))
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
