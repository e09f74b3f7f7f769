"""The container image, as far as it can be checked without an engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from batch_fakes import write_clips

ROOT = Path(__file__).resolve().parents[3]
dockerfile = pytest.importorskip("dockerfile", reason="needs the package dockerfile")
VARIANTS = ("cpu", "cuda")


def stages() -> dict[str, list[Any]]:
    """Stage -> its instructions, parsed by Docker's own parser."""
    found: dict[str, list[Any]] = {}
    for command in dockerfile.parse_file(str(ROOT / "Dockerfile")):
        if command.cmd.upper() == "FROM":
            found[command.value[2]] = []
        found[list(found)[-1]].append(command)
    return found


def of(commands: list[Any], kind: str) -> list[Any]:
    """The instructions of one kind."""
    return [command for command in commands if command.cmd.upper() == kind]


def environment(commands: list[Any]) -> dict[str, str]:
    """What ENV sets."""
    values = [value for command in of(commands, "ENV") for value in command.value]
    return {k: v.strip('"') for k, v in zip(values[::2], values[1::2], strict=True)}


def kept() -> set[str]:
    """What .dockerignore lets into the context."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[0] == "*"
    return {line[1:] for line in lines if line.startswith("!")}


def test_stages() -> None:
    """A stage is built from a stage before it, or a slim image of the oldest Python that is supported."""
    seen: list[str] = []
    for name, commands in stages().items():
        base = commands[0].value[0]
        assert base in seen or base == "python:3.11-slim"
        for command in of(commands, "COPY"):
            if command.flags:
                assert command.flags[0].removeprefix("--from=") in seen
        seen.append(name)
    assert set(VARIANTS) <= set(seen)
    assert "3.11" in (ROOT / "pyproject.toml").read_text().split("requires-python")[1].split("\n")[0]


def test_what_is_copied_is_in_the_context() -> None:
    """All of it, and nothing else is let in."""
    copied = {
        name
        for commands in stages().values()
        for command in of(commands, "COPY")
        if not command.flags
        for name in command.value[:-1]
    }
    assert copied == kept()
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant(variant: str) -> None:
    """Not root, by number as the job for Kubernetes says; offline; weights from a cache that is mounted."""
    found = stages()
    chain = [*found["base"], *found[variant]]
    assert found[variant][0].value[0] == "base"
    pod = yaml.safe_load((ROOT / "docs/scale-out/kubernetes.yaml").read_text())["spec"]["template"]["spec"]
    users = [command.value[0] for command in of(chain, "USER")]
    assert users == [str(pod["securityContext"]["runAsUser"])]
    last = max(k for k, command in enumerate(chain) if command.cmd.upper() in ("RUN", "COPY"))
    assert chain.index(of(chain, "USER")[0]) > last
    (entry,) = of(chain, "ENTRYPOINT")
    assert entry.json
    assert list(entry.value) == ["vos"]
    variables = environment(chain)
    assert (variables["VOS_OFFLINE"], variables["HF_HUB_OFFLINE"]) == ("1", "1")
    mounts = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert variables["VOS_HOME"] in mounts


def test_layers_are_small() -> None:
    """No caches of pip and apt, no recommended packages, no addresses of indices."""
    for commands in stages().values():
        for command in of(commands, "RUN"):
            (line,) = command.value
            for call in re.findall(r"pip (?:install|wheel) [^&;]*", line):
                assert "--no-cache-dir" in call
            if "apt-get install" in line:
                assert "--no-install-recommends" in line
                assert "rm -rf /var/lib/apt/lists/*" in line
            assert "://" not in line
            subprocess.run(["sh", "-n", "-c", line], check=True)


@pytest.mark.slow
def test_the_program_of_the_image(tmp_path: Path) -> None:
    """The wheel of the first stage, built from the context alone, tracks a clip in its environment."""
    context = tmp_path / "context"
    context.mkdir()
    for name in kept():
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, context / name)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*build, str(tmp_path / "wheels"), str(context)], check=True, capture_output=True)
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    manifest = write_clips(tmp_path / "data", 1, frames=3)
    (tmp_path / "cache").mkdir(mode=0o555)
    variables = {**environment(stages()["base"]), "VOS_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "vos_cli",
            "batch",
            "run",
            str(manifest),
            "-o",
            str(tmp_path / "out"),
            "--json",
        ],
        env={**os.environ, **variables, "PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done_here"] == 1
    assert not any((tmp_path / "cache").iterdir())
