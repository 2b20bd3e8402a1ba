import os
import signal

import pytest

from core.work.parallel import BLOCK, File, map_blocks

pytestmark = pytest.mark.heavy


def look(file: File) -> tuple[int, bool]:
    """Return the process that works, and whether Ctrl-C is kept from it."""
    del file
    return os.getpid(), signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no signals of that kind here")
@pytest.mark.usefixtures("fresh_workers")
def test_ctrl_c_is_kept_from_workers_from_their_start_and_from_nobody_else(tmp_path):
    names = map(str, range(4 * BLOCK))
    found = [result for block in map_blocks(look, tmp_path, names, 2) for result in block]
    assert len(found) == 4 * BLOCK
    assert os.getpid() not in {process for process, _ in found}
    assert all(is_kept for _, is_kept in found)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
