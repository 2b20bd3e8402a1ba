"""Draw the pictures of README and documentation: ``python -m docs.screenshots ADDRESS [light] [dark]``.

The app that runs at the address needs the corpus for the Dataset page, and ``PASSWORD`` as the administrator's, as
``make screenshots`` sets it.
"""

import io
import itertools
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile as sf
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from core.audio.decode import decode
from core.config import SAMPLE_RATE
from core.corpus.samples import list_samples
from core.labels import EMOTIONS

FOLDER = Path(__file__).parent
SOUND = FOLDER.parent / "core/corpus/sample_audio/03-01-03-01-01-01-12.ogg"
PASSWORD = "a password for pictures"  # noqa: S105 - of a server that runs while the pictures are drawn
SCREENS = {"light": (1280, 860), "dark": (390, 1180)}
"""Width and height of the screen of each colour scheme, in pixels."""
PAUSE = 1.0
"""Silence between the sounds that the microphone plays, in seconds."""
TALK = 22_000
"""Time that the Live page listens, in milliseconds: its picture is taken while somebody speaks."""
FILM = 20.0
"""Length of the moving picture of the Live page, in seconds."""
FILM_STEP = 0.4
"""Time between two of its frames, in seconds."""
FILM_WIDTH = 960
"""Width of its frames, in pixels."""


def main(address: str, *schemes: str) -> None:
    """Take pictures of each page, with a sound where it needs one: on a wide light screen, on a dark phone."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        talk = write_talk(Path(folder) / "talk.wav")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-audio-capture={talk}",
            ],
        )
        for scheme in schemes or SCREENS:
            width, height = SCREENS[scheme]
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,
                device_scale_factor=1.5,
                permissions=["microphone"],
            )
            page = context.new_page()
            page.set_default_timeout(60_000)
            draw_explanations(page, address, scheme)
            draw_live(page, address, scheme)
            draw_admin(page, address, scheme)
        browser.close()


def write_talk(path: Path) -> Path:
    """Write the sample sounds with pauses between them as a WAV for the microphone."""
    parts = []
    for sample in list_samples():
        if not sample.is_real:
            continue
        parts += [decode(sample.path).y, np.zeros(round(PAUSE * SAMPLE_RATE))]
    sf.write(path, np.concatenate(parts), SAMPLE_RATE)
    return path


def draw_explanations(page: Page, address: str, scheme: str) -> None:
    """Draw the pages that show a sound, a model or the corpus."""
    for name, sign in (("predict", "Probability of each emotion"), ("features", "F0: the pitch")):
        page.goto(f"{address}/{name if name != 'predict' else ''}")
        page.locator("input[type=file]").set_input_files(SOUND)
        page.get_by_text(sign).wait_for()
        shoot(page, f"{name}-{scheme}")
    page.goto(f"{address}/metrics")
    page.get_by_text("Which emotion is taken for which").wait_for()
    shoot(page, f"metrics-{scheme}")
    page.goto(f"{address}/dataset")
    page.get_by_role("button", name="Play", exact=True).wait_for()
    shoot(page, f"dataset-{scheme}")


def draw_live(page: Page, address: str, scheme: str) -> None:
    """Draw the Live page while somebody speaks, and the report of the take."""
    page.goto(f"{address}/live")
    stream = page.frame_locator("iframe[title*='webrtc']")
    stream.get_by_role("button", name="Start").click()
    page.get_by_text("Input level").wait_for()
    if scheme == "light":
        film(page, "live")
    else:
        page.wait_for_timeout(TALK)
    page.get_by_role("heading", name="No speech").wait_for()  # so that what is said next is there for a while
    page.get_by_role("heading", name=re.compile("|".join(EMOTIONS), re.IGNORECASE)).wait_for()
    shoot(page, f"live-{scheme}")
    stream.get_by_role("button", name="Stop").click()
    page.get_by_text("Share of the whole time, silence too", exact=True).wait_for()
    shoot(page, f"take-{scheme}")


def draw_admin(page: Page, address: str, scheme: str) -> None:
    """Draw the models of the Admin page."""
    page.goto(f"{address}/admin")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("tab", name="Models").click()
    page.get_by_role("combobox", name="Model").first.wait_for()
    shoot(page, f"admin-{scheme}")


def film(page: Page, name: str) -> None:
    """Save what the page shows over time as a moving picture, which takes as long as it took."""
    frames, ends, begin = [], [], time.monotonic()
    while not ends or ends[-1] < FILM:
        frame = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        frames.append(frame.resize((FILM_WIDTH, round(frame.height * FILM_WIDTH / frame.width))))
        page.wait_for_timeout(max(len(frames) * FILM_STEP - (time.monotonic() - begin), 0) * 1_000)
        ends.append(time.monotonic() - begin)
    durations = [round(1_000 * (end - start)) for start, end in itertools.pairwise([0.0, *ends])]
    frames[0].save(
        FOLDER / f"{name}.webp",
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=0,
        quality=60,
        method=6,
    )


def shoot(page: Page, name: str) -> None:
    """Save what the page shows once it has come to rest, in 256 colours: a third of the size."""
    page.wait_for_timeout(0 if name.startswith("live") else 2_500)
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
