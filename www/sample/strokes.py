# SPDX-License-Identifier: MIT
"""Digits as pen strokes: shapes, distortions, framing and rasterisation.

A shape is a list of strokes, a stroke an array of points [n][2] (x right, y down), in a box
of about 1 x 1. Each digit has several ways of being written; `HELD_OUT` holds ways that are
drawn for evaluation only. `frame` and `rasterise` are what the demo page does as well
(www/demo/raster.js): change both or neither.
"""

import dataclasses

import numpy as np

SIDE = 28           # pixels of the picture, each way
FIT = 20.0          # pixels of the longer side of the framed digit (between pen centres)
PEN_RADIUS = 1.25   # pixels, half the width of the line


# --- curves ----------------------------------------------------------------------------

def line(*points):
    """A polyline with its corners."""
    return np.array(points, float)


def arc(cx, cy, rx, ry, start, end, n=None):
    """Part of an ellipse, degrees clockwise from 3 o'clock."""
    n = n or max(4, int(abs(end - start) / 18))
    t = np.radians(np.linspace(start, end, n))
    return np.stack([cx + rx * np.cos(t), cy + ry * np.sin(t)], 1)


def smooth(points, per=6):
    """A Catmull-Rom curve through the points."""
    p = np.asarray(points, float)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0, 1, per, endpoint=False)[:, None, None]
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    q = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t ** 2
               + (3 * b - a - 3 * c + d) * t ** 3)
    return np.concatenate([q.transpose(1, 0, 2).reshape(-1, 2), p[-2:-1]])


def join(*parts):
    return np.concatenate(parts)


# --- the ways of writing each digit ----------------------------------------------------
# Each takes a function u(low, high) that gives random numbers, and returns strokes.

def zero_left(u):
    gap = u(-25, 30)
    return [arc(.5, .5, u(.26, .40), .5, -100 + u(-25, 25), -460 + gap)]


def zero_right(u):
    return [arc(.5, .5, u(.26, .40), .5, -80 + u(-30, 20), 280 + u(-25, 30))]


def zero_egg(u):
    p = arc(.5, .5, u(.26, .38), .5, -95 + u(-20, 20), -455 + u(-20, 20), 28)
    p[:, 0] += u(-.16, .16) * (p[:, 0] - .5) * (p[:, 1] - .5) * 4 + u(-.1, .1) * (p[:, 1] - .5)
    return [p]


def zero_box(u):
    p = arc(0, 0, 1, 1, 180, 540 + u(-10, 10), 40)
    p = np.sign(p) * np.abs(p) ** .65
    return [.5 + p * (u(.26, .38), .5)]


def one_bar(u):
    lean = u(-.06, .12)
    return [line((.5 + lean, 0), (.5 - lean, 1))]


def one_flag(u):
    return [line((.5 - u(.14, .34), u(.14, .36)), (.5, 0), (.5 + u(-.05, .05), 1))]


def one_foot(u):
    w = u(.16, .32)
    return [line((.5 - u(.14, .32), u(.14, .32)), (.5, 0), (.5, 1)),
            line((.5 - w, 1 + u(-.03, .03)), (.5 + w, 1 + u(-.03, .03)))]


def one_curved(u):
    return [join(smooth([(.3, u(.2, .34)), (.42, .14), (.52, 0)]), line((.5 + u(-.06, .04), 1)))]


def one_foot_only(u):
    w = u(.14, .3)
    return [line((.5 + u(-.03, .05), 0), (.5, 1)), line((.5 - w, 1), (.5 + w, 1))]


def one_two_pieces(u):
    return [line((.5, 0), (.5 + u(-.04, .04), 1)),
            line((.5 + u(-.02, .02), u(0, .04)), (.5 - u(.14, .28), u(.16, .34)))]


def two_plain(u):
    r = u(.26, .34)
    return [join(arc(.48, r + .0, r, r, 190 + u(-20, 30), 385 + u(-10, 15)),
                 line((.16 + u(-.06, .06), 1), (.84 + u(-.08, .1), 1 + u(-.05, .04))))]


def two_loop(u):
    return [smooth([(.18, u(.16, .32)), (.34, .03), (.6, 0), (.78, .18), (.72, .42), (.46, .72),
                    (.2, .94), (.1, .86), (.22, u(.76, .82)), (.46, .92), (.68, 1),
                    (.92, u(.88, .98))])]


def two_angular(u):
    return [line((.14, u(.06, .2)), (.4, 0), (.74, .08), (.78, .32), (.14, 1),
                 (.86, 1 + u(-.05, .05)))]


