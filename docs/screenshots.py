"""Draw the README's pictures: ``python docs/screenshots.py ADDRESS`` with the app running there."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parent
SOUND = FOLDER.parent / "core/corpus/sample_audio/synthesized-lively.flac"


def main(address: str) -> None:
    """Take pictures of each page, with a sound where it needs one: on a wide light screen and on a dark phone."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for scheme, width, height in (("light", 1280, 860), ("dark", 390, 1180)):
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=1.5
            )
            page = context.new_page()
            page.goto(address)
            page.locator("input[type=file]").set_input_files(SOUND)
            page.get_by_text("Probability of each emotion").wait_for(timeout=60_000)
            page.wait_for_timeout(1_500)
            page.screenshot(path=FOLDER / f"predict-{scheme}.png")
            page.goto(f"{address}/features")
            page.locator("input[type=file]").set_input_files(SOUND)
            page.get_by_text("Spectrogram with F0").wait_for(timeout=60_000)
            page.wait_for_timeout(1_500)
            page.screenshot(path=FOLDER / f"features-{scheme}.png")
            page.goto(f"{address}/metrics")
            page.get_by_text("Which emotion is taken for which").wait_for(timeout=60_000)
            page.wait_for_timeout(1_500)
            page.screenshot(path=FOLDER / f"metrics-{scheme}.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
