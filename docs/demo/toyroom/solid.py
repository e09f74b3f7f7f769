"""What a toy is to the renderer: a signed distance and a paint, in coordinates of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .vec import Vec, turned, turned_back

Colour = tuple[float, float, float]
Rows = tuple[tuple[float, ...], ...]


@dataclass
class Paint:
    """How N surface points take light; every tensor is (N,)."""

    albedo: Vec
    """Linear RGB in 0..1."""
    gloss: Tensor
    """Share of light mirrored head-on: 0.04 for lacquer, 0 for cloth."""
    roughness: Tensor
    """0 is a mirror, 1 is chalk."""
    metal: Tensor
    """1 where the mirror is coloured by the albedo and nothing is scattered."""

    @staticmethod
    def plain(like: Tensor, colour: Colour, gloss: float = 0.04, roughness: float = 0.3) -> Paint:
        return Paint(
            Vec.full(like, *colour),
            torch.full_like(like, gloss),
            torch.full_like(like, roughness),
            torch.zeros_like(like),
        )

    def brush(
        self,
        where: Tensor,
        colour: Colour | Vec,
        gloss: float = 0.04,
        roughness: float = 0.3,
        metal: float = 0.0,
    ) -> None:
        """Paint over, where the (N,) bool ``where`` says."""
        colours = colour if isinstance(colour, Vec) else Vec(*colour)
        for name in ("x", "y", "z"):
            value, old = getattr(colours, name), getattr(self.albedo, name)
            setattr(self.albedo, name, torch.where(where, value, old))
        self.gloss = self.gloss.masked_fill(where, gloss)
        self.roughness = self.roughness.masked_fill(where, roughness)
        self.metal = self.metal.masked_fill(where, metal)


class Solid:
    """A toy at one moment.

    ``rows`` turns world directions into the toy's own (its columns need not be of unit length: a
    squashed toy has a squashing matrix), ``centre`` is the toy's origin in the world, and the toy lies
    within ``radius`` of ``middle`` (own coordinates).
    """

    object_id = 0
    """Id in the masks, 0 for things that are not tracked."""
    radius = 1.0
    middle = (0.0, 0.0, 0.0)
    stride = 0.95
    """Share of the distance it is safe to go; below 1 where the distance is only nearly one."""

    def __init__(self, centre: tuple[float, float, float], rows: Rows) -> None:
        self.centre, self.rows = centre, rows
        matrix = np.array(rows)
        # An own-space distance d is a world distance of at least d / (greatest stretch).
        self.scale = float(1 / np.linalg.norm(matrix, 2))
        self.bound_centre = tuple(float(v) for v in np.linalg.solve(matrix, self.middle) + np.array(centre))
        self.bound_radius = float(self.radius / np.linalg.svd(matrix, compute_uv=False).min())

    def distance(self, p: Vec) -> Tensor:
        """(N,) signed distance at points in own coordinates."""
        raise NotImplementedError

    def paint(self, p: Vec, n: Vec) -> Paint:
        """Paint at surface points with unit normals, both in own coordinates."""
        raise NotImplementedError

    def to_own(self, p: Vec) -> Vec:
        """World points in own coordinates."""
        return turned(self.rows, Vec(p.x - self.centre[0], p.y - self.centre[1], p.z - self.centre[2]))

    def normal(self, p: Vec, reach: float = 6e-4) -> tuple[Vec, Vec]:
        """Unit outward normals at points in own coordinates: (in own coordinates, in the world)."""
        # Four corners of a tetrahedron give the gradient with four evaluations.
        total = Vec.full(p.x, 0.0, 0.0, 0.0)
        for sx, sy, sz in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
            at = self.distance(Vec(p.x + sx * reach, p.y + sy * reach, p.z + sz * reach))
            total = total + Vec(at * sx, at * sy, at * sz)
        return total.unit(), turned_back(self.rows, total).unit()


def heading(yaw: float, roll: float = 0.0, pitch: float = 0.0) -> Rows:
    """World to own for a toy whose own x axis points along ``yaw`` (radians, anticlockwise from above).

    ``roll`` leans it to its left about its x axis, ``pitch`` lifts its nose.
    """
    cy, sy, cr, sr, cp, sp = (
        np.cos(yaw),
        np.sin(yaw),
        np.cos(roll),
        np.sin(roll),
        np.cos(pitch),
        np.sin(pitch),
    )
    turn = np.array([[cy, sy, 0], [-sy, cy, 0], [0, 0, 1]])
    lift = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    lean = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    return as_rows(lean @ lift @ turn)


def as_rows(matrix: np.ndarray) -> Rows:
    return tuple(tuple(float(v) for v in row) for row in matrix)
