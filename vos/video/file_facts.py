"""What is in a video file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from .container import NO_TIME, Packets, decode, is_cover, open_container, video_stream
from .facts import CountedBy, Probe
from .losses import describe_damaged
from .pixels import display_matrix, orientation_of
from .pyav_reader import PyAVReader

_HDR_TRANSFER = {16: "PQ", 18: "HLG"}
"""Transfer characteristics of ITU-T H.273."""
_LATE_START = 0.1
_FAR_KEYFRAMES = 600
"""Frames between keyframes from which reading backwards gets slow."""


def probe_file(text: str, path: Path, *, count: bool) -> Probe:
    """See :func:`vos.video.probe`."""
    reader = PyAVReader(path)
    packets = reader.packets
    image = next(decode(path))
    orientation = orientation_of(image)
    num_frames, counted_by, damage, damaged = _count(reader, count)
    shown = np.sort(packets.pts[(packets.pts != NO_TIME) & ~packets.is_hidden])
    with open_container(path) as container:
        stream = video_stream(container, path)
        components = image.format.components
        declared, lasting = _duration(container, stream), duration_of(packets, reader)
        contradicts = lasting is not None and (declared is None or disagree(declared, lasting))
        variable = None if reader.guesses_times else is_variable(shown)
        unusual = [
            *_unusual_image(image),
            *_unusual_stream(container, stream),
            *_unusual_times(reader, packets, shown, variable),
            *_jumps(packets, reader),
        ]
        if lasting is not None and declared is not None and contradicts:
            unusual.append(f"the header says {declared:.3f} s, but the frames last {lasting:.3f} s")
        unusual += [f"damaged: {loss}" for loss in (*reader.losses(), *damaged)]
        if damage:
            unusual.append(f"damaged after about {num_frames} frames: {damage}")
        elif stream.frames not in (0, num_frames) and not packets.is_hidden.any():
            unusual.append(f"the header says {stream.frames} frames, {num_frames} were found")
        return Probe(
            source=text,
            kind="file",
            width=reader.info.width,
            height=reader.info.height,
            stored_width=image.width,
            stored_height=image.height,
            rotation=orientation.degrees,
            mirrored=orientation.mirrored,
            num_frames=num_frames,
            counted_by=counted_by,
            fps=reader.info.fps,
            nominal_fps=float(stream.guessed_rate) if stream.guessed_rate else None,
            variable_rate=variable,
            duration=lasting if lasting is not None and contradicts else declared,
            start_time=reader.seconds(int(shown[0])) if len(shown) else None,
            container=container.format.name,
            codec=reader.codec_name,
            pixel_format=image.format.name,
            bit_depth=max(component.bits for component in components),
            b_frames=_reorders(packets),
            keyframes=int(packets.is_key.sum()),
            missing_timestamps=int((packets.pts == NO_TIME).sum()),
            streams=tuple(_describe(other) for other in container.streams),
            unusual=tuple(unusual),
        )


def is_variable(pts: NDArray[np.int64]) -> bool | None:
    """Whether the steps of ascending times differ by more than rounding to ticks explains."""
    steps = np.diff(pts)
    if len(steps) < 2:
        return None
    return bool(steps.max() - steps.min() > max(2, 0.01 * float(np.median(steps))))


def _count(reader: PyAVReader, decode_all: bool) -> tuple[int, CountedBy, str | None, list[str]]:
    """Number of frames, how it is known, what ends it too early, and what is said of damaged frames."""
    if decode_all:
        timeline = reader.decoded_timeline()
        damaged = [describe_damaged(timeline.damaged)] if timeline.damaged else []
        return len(timeline), "decoding", timeline.damage, damaged
    if reader.why_not_exact is None:
        return len(reader.timeline), "packets", reader.timeline.damage, []
    return int((~reader.packets.is_hidden).sum()), "estimate", reader.packets.damage, []


def segments_of(packets: Packets) -> list[NDArray[np.intp]]:
    """Packet numbers of each stretch in which times go on: joined recordings start over."""
    times = np.where(packets.dts != NO_TIME, packets.dts, packets.pts)
    known = np.flatnonzero(times != NO_TIME)
    # Packets come in order of decoding, so even where images are reordered these times only increase.
    if (packets.dts == NO_TIME).sum() <= 1:
        return np.split(known, np.flatnonzero(np.diff(times[known]) < 0) + 1)
    # Without times of decoding: a keyframe is shown after all that was stored before it.
    known = np.flatnonzero(packets.pts != NO_TIME)
    pts = packets.pts[known]
    goes_back = pts[1:] <= np.maximum.accumulate(pts)[:-1]
    return np.split(known, np.flatnonzero(packets.is_key[known][1:] & goes_back) + 1)


def duration_of(packets: Packets, reader: PyAVReader) -> float | None:
    """Seconds that the shown frames last by their own times, the last as long as usual; None if unknown."""
    if reader.guesses_times:
        return _counted_duration(packets, reader.info.fps)
    ticks = 0
    for segment in segments_of(packets):
        kept = segment[(packets.pts[segment] != NO_TIME) & ~packets.is_hidden[segment]]
        pts = np.unique(packets.pts[kept])
        if len(pts) < 2:
            return None
        ticks += int(pts[-1] - pts[0] + np.median(np.diff(pts)))
    return reader.seconds(ticks) if ticks else None


def _counted_duration(packets: Packets, fps: float | None) -> float | None:
    """Seconds of a file whose packets are numbered and have no times: frames that were left out count."""
    numbers = np.unique(packets.dts[packets.dts != NO_TIME])
    if fps is None or len(numbers) < 2:
        return None
    return float((numbers[-1] - numbers[0]) / np.median(np.diff(numbers)) + 1) / fps


def disagree(declared: float, lasting: float) -> bool:
    """Whether two durations differ by more than a tenth, and by more than a container's rounding."""
    return abs(declared - lasting) > max(0.1 * lasting, 0.1)


