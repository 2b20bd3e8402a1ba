"""Minutes of files that are almost sounds: each is a sound or a sentence, soon and in little memory."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.fuzzing import mutated

SECONDS = 150.0
LONGEST = 20.0
"""Most time for a file, in seconds, on a machine that does other things too."""
MEMORY = 2 * 2**30
"""Most memory of a process, in bytes, with all that it has loaded."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_files_that_are_almost_sounds_do_no_harm(seed):
    command = [sys.executable, "-m", "tests.fuzzing", str(seed), str(SECONDS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    last = next((line for line in reversed(done.stderr.splitlines()) if line.isdecimal()), "none")
    assert done.returncode == 0, f"seed {seed}, file {last}:\n{done.stderr[-4_000:]}"
    found = json.loads(done.stdout)
    assert found["files"] > 20 * SECONDS
    assert 0.05 < found["sounds"] / found["files"] < 0.95
    assert found["longest"] < LONGEST
    assert found["memory"] < MEMORY


def test_a_seed_and_a_number_name_a_file():
    files = [bytes(range(200)), b"other" * 40]
    named = {(seed, number): mutated(files, seed, number) for seed in range(3) for number in range(50)}
    assert all(mutated(files, seed, number) == data for (seed, number), data in named.items())
    assert len(set(named.values())) > 140
    assert not set(named.values()) & set(files)
