"""Threads for products of matrices: one each, for those of a sound are small and others answer beside it."""

import functools

from threadpoolctl import ThreadpoolController


def share_no_products() -> None:
    """Let this process share out no product of matrices among threads from now on.

    The products of an answer are small. Shared out, each waits for the slowest thread, which takes thirty times its own
    time where other work keeps a core busy.
    """
    _libraries().limit(limits=1, user_api="blas")


@functools.cache
def _libraries() -> ThreadpoolController:
    """Find the libraries that share out products of matrices; that takes longer than a product."""
    return ThreadpoolController()
