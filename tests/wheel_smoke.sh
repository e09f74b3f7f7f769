#!/bin/sh
# Build the wheel, install it (and nothing for development) into a clean environment, and run the main job
# from a folder that is not the checkout. usage: wheel_smoke.sh PYTHON
set -eu
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m build --quiet --wheel --outdir "$work/dist" "$root"
"$python" -m venv "$work/env"
"$work/env/bin/python" -m pip install --quiet --disable-pip-version-check "$work"/dist/*.whl

cd "$work"
env/bin/vos --version
env/bin/vos demo -o "$work/out" --quick --quiet
test -s "$work/out/run.json"
test -s "$work/out/overlay.mp4"
echo "wheel: ok"
