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
# Nothing of the checkout may be seen from here on: pip would take it for an installed package.
cd "$work"
unset PYTHONPATH
"$python" -m venv env
pip() { env/bin/python -m pip --disable-pip-version-check "$@"; }
newest_cpu() { pip index versions "$1" 2>/dev/null | grep -o '[0-9.]*+cpu' | head -n 1; }

# As docs/faq.md has it: PyTorch's CPU build is installed first, and the wheel keeps it.
cpu=$(newest_cpu torch) || cpu=
if [ -n "$cpu" ]; then
  pip install --quiet "torch==$cpu" torchvision
else
  echo "wheel: the configured package sources have no CPU build of torch; its test is skipped"
fi
pip install --quiet dist/*.whl

if [ -n "$cpu" ]; then
  kept=$(env/bin/python -c 'import torch; print(torch.__version__)')
  test "$kept" = "$cpu" || { echo "wheel: torch $kept has replaced the CPU build $cpu"; exit 1; }
  if pip list 2>/dev/null | grep '^nvidia-'; then
    echo "wheel: these CUDA packages were installed beside the CPU build of torch"
    exit 1
  fi
  echo "wheel: torch $kept is kept"
fi
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
