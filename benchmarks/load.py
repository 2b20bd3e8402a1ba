"""The app with many visitors at once: ``python -m benchmarks.load``; wants a quiet machine.

Visitors are programs that send what browsers send, each with sounds of its own. First four of them follow an hour of
speech each, and one more has a clip answered again and again. Then a crowd comes: at the same moment, and after that
each visitor again and again, with pauses between. The time of an answer begins with the upload and ends when the page
has it; that of the visitors themselves, on the same machine, is in it. An answer that is not that of the visitor's own
sound is a mix-up.
"""

import argparse
import contextlib
import dataclasses
import datetime
import io
import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
import soundfile as sf
from numpy.typing import NDArray
from websockets.exceptions import WebSocketException

from benchmarks.table import describe_machine, served
from benchmarks.visitor import Visitor
from core.audio.decode import decode
from core.audio.resampling import resample
from core.config import PROJECT_ROOT, SAMPLE_RATE
from core.corpus.samples import list_synthesized
from core.serving.exports import to_int16, wav_bytes
from core.serving.prediction import Prediction
from core.serving.predictor import Predictor

RESULTS: Final = PROJECT_ROOT / "benchmarks" / "load.json"
N_FOLLOWERS: Final = 4
FOLLOWED: Final = 3_600
"""Length of what they follow, in seconds."""
FOLLOWED_RATE: Final = 12_000
"""Its sampling rate, in Hz."""
CLIP: Final = 4
"""Length of a clip, in seconds."""
PAUSE: Final = 30.0
"""Mean time between an answer and the next sound of a visitor in a crowd, in seconds."""
PATIENCE: Final = 240.0
"""Time in which those who follow have begun, in seconds."""
ANSWER: Final = re.compile(r"\*\*[\d.]+%\*\* confident|Of [\d.]+ s of speech: [^\"]*")
NUMBER: Final = re.compile(r"Busy: you are number \d+")
LISTENED: Final = re.compile(r"Listened to (?:(\d+):)?(\d+):(\d+) of")


@dataclasses.dataclass(frozen=True)
class Clip:
    """A sound of one visitor's own."""

    name: str
    data: bytes
    answer: str
    """What the page says of it."""


@dataclasses.dataclass
class Seen:
    """What visitors saw; safe to share among threads, which only append."""

    seconds: list[float] = dataclasses.field(default_factory=list)
    """Time of each answer."""
    others: list[str] = dataclasses.field(default_factory=list)
    """Answers for somebody else's sound."""
    refused: list[str] = dataclasses.field(default_factory=list)
    """What was said instead of an answer."""
    numbered: list[str] = dataclasses.field(default_factory=list)
    """Those who waited and were told their number."""

    def ask(self, visitor: Visitor, clip: Clip) -> None:
        """Have a clip answered, and note what came of it."""
        found: list[tuple[float, str]] = []

        def look(words: str) -> None:
            found.extend((time.perf_counter() - start, answer) for answer in ANSWER.findall(words))

        start = time.perf_counter()
        visitor.choose(clip.name, clip.data)
        said = visitor.run(look)
        if NUMBER.search(said):
            self.numbered.append(clip.name)
        if not found:
            self.refused.append(said)
        elif found[0][1] == clip.answer:
            self.seconds.append(found[0][0])
        else:
            self.others.append(f"{found[0][1]} instead of {clip.answer}")

    def figures(self) -> dict[str, Any]:
        """Return how many answers there were, their times, and what went wrong."""
        percentiles = np.percentile(self.seconds, (50, 95, 99)).round(3).tolist()
        times = dict(zip(("median", "p95", "p99"), percentiles, strict=True))
        counts = {"mixed_up": len(self.others), "refused": len(self.refused), "told_their_number": len(self.numbered)}
        return {"answers": len(self.seconds)} | times | counts


def main() -> None:
    """Measure the parts that are asked for, all by default, print them, and write them down.

    What was measured before stays beside them where it is of the same day, machine and model.
    """
    parser = argparse.ArgumentParser(description="Measure the app with many visitors at once.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; all by default")
    parser.add_argument("--asks", type=int, default=100, help="answers beside those who follow")
    parser.add_argument("--visitors", type=int, default=50, help="visitors of the crowd")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the crowd stays")
    parser.add_argument("--output", type=Path, default=RESULTS, help="JSON to write")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    predictor = Predictor.load()
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    written = {"machine": describe_machine(), "model": predictor.model.name, "date": today}
    before = json.loads(options.output.read_text()) if options.output.exists() else {}
    if written.items() <= before.items():
        written = before
    clips = list(itertools.islice(make_clips(predictor), options.visitors))
    for name in options.parts or PARTS:
        with served() as address:
            written[name] = PARTS[name](address, clips, options)
        print(name, json.dumps(written[name]), flush=True)
        options.output.write_text(json.dumps(written, indent=1) + "\n")


def make_clips(predictor: Predictor) -> Iterator[Clip]:
    """Yield clips that differ: a voice, faster or slower, and what the page says of it."""
    rng = np.random.default_rng(0)
    for k, voice in enumerate(itertools.cycle(voices())):
        speed = rng.uniform(0.85, 1.2)
        faster = np.interp(np.arange(0, len(voice) - 1, speed), np.arange(len(voice)), voice)
        data = wav_bytes(to_int16(np.resize(faster, CLIP * SAMPLE_RATE).astype(np.float32)))
        yield Clip(f"visitor-{k}.wav", data, told(predictor.predict(decode(data))))


