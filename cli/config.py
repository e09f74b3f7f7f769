"""``vos config``: recipes, shown with all defaults or checked."""

from __future__ import annotations

import click

from .completion import commands_with_recipes, complete, recipes, trackers
from .options import verbosity


@click.group()
def config() -> None:
    """Show and check recipes: YAML files of settings, as --config and --recipe take them."""


@config.command()
@click.argument(
    "command", metavar="[COMMAND]", required=False, shell_complete=complete(commands_with_recipes)
)
@click.option(
    "--recipe",
    metavar="FILE|NAME",
    shell_complete=complete(recipes, or_file=True),
    help="Show the settings that this recipe leads to.",
)
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=complete(trackers),
    help="Show the settings of this tracker among them.",
)
@click.option("--changed", "only_changed", is_flag=True, help="Show only what differs from the defaults.")
@verbosity
def show(command: str | None, recipe: str | None, model: str | None, only_changed: bool, quiet: bool) -> None:
    """Print all settings of COMMAND as a recipe, each with what it is for.

    The default is the command that --recipe is for, or track.

    Commands with recipes: track, batch, benchmark, persam, discover, evaluate-semantic.

    \b
    vos config show
    vos config show --model sam2.1-small > my.yaml
    vos config show persam --recipe persam-parity --changed
    """
    from vos.runs.recipes import as_yaml, changed, read_recipe, recipe_command, with_groups

    command = command or ("track" if recipe is None else recipe_command(recipe))
    settings = read_recipe(command, recipe, model)
    if only_changed:
        settings = with_groups(changed(settings), settings)
    click.echo(as_yaml(settings) if settings else "# All settings have their defaults.\n", nl=False)


@config.command()
@click.argument("recipe", metavar="RECIPE", shell_complete=complete(recipes, or_file=True))
@click.option(
    "--command",
    "command",
    metavar="NAME",
    shell_complete=complete(commands_with_recipes),
    help="Command it is for.  [default: the one that has its settings]",
)
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=complete(trackers),
    help="The tracker that it is for, in place of the recipe's.",
)
@verbosity
def check(recipe: str, command: str | None, model: str | None, quiet: bool) -> None:
    """Check RECIPE, a YAML file or the name of a bundled recipe, without running anything.

    \b
    vos config check my.yaml
    vos config check parity
    vos config check my.yaml --command persam
    """
    from vos.runs.recipes import changed, read_recipe, recipe_command

    command = command or recipe_command(recipe)
    differing = changed(read_recipe(command, recipe, model))
    if not quiet:
        count = "1 setting differs" if len(differing) == 1 else f"{len(differing)} settings differ"
        click.echo(f"{recipe} is valid for vos {command}; {count} from the defaults")
        for setting in differing:
            click.echo(f"  {'.'.join(setting.path)}: {setting.value} (default: {setting.default})")