def two_flat(u):
    return [join(smooth([(.14, u(.04, .14)), (.5, 0), (.8, .12), (.76, .38), (.44, .74),
                         (.12, 1)]), line((.84, 1 + u(-.06, .03))))]


def two_swan(u):
    return [smooth([(.2, u(.22, .34)), (.3, .04), (.6, 0), (.76, .2), (.64, .5), (.36, .8),
                    (.14, .98), (.34, u(.9, .96)), (.6, 1), (.86, u(.92, 1.02))])]


def two_round(u):
    r = .28
    return [join(arc(.5, r, r, r, 160, 400 + u(-10, 10)),
                 smooth([(.5, .7), (.2, .97), (.3, 1), (.9, 1 + u(-.02, .02))]))]


def three_arcs(u):
    a, b = u(.22, .26), u(.25, .29)
    return [join(arc(.45, a, u(.26, .36), a, -160 + u(-30, 25), 80 + u(-10, 10)),
                 arc(.45, 1 - b, u(.3, .4), b, -80 + u(-10, 10), 150 + u(-20, 35)))]


def three_flat(u):
    return [join(line((.16, u(-.02, .05)), (.76, 0), (.44 + u(-.06, .06), u(.34, .42))),
                 arc(.46, .69, u(.28, .36), .31, -70, 150 + u(-20, 30)))]


def three_loop(u):
    return [smooth([(.2, u(.1, .22)), (.45, 0), (.74, .14), (.66, .38), (.42, .47),
                    (.36 + u(-.04, .04), .5), (.44, .5), (.74, .6), (.8, .8), (.5, 1),
                    (.16, u(.8, .92))])]


def three_soft(u):
    return [smooth([(.2, u(.04, .16)), (.5, 0), (.76, .2), (.6, .44), (.5, .48), (.74, .6),
                    (.78, .82), (.48, 1), (.14, u(.84, .96))])]


def three_two_pieces(u):
    return [arc(.44, .24, u(.26, .34), .24, -150, 90 + u(-10, 10)),
            arc(.44, .74, u(.3, .38), .26, -90 + u(-10, 10), 145 + u(-15, 20))]


def three_angular(u):
    return [line((.18, 0), (.74, u(0, .08)), (.4, u(.38, .46)), (.76, .62), (.72, .88),
                 (.46, 1), (.14, u(.86, .96)))]


def four_open(u):
    x, y, cut = u(.6, .72), u(.54, .68), u(0, .18)
    return [line((.28 + u(-.1, .06), cut), (.12, y), (.9 + u(-.06, .06), y + u(-.05, .05))),
            line((x, u(0, .25)), (x + u(-.06, .06), 1))]


def four_closed(u):
    x, y = u(.58, .68), u(.6, .72)
    return [line((x, 0), (.08, y), (.92 + u(-.1, .06), y + u(-.04, .04))),
            line((x + u(-.03, .03), u(-.02, .06)), (x + u(-.05, .05), 1))]


def four_one_line(u):
    x, y = u(.58, .7), u(.56, .68)
    return [line((x + u(-.1, .02), 0), (.1, y), (.86, y + u(-.06, .02)), (x + .1, y - .02),
                 (x + .02, u(.3, .44)), (x - .02, 1))]


def four_long_stem(u):
    x, y = u(.5, .62), u(.5, .6)
    return [line((.2, u(.04, .16)), (.16, y), (.84, y + u(-.04, .04))),
            line((x + u(0, .1), u(.22, .4)), (x, 1))]


def four_short_bar(u):
    x, y = u(.66, .8), u(.48, .62)
    return [line((.26 + u(-.1, .04), u(0, .12)), (.16, y + u(-.03, .05)), (x, y + u(-.06, .03))),
            line((x + u(-.02, .05), u(0, .14)), (x - u(0, .1), 1))]


def four_u(u):
    x, y = u(.68, .78), u(.5, .6)
    return [join(smooth([(.22, u(0, .1)), (.16, .28), (.2, y - .06), (.4, y), (x, y - .06)])),
            line((x + .02, u(0, .1)), (x - u(0, .06), 1))]


def five_two_pieces(u):
    x, w = u(.2, .3), u(.3, .38)
    return [join(line((x, 0), (x - u(0, .06), u(.38, .46))),
                 arc(.46, .69, w, .31, -130 + u(-10, 20), 145 + u(-15, 25))),
            line((x, u(-.02, .04)), (.8 + u(-.1, .1), u(-.05, .05)))]


