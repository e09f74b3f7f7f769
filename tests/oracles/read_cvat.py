"""The run lengths of CVAT's XML, decoded by cvat_sdk."""

import sys
from xml.etree import ElementTree

from common import report
from cvat_sdk.masks import decode_mask

root = ElementTree.parse(sys.argv[1]).getroot()
size = root.find(".//original_size")
width, height = int(size.findtext("width")), int(size.findtext("height"))
shapes = [
    (int(m.get("frame")), t.get("label"), m)
    for t in root.iter("track")
    for m in t.iter("mask")
    if m.get("outside") == "0"
]
shapes += [(int(i.get("id")), m.get("label"), m) for i in root.iter("image") for m in i.iter("mask")]
masks = []
for frame, label, m in shapes:
    left, top = int(m.get("left")), int(m.get("top"))
    right, bottom = left + int(m.get("width")) - 1, top + int(m.get("height")) - 1
    points = [*map(int, m.get("rle").split(",")), left, top, right, bottom]
    number = int(m.findtext("attribute"))
    masks.append((frame, number, label, decode_mask(points, image_width=width, image_height=height)))
report(masks)
