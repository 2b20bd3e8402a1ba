"""Files that are almost sounds, decoded until a time is up: ``python -m tests.fuzzing SEED SECONDS``.

Each file follows from its seed and its number, so that one that does harm can be made again:
``mutated(originals(), seed, number)``.
"""

import faulthandler
import json
import resource
import sys
import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from core.audio.decode import decode
from core.errors import AudioError
from tests.conftest import encode_av, tone
from tests.test_containers import CODECS

ADDRESS_SPACE: Final = 12 * 2**30
"""Most that a process of it may ask for, in bytes: a file that fills memory ends it, and not the machine."""
HEAD: Final = 256
"""Bytes at the beginning where every other change is made: headers stand there."""
SIZES: Final = (0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)
"""Numbers at which counts and lengths change their meaning."""


def originals() -> list[bytes]:
    """Return a short sound in each container and codec."""
    return [encode_av(tone(330, sr=sr, duration=0.3), sr, container, codec) for container, codec, sr in CODECS]


def mutated(files: Sequence[bytes], seed: int, number: int) -> bytes:
    """Return one of some files with one to eight changes, always the same ones for a seed and a number."""
    rng = np.random.default_rng([seed, number])
    data = bytearray(files[rng.integers(len(files))])
    for _ in range(rng.integers(1, 9)):
        change(data, files, rng)
    return bytes(data)


def change(data: bytearray, files: Sequence[bytes], rng: np.random.Generator) -> None:
    """Change bits, bytes, numbers or the length of a file at a place."""
    end = min(len(data), HEAD) if rng.random() < 0.5 else len(data)
    start = int(rng.integers(end + 1))
    length = int(rng.geometric(0.05))
    match rng.integers(6):
        case 0:
            data[start : start + 1] = bytes(byte ^ 1 << int(rng.integers(8)) for byte in data[start : start + 1])
        case 1:
            data[start : start + length] = rng.bytes(length)
        case 2:
            width, order = int(rng.choice((1, 2, 4))), ("little", "big")[rng.integers(2)]
            size = int(rng.choice(SIZES)) % 2 ** (8 * width)
            data[start : start + width] = size.to_bytes(width, order)
        case 3:
            del data[start : start + length]
        case 4:
            data[start:start] = data[start : start + length]
        case _:
            other = files[rng.integers(len(files))]
            data[start:] = other[int(rng.integers(len(other) + 1)) :]


def main(seed: int, seconds: float) -> None:
    """Decode until the time is up; write how many files and sounds there were, the longest time and most memory."""
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    files, longest, number, n_sounds = originals(), 0.0, 0, 0
    end = time.monotonic() + seconds
    while (start := time.monotonic()) < end:
        sys.stderr.write(f"{number}\n")  # the last line names the file that ended the process
        try:
            sound = decode(mutated(files, seed, number))
        except AudioError:
            pass
        else:
            n_sounds += 1
            assert sound.y.dtype == np.float32
            assert np.isfinite(sound.y).all()
        longest = max(longest, time.monotonic() - start)
        number += 1
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024
    json.dump({"files": number, "sounds": n_sounds, "longest": longest, "memory": memory}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