def five_one_line(u):
    x = u(.2, .3)
    return [join(line((.8 + u(-.06, .1), u(-.03, .05)), (x, 0), (x - u(.0, .06), u(.38, .46))),
                 arc(.46, .69, u(.3, .38), .31, -125 + u(-10, 20), 145 + u(-15, 25)))]


def five_snake(u):
    return [smooth([(.8, u(-.02, .06)), (.48, .02), (.28, .1), (.24, .34), (.4, .42), (.68, .5),
                    (.8, .72), (.62, .95), (.36, 1), (.12, u(.84, .94))])]


def five_angular(u):
    x = u(.2, .28)
    return [line((.8, 0), (x, u(0, .03)), (x - .03, .42), (.56, u(.36, .42)), (.8, .58),
                 (.78, .84), (.52, 1), (.14, u(.9, 1)))]


def five_detached(u):
    x = u(.18, .28)
    return [join(line((x, u(.04, .1)), (x - .02, .44)),
                 arc(.44, .7, u(.32, .38), .3, -120, 150 + u(-10, 20))),
            line((x + u(0, .1), -.02), (.84, u(-.06, .04)))]


def six_curl(u):
    r = u(.24, .3)
    return [join(smooth([(.72 + u(-.1, .1), u(0, .06)), (.4, .16), (.2, .45), (.17, .7)]),
                 arc(.48, 1 - r, .31, r, 180 + u(-10, 10), -180 + u(-40, 25)))]


def six_straight(u):
    r = u(.22, .28)
    return [join(line((u(.42, .68), 0), (.2, .62)),
                 arc(.48, 1 - r, .3, r, 170, -170 + u(-30, 20)))]


def six_spiral(u):
    return [smooth([(.74, u(.02, .1)), (.5, .03), (.26, .24), (.16, .56), (.24, .88), (.5, 1),
                    (.78, .86), (.8, .64), (.6, .5), (.36, .54), (.2, u(.68, .78))])]


def six_clockwise(u):
    r = u(.23, .28)
    return [join(smooth([(u(.5, .7), 0), (.3, .25), (.18, .55), (.17, 1 - r)]),
                 arc(.48, 1 - r, .31, r, 190, 520 + u(-20, 30)))]


def six_two_pieces(u):
    return [smooth([(.66, u(0, .05)), (.38, .2), (.2, .5), (.17, .74)]),
            arc(.48, .74, .31, .26, -170 + u(-20, 10), 180 + u(-10, 10))]


def six_from_loop(u):
    return [join(arc(.5, .73, .3, .27, u(190, 235), 535),
                 smooth([(.2, .6), (.34, .26), (.7, u(0, .06))]))]


def seven_plain(u):
    return [line((.12, u(-.03, .06)), (.84, 0), (.4 + u(-.12, .1), 1))]


def seven_curved(u):
    x = u(.3, .46)
    return [join(line((.12, u(-.03, .06)), (.8, 0)), smooth([(.82, .04), (.58, .42), (x, 1)]))]


def seven_crossed(u):
    y = u(.42, .56)
    return [line((.12, u(-.03, .06)), (.84, 0), (.38 + u(-.1, .1), 1)),
            line((.28 + u(-.06, .06), y), (.82 + u(-.1, .06), y + u(-.06, .06)))]


def seven_serif(u):
    return [join(line((.12, u(.12, .24)), (.15, .0)), smooth([(.2, .0), (.5, .04), (.84, 0)]),
                 line((.42 + u(-.1, .1), 1)))]


def seven_bent(u):
    x = u(.44, .56)
    return [line((.14, u(-.02, .04)), (.84, 0), (x + .06, u(.38, .5)), (x, 1))]


def seven_wave_crossed(u):
    y = u(.46, .56)
    return [join(smooth([(.12, u(.06, .14)), (.3, 0), (.55, .07), (.84, 0)]),
                 smooth([(.8, .06), (.56, .5), (.42, 1)])),
            line((.34, y), (.8, y + u(-.05, .03)))]


def eight(begin, extra, wide, u):
    """A figure of eight in one stroke from `begin` (of a turn, 0 is the top), crossing at 0.46."""
    t = 2 * np.pi * np.linspace(begin, begin + 1 + extra, 44)
    y = (1 - np.cos(t)) / 2
    half = np.where(y < .5, u(.19, .27), u(.25, .34)) * wide
    return np.stack([.5 - half * np.sin(2 * t), y - .16 * y * (1 - y)], 1)


