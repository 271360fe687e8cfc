"""One iteration of dual TV-L1 in one sweep over the image, 16 pixels at a time.

Zach, Pock and Bischof minimise alternately over the flow u = (u1, u2) and the dual fields p1, p2 (a 2-vector per pixel
each). With the linearised image residual rho(u) = rho_c + Ix u1 + Iy u2, one iteration is, for d = 1, 2:

    v_d  =  u_d + TH(u)_d        TH(u) = l (Ix, Iy)      where rho < -l |grad|^2,   l = lambda theta
                                        -l (Ix, Iy)      where rho >  l |grad|^2
                                        -rho (Ix, Iy) / |grad|^2             elsewhere           (thresholding step)
    u_d  =  v_d + theta div p_d                                                                  (primal)
    p_d  =  (p_d + t grad u_d) / (1 + t |grad u_d|),   t = tau / theta                           (dual)

**Fewer operations.** TH is one clamp: f = clip(-rho / |grad|^2, -l, l) and TH = f (Ix, Iy), where -1 / |grad|^2 is
constant during a warp. With q = p / t stored instead of p, theta div p = tau div q, and the dual step has one
multiplication less: q = (q + grad u) / (1 + t |grad u|).

**One sweep, in place.** div uses backward differences: u(y, x) needs q at (y, x), (y, x-1) and (y-1, x). grad uses
forward differences: q(y, x) needs the new u at (y, x), (y, x+1) and (y+1, x). Row y-1 of q can therefore be updated as
soon as row y of u is. The sweep updates both at the same columns, while row y of u is in registers, and loads row y-1
of q once for both. `update_first_row` handles row 0, which has no q above it, and `update_last_row` the last row, which
has no u below it.

**Layout.** A plane is flat: h + 1 rows of `stride` floats, a multiple of 16 larger than w. Column w of u repeats column
w - 1, so that the forward difference is zero at the border. The columns after it are undefined, and `mask` excludes
them from the sum of squared changes (OpenCV's stopping criterion).
"""

import numpy as np

from pipeline.flow.tvl1.compile import inline, kernel
from pipeline.flow.tvl1.vector import (
    LANES,
    load,
    maximum,
    minimum,
    reciprocal,
    shift_left,
    shift_right,
    splat,
    sqrt,
    store,
    sum_lanes,
)

ZERO, ONE = np.float32(0), np.float32(1)


@kernel
def sweep(u1, u2, q, data, mask, size, steps):
    """One iteration in place; returns the sum of the squared changes of u, in pixels^2.

    u1, u2: flat planes. q: the dual planes q11, q12, q21, q22. data: the planes Ix, Iy, rho_c and -1/|grad|^2. mask: 1
    for the columns of the image, else 0. size: (h, w, stride). steps: (l, tau, t) as above.
    """
    h, w, stride = size
    change = update_first_row(u1, u2, q, data, mask, size, steps)
    for y in range(1, h):
        change = change + update_row(u1, u2, q, data, mask, y * stride, w, stride, steps)
        u1[y * stride + w] = u1[y * stride + w - 1]
        u2[y * stride + w] = u2[y * stride + w - 1]
    update_last_row(u1, u2, q, (h - 1) * stride, w, steps)
    return sum_lanes(change)


@inline
def update_row(u1, u2, q, data, mask, row, w, stride, steps):
    """Update the row of u that starts at `row`, and the row of q above it."""
    q11, q12, q21, q22 = q
    tau, t = splat(steps[1]), splat(steps[2])
    change = left1 = left2 = splat(ZERO)
    above1, above2 = load(u1, row - stride), load(u2, row - stride)
    for here in range(row, row + w, LANES):
        up = here - stride
        old1, old2 = load(u1, here), load(u2, here)
        v1, v2 = threshold(old1, old2, data, here, steps)
        mid1, mid2, top1, top2 = load(q11, here), load(q21, here), load(q12, up), load(q22, up)
        new1 = v1 + tau * ((mid1 - shift_right(left1, mid1)) + (load(q12, here) - top1))
        new2 = v2 + tau * ((mid2 - shift_right(left2, mid2)) + (load(q22, here) - top2))
        left1, left2 = mid1, mid2
        store(u1, here, new1)
        store(u2, here, new2)
        change = change + load(mask, here - row) * squares(new1 - old1, new2 - old2)

        next1, next2 = load(u1, up + LANES), load(u2, up + LANES)
        update_dual(q11, q12, up, top1, shift_left(above1, next1) - above1, new1 - above1, t)
        update_dual(q21, q22, up, top2, shift_left(above2, next2) - above2, new2 - above2, t)
        above1, above2 = next1, next2
    return change


@inline
def threshold(old1, old2, data, here, steps):
    """The thresholding step: v from u."""
    ix, iy, rho_c, inverse = data
    dx, dy = load(ix, here), load(iy, here)
    rho = load(rho_c, here) + dx * old1 + dy * old2
    f = minimum(maximum(rho * load(inverse, here), splat(-steps[0])), splat(steps[0]))
    return old1 + f * dx, old2 + f * dy


@inline
def update_dual(qx, qy, at, old_y, ux, uy, t):
    """Update the dual vectors at `at` from the gradient (ux, uy) of one component of the flow."""
    shrink = reciprocal(splat(ONE) + t * sqrt(squares(ux, uy)))
    store(qx, at, (load(qx, at) + ux) * shrink)
    store(qy, at, (old_y + uy) * shrink)


@inline
def squares(a, b):
    return a * a + b * b


@inline
def update_first_row(u1, u2, q, data, mask, size, steps):
    """Update row 0 of u, above which there is no q."""
    q11, q12, q21, q22 = q
    tau = splat(steps[1])
    change = left1 = left2 = splat(ZERO)
    w = size[1]
    for x in range(0, w, LANES):
        old1, old2 = load(u1, x), load(u2, x)
        v1, v2 = threshold(old1, old2, data, x, steps)
        mid1, mid2 = load(q11, x), load(q21, x)
        new1 = v1 + tau * ((mid1 - shift_right(left1, mid1)) + load(q12, x))
        new2 = v2 + tau * ((mid2 - shift_right(left2, mid2)) + load(q22, x))
        left1, left2 = mid1, mid2
        store(u1, x, new1)
        store(u2, x, new2)
        change = change + load(mask, x) * squares(new1 - old1, new2 - old2)
    u1[w] = u1[w - 1]
    u2[w] = u2[w - 1]
    return change


@inline
def update_last_row(u1, u2, q, row, w, steps):
    """Update the last row of q, below which there is no u."""
    q11, q12, q21, q22 = q
    zero, t = splat(ZERO), splat(steps[2])
    for here in range(row, row + w, LANES):
        here1, here2 = load(u1, here), load(u2, here)
        right1, right2 = shift_left(here1, load(u1, here + LANES)), shift_left(here2, load(u2, here + LANES))
        update_dual(q11, q12, here, load(q12, here), right1 - here1, zero, t)
        update_dual(q21, q22, here, load(q22, here), right2 - here2, zero, t)
