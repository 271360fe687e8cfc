"""Exact 5x5 and 3x3 median filters with replicated borders, 16 pixels at a time, by sorting networks."""

from pipeline.flow.tvl1.compile import inline, kernel
from pipeline.flow.tvl1.vector import LANES, load, maximum, minimum, store


@kernel
def median(plane, out, columns, size, side):
    """Write the side x side median of the flat `plane` to `out`; `columns` (5, stride + 2 LANES) is scratch.

    Each column is sorted once per row of the image, for all windows that contain it.
    """
    h, w, stride = size
    for y in range(h):
        if side == 5:
            sort_columns5(plane, columns, y, h, w, stride)
        else:
            sort_columns3(plane, columns, y, h, w, stride)
        for k in range(side):  # replicate the border: two columns on each side
            line = columns[k]
            line[LANES - 2] = line[LANES - 1] = line[LANES]
            line[LANES + w] = line[LANES + w + 1] = line[LANES + w - 1]
        for x in range(0, w, LANES):
            result = median_of_25(columns, x + LANES) if side == 5 else median_of_9(columns, x + LANES)
            store(out, y * stride + x, result)


@inline
def sort_columns5(plane, columns, y, h, w, stride):
    """Write the sorted columns (y-2 .. y+2, x) to `columns`, smallest first."""
    r0, r1, r2 = max(y - 2, 0) * stride, max(y - 1, 0) * stride, y * stride
    r3, r4 = min(y + 1, h - 1) * stride, min(y + 2, h - 1) * stride
    for x in range(0, w, LANES):
        a, b, c = load(plane, r0 + x), load(plane, r1 + x), load(plane, r2 + x)
        a, b, c, d, e = sort5(a, b, c, load(plane, r3 + x), load(plane, r4 + x))
        store(columns[0], x + LANES, a)
        store(columns[1], x + LANES, b)
        store(columns[2], x + LANES, c)
        store(columns[3], x + LANES, d)
        store(columns[4], x + LANES, e)


@inline
def sort_columns3(plane, columns, y, h, w, stride):
    """Write the sorted columns (y-1 .. y+1, x) to `columns`, smallest first."""
    for x in range(0, w, LANES):
        a, b = load(plane, max(y - 1, 0) * stride + x), load(plane, y * stride + x)
        a, b, c = sort3(a, b, load(plane, min(y + 1, h - 1) * stride + x))
        store(columns[0], x + LANES, a)
        store(columns[1], x + LANES, b)
        store(columns[2], x + LANES, c)


@inline
def median_of_25(columns, x):
    """The median of the 5x5 window around x, from its five sorted columns.

    Sorting the rows of a matrix with sorted columns keeps the columns sorted. In such a 5x5 matrix only 13 elements can
    have rank 13. They are on three diagonals: `low` (4 elements), `mid` (5) and `high` (4). The elements of `mid` are
    at least their neighbours in `low` and at most their neighbours in `high`, so the median of all is the median of
    max(low), median(mid) and min(high).
    """
    _, _, _, a3, a4 = sort5(*load_window_row(columns[0], x))
    _, _, b2, b3, b4 = sort5(*load_window_row(columns[1], x))
    _, c1, c2, c3, _ = sort5(*load_window_row(columns[2], x))
    d0, d1, d2, _, _ = sort5(*load_window_row(columns[3], x))
    e0, e1, _, _, _ = sort5(*load_window_row(columns[4], x))
    low = maximum(maximum(a3, b2), maximum(c1, d0))
    high = minimum(minimum(b4, c3), minimum(d2, e1))
    _, _, mid, _, _ = sort5(a4, b3, c2, d1, e0)
    return maximum(minimum(low, mid), minimum(maximum(low, mid), high))


@inline
def median_of_9(columns, x):
    """The median of the 3x3 window around x, from its three sorted columns."""
    low = maximum(maximum(load(columns[0], x - 1), load(columns[0], x)), load(columns[0], x + 1))
    _, mid, _ = sort3(load(columns[1], x - 1), load(columns[1], x), load(columns[1], x + 1))
    high = minimum(minimum(load(columns[2], x - 1), load(columns[2], x)), load(columns[2], x + 1))
    return maximum(minimum(low, mid), minimum(maximum(low, mid), high))


@inline
def load_window_row(line, x):
    return load(line, x - 2), load(line, x - 1), load(line, x), load(line, x + 1), load(line, x + 2)


@inline
def sort3(a, b, c):
    a, b = minimum(a, b), maximum(a, b)
    b, c = minimum(b, c), maximum(b, c)
    return minimum(a, b), maximum(a, b), c


@inline
def sort5(a, b, c, d, e):
    """A sorting network of nine exchanges; LLVM removes those whose results are not used."""
    a, b = minimum(a, b), maximum(a, b)
    d, e = minimum(d, e), maximum(d, e)
    c, e = minimum(c, e), maximum(c, e)
    c, d = minimum(c, d), maximum(c, d)
    b, e = minimum(b, e), maximum(b, e)
    a, d = minimum(a, d), maximum(a, d)
    a, c = minimum(a, c), maximum(a, c)
    b, d = minimum(b, d), maximum(b, d)
    b, c = minimum(b, c), maximum(b, c)
    return a, b, c, d, e
