"""``lakegate gateway``: take records over HTTP."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import Format, console, emit
from lakegate.cli.stopping import stop_on_signal

__all__ = ["gateway"]


def gateway(
    *,
    host: str | None = None,
    port: int | None = None,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """Take records over HTTP until stopped.

    SIGTERM: nothing new is accepted, what is in hand is answered, then it leaves.

    Parameters
    ----------
    host:
        Address to listen on (``gateway.host``; 127.0.0.1).
    port:
        Port to listen on (``gateway.port``; 8321); 0 is any that is free.
    """
    from lakegate.ingest.error import IngestError
    from lakegate.pipeline.project import open_project

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    with open_project(project) as opened, stop_on_signal() as stopped:
        serving = opened.gateway(host=host, port=port)
        serving.start()
        if format == "json":
            emit({"listening": serving.url, "streams": list(opened.found)})
        else:
            console().print(f"listening on [bold]{serving.url}[/]  (Ctrl-C stops)")
        try:
            while not stopped() and serving.alive:
                time.sleep(0.1)
            died = not stopped()
        finally:
            serving.drain()
        counts = serving.counts
        if died:
            message = "the gateway ended by itself; see the log above; start it again"
            raise IngestError(message)
    if format == "json":
        emit({"stopped": serving.url, "records": counts.records, "answers": counts.answers})
    else:
        console().print(f"stopped; {counts.records:,} records taken")
    return 0
