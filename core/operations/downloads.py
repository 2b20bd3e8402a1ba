"""Downloads of a corpus by a server, which an administrator begins and stops: they fill its disk."""

from collections.abc import Sequence

from core.corpus import download
from core.corpus.base import Corpus
from core.corpus.catalogue import download_folder
from core.operations.access.audit import record
from core.operations.access.sessions import require_admin
from core.work.background import BackgroundWork


def begin_download(
    token: str | None, work: BackgroundWork, corpus: Corpus, channels: Sequence[str], *, from_kaggle: bool = False
) -> None:
    """Download a corpus in the background; nothing is begun where a download goes on.

    Parameters
    ----------
    token : str or None
        Session of the administrator.
    work : BackgroundWork
        Where the server's one download goes on.
    corpus : Corpus
        What to download.
    channels : sequence of str
        Which clips of it.
    from_kaggle : bool
        Whether from Kaggle, not from its record.

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    """
    actor = require_admin(token)
    fetch = download.download_from_kaggle if from_kaggle else download.download_corpus
    if work.start(lambda report: fetch(corpus, channels, download_folder(corpus), report=report)):
        record(actor, "began a download", corpus.name, ", ".join(channels))


def stop_download(token: str | None, work: BackgroundWork) -> None:
    """Stop the download; what was fetched is kept.

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    """
    actor = require_admin(token)
    work.stop()
    record(actor, "stopped a download")
