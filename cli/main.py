"""The command line: a table of commands, each imported only when it is used, and one place for errors."""

from __future__ import annotations

import contextlib
import keyword
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

import click

from vos.distribution import refuse_other_vos
from vos.errors import InputError, InterruptedRunError, PartialResultError, VosError

from .renamed import with_current_flags
from .streams import open_streams, stdout_error

COMMANDS: dict[str, str] = {
    "track": "Segment and track objects through a video.",
    "evaluate": "Score masks against ground truth: J, F and J&F, as DAVIS does.",
    "evaluate-vos": "Score masks by the protocols of YouTube-VOS, LVOS, MOSE and SA-V.",
    "benchmark": "Track and score a whole data set.",
    "batch": "Track thousands of videos, on one machine or many.",
    "live": "Track a camera or a stream, and show the result in a browser.",
    "preview": "Draw the masks that tracking would start from, before a run.",
    "extract": "Write one frame of a video as an image, with a coordinate grid on request.",
    "probe": "Describe a video: size, frame rate, frame count, irregularities.",
    "persam": "Segment the object of one reference image and its mask in other images.",
    "evaluate-perseg": "Score masks against the PerSeg data set: mIoU, mAcc and boundary IoU.",
    "demo": "Track and score the bundled demo clip.",
    "segment": "Label every pixel of images with one of the named classes.",
    "rank-layers": "Rank a model's layers for class names by InfoScore, without labels.",
    "tune": "Tune a model for class names on one labelled image per class.",
    "evaluate-semantic": "Score class label maps over a data set by mean IoU.",
    "discover": "Find the objects in images or a video without class names.",
    "evaluate-discovery": "Score discovered objects: recall and precision, names ignored.",
    "project": "Annotate videos: keep corrections, track only what they affect.",
    "annotate": "Annotate in the browser: click, track, correct, review, export.",
    "review": "List the frames of a project that need review most.",
    "export": "Write masks in the formats of annotation tools and data sets.",
    "import": "Read annotations of other tools as masks and prompts for a video.",
    "convert": "Convert annotations from one format to another.",
    "formats": "List the annotation formats, and what each can and cannot keep.",
    "config": "Show all settings as a recipe, or check one.",
    "models": "Download and verify the weights of models.",
    "tracks": "Edit results: swap ids, rename, merge, drop, trim, fill gaps, remove specks.",
    "visualize": "Show masks: overlay, comparison with the truth, contact sheet, plot.",
}
"""Command -> its line in ``vos --help``. The command ``a-b`` is the object ``a_b`` in ``cli/a_b.py``;
one that is a word of Python's, ``import``, has ``_`` at its end there."""

INTERNAL_ERROR = 1
NO_READER = 141
"""As a program that SIGPIPE ends: stdout was closed by its reader."""
INTERRUPTED = InterruptedRunError.exit_code


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends a run as Ctrl-C does."""


class LazyGroup(click.Group):
    """Knows the names of its commands, imports one when it is asked for, and turns errors into exit codes."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Refuse to run beside the other project called vos: for --help and --version, too."""
        if not extra.get("resilient_parsing"):  # the shell asks for completions, and shows no message
            try:
                refuse_other_vos()
            except VosError as error:
                click.echo(f"vos: {error}", err=True)
                raise click.exceptions.Exit(error.exit_code) from None
        return super().make_context(info_name, args, parent, **extra)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_") + "_" * keyword.iskeyword(cmd_name)
        command: click.Command = getattr(import_module(f".{name}", __package__), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command and its arguments, in the flags of today."""
        return super().resolve_command(ctx, with_current_flags(args))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing any command for its help."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what it raises becomes a message on stderr and an exit code."""
        try:
            with sigterm_interrupts():
                result = super().invoke(ctx)
                sys.stdout.flush()
                return result
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise  # Click's own
        except VosError as error:
            report(ctx, str(error), error)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt as error:
            report(ctx, "interrupted", error)
            ctx.exit(INTERRUPTED)
        except OSError as error:
            refused = stdout_error()
            if refused is None and error.filename is not None:
                name = error.filename if isinstance(error.filename, str) else repr(error.filename)
                report(ctx, f"cannot use {name}: {error.strerror or error}", error)
                ctx.exit(InputError.exit_code)
            elif refused is None:
                self._internal_error(ctx, error)
            elif not isinstance(refused, BrokenPipeError):  # `vos ... | head` ends quietly
                reason = refused.strerror or str(refused)
                report(ctx, f"cannot write to stdout: {reason}; files of results are complete", error)
                ctx.exit(PartialResultError.exit_code)
            ctx.exit(NO_READER)
        except Exception as error:
            self._internal_error(ctx, error)

    @staticmethod
    def _internal_error(ctx: click.Context, error: Exception) -> NoReturn:
        """A bug of ours."""
        hint = "" if is_verbose(ctx) else "; run again with -v for the traceback"
        report(ctx, f"internal error: {type(error).__name__}: {error}{hint}", error)
        ctx.exit(INTERNAL_ERROR)


def report(ctx: click.Context, message: str, error: BaseException) -> None:
    """One message on stderr, below the traceback where -v asks for it."""
    with contextlib.suppress(OSError):  # the exit code says it, too
        if is_verbose(ctx):
            traceback.print_exception(error)
        click.echo(f"vos: {message}", err=True)


def is_verbose(ctx: click.Context) -> bool:
    """Whether -v was given to the command that ran."""
    return bool(ctx.meta.get("vos.verbosity", 0) > 0)


@contextlib.contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Inside the block SIGTERM raises :class:`Terminated`, as Ctrl-C raises KeyboardInterrupt."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread (somebody else's program): signals are theirs
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    package_name="vos-toolkit", prog_name="vos", message="%(prog)s %(version)s (%(package)s)"
)
def cli() -> None:
    """Cut objects out of videos: track them from a mask, points or boxes, and score the result.

    Exit codes: 0 done, 1 internal error, 2 usage, 3 bad media, 4 model or weights missing,
    5 stopped part-way, 130 interrupted, 141 stdout closed by its reader.
    """


def main() -> None:
    """The ``vos`` command."""
    open_streams()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # those of libraries are for programmers; ours are messages
    cli()


if __name__ == "__main__":
    main()
