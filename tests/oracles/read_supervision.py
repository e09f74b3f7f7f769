"""supervision reads: ``yolo FOLDER``; ids are not kept, the class is."""

import sys
from pathlib import Path

import supervision as sv
from common import report

root = Path(sys.argv[1])
split = sys.argv[2]
data = sv.DetectionDataset.from_yolo(
    images_directory_path=str(root / "images" / split),
    annotations_directory_path=str(root / "labels" / split),
    data_yaml_path=str(root / "data.yaml"),
    force_masks=True,
)
masks = []
for path, _, found in data:
    for kind, mask in zip(found.class_id, found.mask if found.mask is not None else [], strict=True):
        masks.append((int(Path(path).stem.rsplit("_", 1)[-1]), 0, data.classes[int(kind)], mask))
report(masks)
