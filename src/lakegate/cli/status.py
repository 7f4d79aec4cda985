"""``lakegate status``: the flow, and the proof that nothing was lost or counted twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import Format, console, emit

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lakegate.ledger.books import StreamProof
    from lakegate.pipeline.status import Status

__all__ = ["render", "status"]


def status(
    *streams: str,
    full: bool = False,
    watch: bool = False,
    interval_s: float = 1.0,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """Show the flow with its counts and prove that they balance; exit 1 if they do not.

    Parameters
    ----------
    streams:
        Streams to look at; all of the project's if none is named.
    full:
        Read again everything that is still there, sealed or not.
    watch:
        Prove nothing; show the flow as it moves, with rates, lags, incidents and parts, until q or
        Ctrl-C. Where this is no terminal, print one snapshot per interval.
    interval_s:
        Seconds between two looks of ``--watch``.
    """
    if watch:
        from lakegate.cli.live import follow

        return follow(project, streams, interval_s=interval_s, format=format)
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        found = opened.status(*streams, full=full)
    if format == "json":
        emit(found.document())
    else:
        console().print(render(found))
    return 0 if found.proven else 1


def render(status: Status) -> RenderableType:
    """The flow as a table, then the proof or the gaps."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from lakegate.gate.native.choice import said

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("stream")
    columns = ("raw", "accepted", "rejected", "tombst.", "replayed", "open", "landed", "published")
    for column in (*columns, "lag"):
        table.add_column(column, justify="right")
    table.add_column("")
    for proof in status.proofs:
        table.add_row(*_numbers(proof), _verdict(proof))
    lines: list[RenderableType] = [table, Text()]
    for proof in status.proofs:
        lines += [Text.assemble(("  ✗ ", "red"), gap) for gap in proof.gaps]
    for proof in status.proofs:
        if quarantined := proof.total("quarantined"):
            lines.append(Text(f"  · {proof.stream}: {quarantined:,} of the landed are quarantined"))
    for decision in status.decisions:
        lines.append(Text.assemble(("  ! ", "yellow"), decision))
    for pause in status.pauses:
        lines.append(Text.assemble(("  ‖ ", "yellow"), pause))
    reread = sum(proof.reread for proof in status.proofs)
    sealed = sum(proof.total("sealed") for proof in status.proofs)
    counted = f"{reread:,} records re-read, {sealed:,} sealed earlier, in {status.seconds:.1f} s"
    if status.proven:
        lines.append(
            Text.assemble(
                ("proven", "bold green"),
                "  raw = accepted + rejected + tombstones, each accepted row landed once, unchanged"
                "\n        rejected + quarantined = open + replayed + discarded + on their way"
                f"\n        {counted}",
            )
        )
    else:
        lines.append(Text.assemble(("not proven", "bold red"), f"  {counted}"))
    lines.append(Text(said(), "dim"))
    return Group(*lines)


def _numbers(proof: StreamProof) -> list[str]:
    counts = ("raw", "accepted", "rejected", "tombstones", "replayed", "open")
    columns = (*counts, "landed", "published")
    lag = proof.total("waiting_to_judge")
    return [proof.stream, *(f"{proof.total(column):,}" for column in columns), f"{lag:,}"]


def _verdict(proof: StreamProof) -> str:
    if not proof.proven:
        return "[red]✗ gap[/]"
    observed = proof.total("observed")
    return f"[green]✓[/] {observed:,} only observed" if observed else "[green]✓[/]"