def eight_figure(u):
    return [eight(u(-.1, .1), u(-.12, .1), 1, u)]


def eight_top(u):
    return [eight(u(.1, .22), u(-.05, .12), u(-1.4, -1), u)]


def eight_rings(u):
    a, b = u(.2, .25), u(.25, .3)
    return [arc(.5, a, u(.2, .3), a, -90 + u(-60, 60), 270 + u(-40, 30)),
            arc(.5, 1 - b, u(.26, .36), b, -90 + u(-30, 30), 270 + u(-20, 20))]


def eight_slanted(u):
    p = eight(u(.06, .2), u(-.1, .08), u(.8, 1), u)
    p[:, 0] -= u(.1, .3) * (p[:, 1] - .5)
    return [p]


def eight_middle(u):
    return [eight(.25 + u(-.02, .02), u(-.03, .03), u(.85, 1.1), u)]


def nine_stem(u):
    r = u(.23, .3)
    return [join(arc(.48, r, .3, r, -30 + u(-20, 20), -350 + u(-20, 25)),
                 line((.78 + u(-.04, .02), u(.06, .2)), (.74 + u(-.16, .08), 1)))]


def nine_curl(u):
    r = u(.23, .29)
    return [join(arc(.48, r, .3, r, -20 + u(-20, 20), -345 + u(-15, 20)),
                 smooth([(.79, .3), (.76, .65), (.58, .94), (.34, u(.94, 1.02))]))]


def nine_hook(u):
    r = u(.23, .28)
    return [join(arc(.48, r, .3, r, -20 + u(-20, 20), -350 + u(-10, 15)),
                 smooth([(.79, .3), (.79, .7), (.64, .97), (.38, 1), (.2, u(.84, .92))]))]


def nine_two_pieces(u):
    r, x = u(.22, .28), u(.76, .8)
    return [arc(.48, r, .3, r, -90 + u(-60, 60), -440 + u(-20, 20)),
            line((x, u(.0, .2)), (x + u(-.16, .04), 1))]


def nine_clockwise(u):
    r = u(.23, .28)
    return [join(arc(.48, r, .3, r, 30 + u(-15, 15), 375 + u(-10, 10)),
                 line((.76 + u(-.16, .04), 1)))]


def nine_from_stem(u):
    return [smooth([(.76, u(.2, .3)), (.6, .46), (.34, .48), (.18, .3), (.26, .08), (.52, 0),
                    (.74, .1), (.8, .34), (.74, .66), (.58, 1)])]


TRAIN = (
    (zero_left, zero_right, zero_egg),
    (one_bar, one_flag, one_foot, one_curved, one_foot_only),
    (two_plain, two_loop, two_angular, two_flat, two_swan),
    (three_arcs, three_flat, three_loop, three_soft, three_angular),
    (four_open, four_closed, four_one_line, four_long_stem, four_short_bar),
    (five_two_pieces, five_one_line, five_snake, five_angular),
    (six_curl, six_straight, six_spiral, six_clockwise, six_from_loop),
    (seven_plain, seven_curved, seven_crossed, seven_serif, seven_bent),
    (eight_figure, eight_top, eight_rings, eight_slanted),
    (nine_stem, nine_curl, nine_hook, nine_two_pieces, nine_from_stem),
)
HELD_OUT = ((zero_box,), (one_two_pieces,), (two_round,), (three_two_pieces,), (four_u,),
            (five_detached,), (six_two_pieces,), (seven_wave_crossed,), (eight_middle,),
            (nine_clockwise,))


# --- distortions -----------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Distortion:
    """How far a drawing may stray. Angles in degrees, the rest in digit heights or pixels."""
    turn: float        # rotation, +-
    slant: float       # shear, +-
    squeeze: float     # width factor between 1 - squeeze and 1 + squeeze
    bend: float        # size of the two slow waves that bend the whole drawing
    shake: float       # standard deviation of each point's own error
    pen: tuple         # half the line's width, pixels: low, high
    rounding: int      # up to so many passes that round the corners
    shift: float       # pixels off centre, +-
    fit: tuple         # pixels of the longer side: low, high


#                 turn slant squeeze bend shake pen       rounding shift fit
MILD = Distortion(16, .30, .30, .065, .010, (.65, 2.1), 2, 1.75, (16.5, 21.5))
HARD = Distortion(18, .33, .33, .072, .012, (.60, 2.25), 3, 2.00, (16, 22))
TIDY = Distortion(5, .12, .08, .030, .002, (1.25, 1.25), 1, 0, (20, 20))


