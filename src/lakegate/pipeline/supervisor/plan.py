"""``python -m lakegate.pipeline.supervisor.plan FOLDER``: can the project run, and what has it?

Prints the plan as one line of JSON; or says on standard error what is wrong, and exits with 2.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import msgspec

from lakegate.errors import LakegateError

__all__ = ["main"]


def main(folder: str) -> int:
    """See the module."""
    from lakegate.pipeline.agenda import entries
    from lakegate.pipeline.flow import watch
    from lakegate.pipeline.gateway import refuse_open_door, tokens_of
    from lakegate.pipeline.in_force import InForce
    from lakegate.pipeline.project import open_project
    from lakegate.pipeline.up import Plan

    logging.disable()
    try:
        with open_project(folder) as project:
            tokens_of(project)
            refuse_open_door(project.config.gateway, project.config.gateway.host)
            entries([found.stream for found in project.found.values()], project.config.schedule)
            for found in project.found.values():
                watch(project, found)  # a version claimed by another contract is told now
            files = dict.fromkeys(found.file for found in project.found.values())
            InForce(project.root, project.state_folder).begin(project.config, files)
            there = project.log.topics()
            partitions = {
                name: there.get(found.stream.topic("raw"), 1)
                for name, found in project.found.items()
            }
            plan = Plan(tuple(project.found), partitions)
    except LakegateError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(msgspec.json.encode(plan).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(str(Path(sys.argv[1]))))
