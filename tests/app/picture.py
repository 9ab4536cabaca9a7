"""The picture of the app in README: `python -m tests.app.picture`, after `make repro`."""

from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.app.conftest import CHROMIUM, App
from tests.helpers.data import ROOT
from tests.helpers.project import Project

PICTURE = ROOT / "docs/pictures/app.png"
SIZE = {"width": 1100, "height": 960}


def main() -> None:
    app = App(Project(ROOT, warm=False)).wait()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport=SIZE)
            page.goto(app.url)
            page.get_by_role("button", name="Fill in an example").click()
            page.get_by_role("button", name="Summarise").click()
            page.locator("#summaries .card").first.wait_for(timeout=120_000)
            page.locator("#title").click()
            take(page, PICTURE)
    finally:
        app.stop()


def take(page, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    page.screenshot(path=path)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