def _jumps(packets: Packets, reader: PyAVReader) -> Iterator[str]:
    """Where the times of the file go back."""
    segments = segments_of(packets)
    for before, after in itertools.pairwise(segments):
        last, first = packets.pts[before].max(), packets.pts[after].min()
        yield (
            f"times jump back after frame {before[-1]}, from {reader.seconds(int(last)):.3f} s to "
            f"{reader.seconds(int(first)):.3f} s, as in joined recordings; overlays go on after it"
        )


def _duration(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _reorders(packets: Packets) -> bool | None:
    """Whether presentation order is not the order in the file."""
    pts = packets.pts[packets.pts != NO_TIME]
    return bool((np.diff(pts) < 0).any()) if len(pts) else None


def _describe(stream: av.stream.Stream) -> str:
    name = getattr(stream.codec_context, "name", None) or "unknown"
    return f"{stream.index} {stream.type} {name}"


def _unusual_image(image: av.VideoFrame) -> Iterator[str]:
    orientation = orientation_of(image)
    if orientation.degrees:
        yield f"marked to be turned by {orientation.degrees} degrees; the turn is applied"
    if orientation.mirrored:
        yield "marked to be mirrored; it is applied"
    matrix = display_matrix(image)
    if matrix is not None and matrix[0, :2].all() and matrix[1, :2].all():
        yield "marked to be turned by an angle that is not a quarter turn; it is not applied"
    if image.interlaced_frame:
        yield "interlaced: both fields are in one frame, moving edges look combed"
    components = image.format.components
    bits = max(component.bits for component in components)
    if bits > 8:
        yield f"{bits} bits per value are reduced to 8"
    if any(component.is_alpha for component in components):
        yield "alpha is dropped, not blended"
    if len(components) == 1 and not image.format.has_palette:
        yield "grey is repeated in red, green and blue"
    transfer = _HDR_TRANSFER.get(getattr(image, "color_trc", 0))
    if transfer:
        yield f"high dynamic range ({transfer}): not tone-mapped, so frames look dull"


def _unusual_stream(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[str]:
    covers = [other for other in container.streams.video if is_cover(other)]
    others = [other for other in container.streams.video if other not in covers and other is not stream]
    if others:
        indices = ", ".join(str(other.index) for other in others)
        yield f"several video streams: stream {stream.index} is read, {indices} left out"
    if covers:
        yield "a cover image is left out"
    ratio = stream.sample_aspect_ratio
    if ratio and ratio != 1:
        yield f"pixels are not square ({ratio.numerator}:{ratio.denominator}); frames are read as stored"


def _unusual_times(
    reader: PyAVReader, packets: Packets, shown: NDArray[np.int64], variable: bool | None
) -> Iterator[str]:
    if variable:
        shortest, longest = (float(step) for step in np.percentile(np.diff(shown), (0, 100)))
        unit = (reader.seconds(1) or 0) * 1000
        yield f"variable frame rate: frames last {shortest * unit:.0f} to {longest * unit:.0f} ms"
    start = reader.seconds(int(shown[0])) if len(shown) else None
    if start is not None and abs(start) > _LATE_START:
        yield f"the first frame is shown at {start:.3f} s"
    if reader.guesses_times or not len(shown):
        yield "frames have no time"
    if reader.why_not_exact is not None:
        yield f"frames cannot be numbered without decoding: {reader.why_not_exact}"
    gaps = np.diff([*np.flatnonzero(packets.is_key), len(packets)])
    if len(gaps) and gaps.max() > _FAR_KEYFRAMES:
        yield f"keyframes are up to {gaps.max()} frames apart: starting late and reading backwards are slow"
