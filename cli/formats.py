"""``vos formats``."""

from __future__ import annotations

import dataclasses

import click

from .options import json_flag, print_json


@click.command()
@json_flag
def formats(as_json: bool) -> None:
    """List the annotation formats: what is read and written, what comes back exactly, and what is lost."""
    from vos.formats.registry import FORMATS

    shown = {name: found for name, found in FORMATS.items() if not found.internal}
    if as_json:
        print_json([_facts(name, found) for name, found in shown.items()])
        return
    for name, found in shown.items():
        ways = f"{'r' if found.reader else '-'}{'w' if found.writer else '-'}"
        kind = "exact" if found.exact else "lossy"
        click.echo(f"{name:20} {ways}  {kind:5}  {found.title}")
        if found.lost:
            click.echo(f"{'':31}  lost: {found.lost}")


def _facts(name: str, found: object) -> dict[str, object]:
    from vos.formats.format import Format

    assert isinstance(found, Format)
    facts = dataclasses.asdict(found)
    reads, writes = facts.pop("reader") is not None, facts.pop("writer") is not None
    del facts["internal"]
    return {
        "name": name,
        "reads": reads,
        "writes": writes,
        "exact": found.exact,
        "extensions": list(found.extensions),
        **facts,
    }
