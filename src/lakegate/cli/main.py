"""``lakegate``: the root command. Each group of commands is a module, imported when it is used."""

from __future__ import annotations

import os
import sys

import cyclopts

from lakegate.errors import LakegateError

__all__ = ["app", "main"]

app = cyclopts.App(
    name="lakegate",
    help="A data contract at the gate of the lakehouse: judge every record, lose none, prove it.",
    help_format="plaintext",
    version_flags=["--version"],
)

app.command("lakegate.cli.init:init", name="init", help="Make a working project.")
app.command("lakegate.cli.up:up", name="up", help="Run the whole project, supervised.")
app.command("lakegate.cli.contract:app", name="contract", help="Check contracts and see coverage.")
app.command("lakegate.cli.validate:validate", name="validate", help="Judge files by a contract.")
app.command("lakegate.cli.topic:app", name="topic", help="List, read and fill topics.")
app.command("lakegate.cli.gateway:gateway", name="gateway", help="Take records over HTTP.")
app.command("lakegate.cli.load:load", name="load", help="Load files into a stream.")
app.command("lakegate.cli.run:run", name="run", help="Judge and land streams.")
app.command("lakegate.cli.run:land", name="land", help="Land validated rows on `staged`.")
app.command("lakegate.cli.run:resume", name="resume", help="Let a paused stream go on.")
app.command("lakegate.cli.deadletter:app", name="deadletter", help="Rejected records, by cause.")
app.command("lakegate.cli.fix:app", name="fix", help="Draft, list and preview fixes.")
app.command("lakegate.cli.fix:replay", name="replay", help="Send repaired records to the gate.")
app.command("lakegate.cli.publish:audit", name="audit", help="Audit what is staged.")
app.command("lakegate.cli.publish:publish", name="publish", help="Move `main` to what passed.")
app.command(
    "lakegate.cli.quarantine:quarantine", name="quarantine", help="Take bad rows off `staged`."
)
app.command("lakegate.cli.lake:app", name="lake", help="Tables: list and maintain.")
app.command("lakegate.cli.merge:merge", name="merge", help="Bring merged tables up to date.")
app.command("lakegate.cli.model:app", name="model", help="SQL models: check, build, trace.")
app.command("lakegate.cli.query:query", name="query", help="SQL over what is published.")
app.command("lakegate.cli.incident:app", name="incident", help="Breaches: list, show, close.")
app.command("lakegate.cli.alert:app", name="alert", help="Alerts: check, deliver, test.")
app.command("lakegate.cli.consumer:app", name="consumer", help="Who reads which stream.")
app.command("lakegate.cli.status:status", name="status", help="The flow, and the proof.")
app.command("lakegate.cli.demo:demo", name="demo", help="A year of real flights, end to end.")


def main() -> None:
    """Entry point. Exit codes: 0 good, 1 the answer is no, 2 it could not be done, 130 stopped."""
    from lakegate.cli.output import say_error

    try:
        result = app(exit_on_error=False, print_error=False, result_action="return_value")
    except cyclopts.CycloptsError as error:
        say_error(f"{error}; see `lakegate --help`")
        sys.exit(2)
    except LakegateError as error:
        say_error(str(error))
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(result if isinstance(result, int) else 0)