def draw_strokes(rng, digit, shapes, how):
    """One drawing of the digit: a way of writing it, bent, slanted and turned."""
    shape = shapes[digit][rng.integers(len(shapes[digit]))](rng.uniform)
    turn = np.radians(rng.uniform(-how.turn, how.turn))
    slant = rng.uniform(-how.slant, how.slant)
    wide = rng.uniform(1 - how.squeeze, 1 + how.squeeze)
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = (np.array([[wide, -slant], [0, 1]]).T @ np.array([[cos, sin], [-sin, cos]]))
    size = rng.uniform(0, how.bend, (2, 2))
    rate, phase = rng.uniform(.5, 1.5, (2, 2)), rng.uniform(0, 2 * np.pi, (2, 2))
    out = []
    for stroke in shape:
        p = resample(stroke, 0.07) - .5
        wave = np.sin(2 * np.pi * rate[None] * p[:, None, :] + phase[None])  # n, 2 waves, xy
        p = p + (size[None] * wave).sum(1)[:, ::-1]
        p = p + rng.normal(0, how.shake, p.shape)
        for _ in range(rng.integers(how.rounding + 1)):
            p[1:-1] = p[:-2] / 4 + p[1:-1] / 2 + p[2:] / 4
        out.append(p @ matrix)
    return out


def resample(stroke, step):
    """Points at about equal distances, corners rounded by less than a step."""
    gaps = np.hypot(*np.diff(stroke, axis=0).T)
    along = np.concatenate([[0], np.cumsum(gaps)])
    at = np.linspace(0, along[-1], max(2, int(along[-1] / step) + 2))
    return np.stack([np.interp(at, along, stroke[:, k]) for k in (0, 1)], 1)


# --- framing and rasterising -----------------------------------------------------------

def frame(shape, fit=FIT, shift=(0, 0)):
    """Scale so that the longer side is `fit` pixels, and centre (plus shift) in the picture."""
    points = np.concatenate(shape)
    low, high = points.min(0), points.max(0)
    scale = fit / max((high - low).max(), 1e-3)
    move = SIDE / 2 + np.asarray(shift) - (low + high) / 2 * scale
    return [s * scale + move for s in shape]


def rasterise(shapes, radii):
    """Framed shapes -> float32 [N,28,28]: how much of each pixel the pen covers, 0..1.

    coverage = clamp(radius + 1/2 - distance from the pixel's centre to the line).
    """
    most = max(sum(len(s) - 1 for s in shape) for shape in shapes)
    a = np.full((len(shapes), most, 2), -99, np.float32)
    b = np.full((len(shapes), most, 2), -99, np.float32)
    for i, shape in enumerate(shapes):
        first = np.concatenate([s[:-1] for s in shape])
        a[i, :len(first)] = first
        b[i, :len(first)] = np.concatenate([s[1:] for s in shape])
    centre = np.arange(SIDE, dtype=np.float32) + np.float32(.5)
    px, py = centre[None, None, None, :], centre[None, None, :, None]
    ax, ay = a[..., 0, None, None], a[..., 1, None, None]
    dx, dy = (b - a)[..., 0, None, None], (b - a)[..., 1, None, None]
    length2 = np.maximum(dx * dx + dy * dy, np.float32(1e-9))
    t = np.clip(((px - ax) * dx + (py - ay) * dy) / length2, 0, 1)
    distance2 = (px - ax - t * dx) ** 2 + (py - ay - t * dy) ** 2
    nearest = np.sqrt(distance2.min(1))
    radii = np.asarray(radii, np.float32)[:, None, None]
    return np.clip(radii + np.float32(.5) - nearest, 0, 1).astype(np.float32)


def draw_set(rng, count, shapes, how):
    """`count` pictures [count,28,28] and their digits, all ten equally often."""
    digits = rng.permutation(np.arange(count) % 10)
    pictures = np.empty((count, SIDE, SIDE), np.float32)
    for at in range(0, count, 100):
        some, radii = [], []
        for digit in digits[at:at + 100]:
            shape = draw_strokes(rng, digit, shapes, how)
            shift = rng.uniform(-how.shift, how.shift, 2)
            some.append(frame(shape, rng.uniform(*how.fit), shift))
            radii.append(rng.uniform(*how.pen))
        pictures[at:at + 100] = rasterise(some, radii)
    return pictures, digits