def told(prediction: Prediction) -> str:
    """Return what the page says of an answer."""
    if len(prediction.pieces) > 1:
        shares = " · ".join(f"{label} **{share:.0%}**" for label, share in prediction.shares.items())
        return f"Of {prediction.speech_duration:.1f} s of speech: {shares}"
    return f"**{prediction.confidence:.1%}** confident"


def voices() -> list[NDArray[np.float32]]:
    """Return voices that no model was trained on."""
    return [decode(sample.path).y for sample in list_synthesized()]


def hour() -> bytes:
    """Return an hour of speech with pauses, coded so that it may be uploaded and takes no minute to make."""
    pause = np.zeros(SAMPLE_RATE // 2, np.float32)
    talk = np.concatenate([part for voice in voices() for part in (voice, pause)])
    buffer, samples = io.BytesIO(), resample(talk, SAMPLE_RATE, FOLLOWED_RATE)
    sf.write(buffer, np.resize(samples, FOLLOWED * FOLLOWED_RATE), FOLLOWED_RATE, format="WAV", subtype="IMA_ADPCM")
    return buffer.getvalue()


def beside_follows(address: str, clips: Sequence[Clip], options: argparse.Namespace) -> dict[str, Any]:
    """Have a clip answered again and again while others follow long sounds."""
    sound, clip = hour(), clips[0]
    followers = [Follower(address, sound) for _ in range(N_FOLLOWERS)]
    for follower in followers:
        follower.start()
    wait_for(lambda: all(follower.heard for follower in followers))
    seen, visitor = Seen(), Visitor(address)
    visitor.run()
    start, heard = time.perf_counter(), [follower.heard for follower in followers]
    for k in range(options.asks):
        # Another name, so that the page takes it for another sound each time.
        seen.ask(visitor, dataclasses.replace(clip, name=f"{k}.wav", data=clip.data + bytes(k)))
    elapsed = time.perf_counter() - start
    speed = [(follower.heard - before) / elapsed for follower, before in zip(followers, heard, strict=True)]
    for follower in followers:
        follower.leave()
    return {"followers": N_FOLLOWERS} | seen.figures() | {"followed_at": ", ".join(f"{value:.1f}" for value in speed)}


class Follower(threading.Thread):
    """A visitor who follows a long sound over time."""

    def __init__(self, address: str, sound: bytes) -> None:
        super().__init__(daemon=True)
        self.visitor, self.sound = Visitor(address), sound
        self.heard = 0
        """How far the sound is followed, in seconds."""

    def run(self) -> None:
        """Follow until the end, or until the visitor leaves."""
        self.visitor.run()
        self.visitor.choose("hour.wav", self.sound)
        self.visitor.run()
        with contextlib.suppress(WebSocketException, TimeoutError):
            for message in self.visitor.press("Follow over time"):
                if found := LISTENED.search(str(message.delta)):
                    hours, minutes, seconds = (int(part or 0) for part in found.groups())
                    self.heard = 3_600 * hours + 60 * minutes + seconds

    def leave(self) -> None:
        """Go, as who closes the browser."""
        self.visitor.socket.close()
        self.join()


def come(address: str, n: int) -> list[Visitor]:
    """Return visitors who have opened the page."""
    visitors = [Visitor(address) for _ in range(n)]
    for visitor in visitors:
        visitor.run()
    return visitors


def at_once(address: str, clips: Sequence[Clip], _: argparse.Namespace) -> dict[str, Any]:
    """Let all visitors ask at one moment."""
    seen, visitors = Seen(), come(address, len(clips))
    threads = [threading.Thread(target=seen.ask, args=pair) for pair in zip(visitors, clips, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"visitors": len(visitors)} | seen.figures()


def crowd(address: str, clips: Sequence[Clip], options: argparse.Namespace) -> dict[str, Any]:
    """Let visitors ask again and again, with pauses between."""
    seen, visitors = Seen(), come(address, len(clips))
    end = time.monotonic() + 60 * options.minutes

    def visit(k: int) -> None:
        rng = np.random.default_rng(k)
        for turn in itertools.count(1):
            pause = rng.exponential(PAUSE)
            if time.monotonic() + pause > end:
                return
            time.sleep(pause)
            seen.ask(visitors[k], dataclasses.replace(clips[k], data=clips[k].data + bytes(turn)))

    threads = [threading.Thread(target=visit, args=(k,)) for k in range(len(clips))]
    memory: list[float] = []
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        memory.append(server_memory() / 2**20)
        time.sleep(1)
    ends = {name: round(float(np.median(memory[part]))) for name, part in _tenths(max(len(memory) // 10, 1)).items()}
    about = {"visitors": len(clips), "minutes": options.minutes, "pause": PAUSE}
    return about | seen.figures() | {"memory_mib": ends}


def _tenths(n: int) -> dict[str, slice]:
    """Return which samples of memory are compared: the second of ten parts, when caches are warm, with the last."""
    return {"early": slice(n, 2 * n), "late": slice(-n, None)}


def server_memory() -> int:
    """Return the resident memory of the app that this process started, in bytes."""
    return sum(child.memory_info().rss for child in psutil.Process().children() if "streamlit" in child.cmdline())


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so.

    Raises
    ------
    TimeoutError
        If it does not come to be.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("The app did not do in time what it is measured by.")
        time.sleep(0.1)


PARTS: Final[dict[str, Callable[[str, Sequence[Clip], argparse.Namespace], dict[str, Any]]]] = {
    "beside-follows": beside_follows,
    "at-once": at_once,
    "crowd": crowd,
}
"""What can be measured, by the names that the command takes."""

if __name__ == "__main__":
    main()
