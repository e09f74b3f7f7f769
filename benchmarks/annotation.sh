#!/bin/sh
# All that is measured of projects, on a machine with many cores: sh benchmarks/annotation.sh OUT [JOBS] [MINUTES]
#
# OUT gets the JSON files of key_frames.py and corrections.py, rows.jsonl, and the log of the long tests of the
# store. Nothing is downloaded; VOS_TEST_DATA may name a folder that sequences.py wrote. MINUTES bounds the
# annotators alone; the same command goes on where it was stopped. Afterwards
#
#     python benchmarks/corrections.py --rows OUT/rows.jsonl --fit
#
# fits the weights of the review queue.
set -eu
out=$1 jobs=${2:-16} minutes=${3:-5}
export OMP_NUM_THREADS=1
mkdir -p "$out"
cd "$(dirname "$0")/.."
python benchmarks/key_frames.py --ways flow,linear --frames 40 --jobs "$jobs" \
    --json "$out/key_frames.json" > "$out/key_frames.log" 2>&1
(python -m pytest -q -m slow tests/projects > "$out/store.log" 2>&1 || true) &
python benchmarks/corrections.py --models classical,nano --frames 30 --size 240 --jobs "$jobs" \
    --minutes "$minutes" --rows "$out/rows.jsonl" --json "$out/corrections.json" > "$out/corrections.log" 2>&1
python benchmarks/key_frames.py --ways tracked,forward --every 5 --frames 21 --jobs "$jobs" \
    --json "$out/key_frames_tracked.json" > "$out/key_frames_tracked.log" 2>&1
wait
tail -n 3 "$out"/*.log
