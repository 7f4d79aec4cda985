"""Part ``lander``: lands every stream in turn; one that cannot land does not hold up the others."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lakegate.pipeline.supervisor.trouble import Persistent

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakegate.pipeline.supervisor.child import Part

__all__ = ["play"]


def play(part: Part) -> None:
    """Land until asked to leave; then land what is still waiting, and leave."""
    from lakegate.pipeline.flow import land_all, new_lander, watch

    with part.open_project() as project:
        work: list[tuple[Persistent, Callable[[], object]]] = []
        for name in part.streams:
            source = watch(project, project.found[name])
            lander = new_lander(project, source, project.log)
            work.append(
                (Persistent(name, part.heart), partial(land_all, lander, turn=part.heart.turn))
            )
        last = False
        while not last:
            last = part.leaving.is_set()
            for persistent, land in work:
                persistent.attempt(land)
                part.heart.turn()
            if not last:
                part.pause(project.config.landing.interval_s)
