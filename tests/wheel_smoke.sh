#!/bin/sh
# Build the wheel, install it (and nothing for development) into a clean environment, and run the main job
# from a folder that is not the checkout. usage: wheel_smoke.sh PYTHON
set -eu
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m build --quiet --outdir "$work/dist" "$root"
"$python" -m twine check --strict "$work"/dist/*
"$python" -m venv "$work/env"
"$work/env/bin/python" -m pip install --quiet --disable-pip-version-check "$work"/dist/*.whl

cd "$work"
env/bin/vos --version
env/bin/vos demo -o "$work/out" --quick --quiet
test -s "$work/out/run.json"
test -s "$work/out/overlay.mp4"

# The network that comes with the package: no cache, no connection, tuned to the first frame.
demo=$(env/bin/python -c 'from importlib.resources import files; print(files("vos") / "assets" / "demo")')
VOS_OFFLINE=1 VOS_HOME="$work/none" env/bin/vos track "$demo/clip.mp4" -m "$demo/first_mask.png" \
  --model nano --tune --end 3 -o "$work/nano" --quiet
test "$(ls "$work/nano/masks" | wc -l)" -eq 3
test ! -e "$work/none"
echo "wheel: ok"
