"""Where processes of the benchmark's own come from."""

import multiprocessing
from multiprocessing.context import ForkServerContext


def prepared() -> ForkServerContext:
    """Processes forked from one in which Django is prepared, and which has no connection. It starts with the
    first of them: whoever asks elsewhere before would start it unprepared.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.__main__"])
    return context
