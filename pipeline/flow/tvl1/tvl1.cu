// TV-L1 on a GPU: the arithmetic of sweep.py, median.py, warp.py and pyramid.py for a batch of frame pairs.
//
// A launch of `iterate` runs up to DEPTH iterations of a tile before it writes to global memory. A block processes a
// tile of TILE_W x TILE_H pixels. Each thread keeps u and q of a patch of PATCH_W x PATCH_H pixels in registers. `data`
// is in shared memory, and so are the edges of the patches, which are all that neighbouring threads exchange.
// At the edges of a tile that are not edges of the image, every iteration makes one more pixel invalid. Tiles therefore
// overlap by 2 DEPTH pixels, and each writes only its valid inner part.
//
// The file also compiles as C++ for the CPU, where a block is a loop over its threads. Between two SYNCs a thread must
// not read what another one writes; the tests run the loops forwards and backwards to verify this.

#ifdef __CUDACC_RTC__
#define KERNEL extern "C" __global__ void
#define DEVICE __device__ __forceinline__
#define SHARED extern __shared__ float4 pool[]
#define EACH(i, count) for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < (count); i += gridDim.x * blockDim.x)
#define THREADS_DO(t) for (int t = threadIdx.x, once = 1; once; once = 0)
#define OWN(name) float name[PATCH]
#define MY(name) name
#define SYNC __syncthreads()
#define BLOCK_X blockIdx.x
#define BLOCK_Y blockIdx.y
#define UNROLL _Pragma("unroll")
#define BOUNDS __launch_bounds__(THREADS, 1)
typedef float4 Pixel;
#else
#include <math.h>
#include <stddef.h>
struct Pixel { float x, y, z, w; };
extern "C" { int block_x, block_y; Pixel pool[1 << 14]; }
#define KERNEL extern "C" void
#define DEVICE static inline
#define SHARED
#ifdef BACKWARDS
#define EACH(i, count) for (int i = (count) - 1; i >= 0; i--)
#define THREADS_DO(t) for (int t = THREADS - 1; t >= 0; t--)
#else
#define EACH(i, count) for (int i = 0; i < (count); i++)
#define THREADS_DO(t) for (int t = 0; t < THREADS; t++)
#endif
#define OWN(name) static float name[THREADS][PATCH]
#define MY(name) name[t]
#define SYNC
#define BLOCK_X block_x
#define BLOCK_Y block_y
#define UNROLL
#define BOUNDS
#endif

#define PATCH_W 4
#define PATCH (PATCH_W * PATCH_H)
#define THREADS (THREADS_X * THREADS_Y)
#define TILE_W (THREADS_X * PATCH_W)
#define TILE_H (THREADS_Y * PATCH_H)

DEVICE int clamp(int value, int last) { return value < 0 ? 0 : value > last ? last : value; }
DEVICE float least(float a, float b) { return fminf(a, b); }
DEVICE float most(float a, float b) { return fmaxf(a, b); }

// ---- Kernels per frame: block_y is the frame (or the plane) ----

// uint8 (n) -> float (n)
KERNEL widen(const unsigned char* grey, float* out, int count) {
    const size_t base = (size_t)BLOCK_Y * count;
    EACH(i, count) out[base + i] = grey[base + i];
}

// Linear interpolation as in OpenCV: pixel x of the result is at (x + 0.5) scale - 0.5; the border is replicated.
DEVICE float linear(const float* from, int h, int w, double down, double across) {
    const int y = (int)floor(down), x = (int)floor(across);
    const float v = y < 0 || y >= h - 1 ? 0.f : (float)(down - y), u = x < 0 || x >= w - 1 ? 0.f : (float)(across - x);
    const float* upper = from + (size_t)clamp(y, h - 1) * w;
    const float* lower = from + (size_t)clamp(y + 1, h - 1) * w;
    const int left = clamp(x, w - 1), right = clamp(x + 1, w - 1);
    return (upper[left] * (1 - u) + upper[right] * u) * (1 - v) + (lower[left] * (1 - u) + lower[right] * u) * v;
}

// Resizes a plane and multiplies it by `factor`.
KERNEL resize(const float* from, float* to, int h, int w, int new_h, int new_w, double scale_y, double scale_x, float factor) {
    const float* source = from + (size_t)BLOCK_Y * h * w;
    float* target = to + (size_t)BLOCK_Y * new_h * new_w;
    EACH(i, new_h * new_w) {
        const double down = (i / new_w + 0.5) * scale_y - 0.5, across = (i % new_w + 0.5) * scale_x - 0.5;
        target[i] = linear(source, h, w, down, across) * factor;
    }
}

// Grey values and their central differences, interleaved as (I, Ix, Iy, 0).
KERNEL differences(const float* grey, Pixel* out, int h, int w) {
    const float* source = grey + (size_t)BLOCK_Y * h * w;
    Pixel* target = out + (size_t)BLOCK_Y * h * w;
    EACH(i, h * w) {
        const int y = i / w, x = i % w;
        Pixel pixel;
        pixel.x = source[i];
        pixel.y = 0.5f * (source[y * w + clamp(x + 1, w - 1)] - source[y * w + clamp(x - 1, w - 1)]);
        pixel.z = 0.5f * (source[clamp(y + 1, h - 1) * w + x] - source[clamp(y - 1, h - 1) * w + x]);
        pixel.w = 0.f;
        target[i] = pixel;
    }
}

// ---- Kernels per pair: block_y is an entry of `list`: pair, buffer of u, buffer of q, iterations ----
// u: 2 buffers x pairs x 2 planes; q: 2 buffers x pairs x 4 planes; data: pairs, (Ix, Iy, rho_c, -1/|grad|^2) per pixel

DEVICE const float* component(const float* planes, int buffer, int pairs, int pair, int count, size_t area) {
    return planes + ((size_t)buffer * pairs + pair) * count * area;
}

DEVICE void cubic(float t, float* weight) {  // weights of Keys with a = -0.75, for the taps at -1, 0, 1, 2
    const float a = -0.75f;
    weight[0] = t * (a + t * (-2 * a + t * a));
    weight[1] = 1 + t * t * (-a - 3 + t * (a + 2));
    weight[2] = t * (-a + t * (2 * a + 3 + t * (-a - 2)));
    weight[3] = t * t * (a - t * a);
}

// Samples the second image and its gradient at the positions that u points to, and linearises.
KERNEL warp(const float* grey, const Pixel* pixels, const float* u_all, Pixel* data, const int* list, int pairs, int h, int w) {
    const int pair = list[4 * BLOCK_Y];
    const size_t area = (size_t)h * w;
    const float* u1 = component(u_all, list[4 * BLOCK_Y + 1], pairs, pair, 2, area);
    const float* u2 = u1 + area;
    const float* first = grey + pair * area;
    const Pixel* second = pixels + (pair + 1) * area;
    EACH(i, h * w) {
        const float x = fminf(fmaxf(i % w + u1[i], -3.f), w + 1.f), y = fminf(fmaxf(i / w + u2[i], -3.f), h + 1.f);
        const int column = (int)floorf(x), row = (int)floorf(y);
        float across[4], down[4], value = 0.f, ix = 0.f, iy = 0.f;
        cubic(x - column, across);
        cubic(y - row, down);
        UNROLL for (int j = 0; j < 4; j++) {
            const int line = row - 1 + j;
            if (line < 0 || line >= h) continue;  // the image is zero beyond its border
            UNROLL for (int k = 0; k < 4; k++) {
                const int tap = column - 1 + k;
                if (tap < 0 || tap >= w) continue;
                const float weight = down[j] * across[k];
                const Pixel pixel = second[(size_t)line * w + tap];
                value += weight * pixel.x;
                ix += weight * pixel.y;
                iy += weight * pixel.z;
            }
        }
        Pixel out;
        out.x = ix;
        out.y = iy;
        out.z = value - ix * u1[i] - iy * u2[i] - first[i];
        out.w = -1.f / fmaxf(ix * ix + iy * iy, 1e-30f);
        data[pair * area + i] = out;
    }
}

DEVICE void exchange(float& a, float& b) {
    const float smaller = least(a, b);
    b = most(a, b);
    a = smaller;
}

DEVICE void sort5(float& a, float& b, float& c, float& d, float& e) {
    exchange(a, b), exchange(d, e), exchange(c, e), exchange(c, d), exchange(b, e);
    exchange(a, d), exchange(a, c), exchange(b, d), exchange(b, c);
}

DEVICE void sort3(float& a, float& b, float& c) { exchange(a, b), exchange(b, c), exchange(a, b); }

DEVICE float middle3(float a, float b, float c) { return most(least(a, b), least(most(a, b), c)); }

DEVICE float middle_of_9(float v[3][3]) {  // v[row][column]
    UNROLL for (int x = 0; x < 3; x++) sort3(v[0][x], v[1][x], v[2][x]);
    return middle3(most(most(v[0][0], v[0][1]), v[0][2]), middle3(v[1][0], v[1][1], v[1][2]),
                   least(least(v[2][0], v[2][1]), v[2][2]));
}

DEVICE float middle_of_25(float v[5][5]) {  // see median.py
    UNROLL for (int x = 0; x < 5; x++) sort5(v[0][x], v[1][x], v[2][x], v[3][x], v[4][x]);
    UNROLL for (int y = 0; y < 5; y++) sort5(v[y][0], v[y][1], v[y][2], v[y][3], v[y][4]);
    const float low = most(most(v[0][3], v[1][2]), most(v[2][1], v[3][0]));
    const float high = least(least(v[1][4], v[2][3]), least(v[3][2], v[4][1]));
    sort5(v[0][4], v[1][3], v[2][2], v[3][1], v[4][0]);
    return middle3(low, v[2][2], high);
}

// Median filter, from the current buffer of u to the other one.
KERNEL median(float* u_all, const int* list, int pairs, int h, int w, int side) {
    const size_t area = (size_t)h * w;
    const int pair = list[4 * BLOCK_Y], buffer = list[4 * BLOCK_Y + 1];
    const float* from = component(u_all, buffer, pairs, pair, 2, area);
    float* to = (float*)component(u_all, 1 - buffer, pairs, pair, 2, area);
    EACH(i, 2 * h * w) {
        const float* plane = i < h * w ? from : from + area;
        const int at = i < h * w ? i : i - h * w, y = at / w, x = at % w;
        if (side == 5) {
            float v[5][5];
            UNROLL for (int j = 0; j < 5; j++) UNROLL for (int k = 0; k < 5; k++)
                v[j][k] = plane[clamp(y + j - 2, h - 1) * w + clamp(x + k - 2, w - 1)];
            to[i] = middle_of_25(v);
        } else {
            float v[3][3];
            UNROLL for (int j = 0; j < 3; j++) UNROLL for (int k = 0; k < 3; k++)
                v[j][k] = plane[clamp(y + j - 1, h - 1) * w + clamp(x + k - 1, w - 1)];
            to[i] = middle_of_9(v);
        }
    }
}

// Copies the current buffer of u of every entry to contiguous planes, (pairs, 2, h, w).
KERNEL collect(const float* u_all, float* out, const int* list, int pairs, int h, int w) {
    const int pair = list[4 * BLOCK_Y], count = 2 * h * w;
    const float* from = component(u_all, list[4 * BLOCK_Y + 1], pairs, pair, 2, (size_t)h * w);
    EACH(i, count) out[(size_t)pair * count + i] = from[i];
}

// q = (q + grad u) / (1 + t |grad u|)
DEVICE void dual(float& qx, float& qy, float ux, float uy, float t) {
    const float shrink = 1.f / (1.f + t * sqrtf(ux * ux + uy * uy));
    qx = (qx + ux) * shrink;
    qy = (qy + uy) * shrink;
}

// Up to DEPTH iterations of one tile (block_x) of one entry (block_y), from the current buffers to the other ones.
// changes (entries, tiles, DEPTH): sums of squared changes over the pixels that the tile writes.
KERNEL BOUNDS iterate(float* u_all, float* q_all, const Pixel* data_all, float* changes, const int* list, int pairs,
                      int h, int w, int tiles_x, int tiles_y, float limit, float tau, float t_dual) {
    SHARED;
    Pixel* data = pool;                                // [PATCH][THREADS]
    float* left_u = (float*)(data + PATCH * THREADS);  // [2][PATCH_H][THREADS]: u of the left column of every patch
    float* right_q = left_u + 2 * PATCH_H * THREADS;   // [2][PATCH_H][THREADS]: q11, q21 of the right column
    float* top_u = right_q + 2 * PATCH_H * THREADS;    // [2][PATCH_W][THREADS]: u of the top row
    float* bottom_q = top_u + 2 * PATCH_W * THREADS;   // [2][PATCH_W][THREADS]: q12, q22 of the bottom row
    float* sums = bottom_q + 2 * PATCH_W * THREADS;    // [DEPTH][THREADS]
    OWN(u1); OWN(u2); OWN(q11); OWN(q12); OWN(q21); OWN(q22);

    const int pair = list[4 * BLOCK_Y], u_from = list[4 * BLOCK_Y + 1], q_from = list[4 * BLOCK_Y + 2];
    const int count = list[4 * BLOCK_Y + 3];
    const int tile_x = BLOCK_X % tiles_x, tile_y = BLOCK_X / tiles_x;
    const int x0 = tile_x * (TILE_W - 2 * DEPTH), y0 = tile_y * (TILE_H - 2 * DEPTH);
    const int from_x = tile_x ? x0 + DEPTH : 0, to_x = tile_x + 1 < tiles_x ? x0 + TILE_W - DEPTH : w;
    const int from_y = tile_y ? y0 + DEPTH : 0, to_y = tile_y + 1 < tiles_y ? y0 + TILE_H - DEPTH : h;
    const size_t area = (size_t)h * w;
    const float* u_old = component(u_all, u_from, pairs, pair, 2, area);
    const float* q_old = component(q_all, q_from, pairs, pair, 4, area);
    const Pixel* constants = data_all + pair * area;
    const Pixel nothing = {0.f, 0.f, 0.f, 0.f};

    THREADS_DO(t) {  // read the tile; pixels beyond the image are zero and stay zero
        const int column = t % THREADS_X * PATCH_W, row = t / THREADS_X * PATCH_H;
        UNROLL for (int j = 0; j < PATCH_H; j++) UNROLL for (int k = 0; k < PATCH_W; k++) {
            const int p = j * PATCH_W + k, x = x0 + column + k, y = y0 + row + j;
            const bool inside = x < w && y < h;
            const size_t at = inside ? (size_t)y * w + x : 0;
            MY(u1)[p] = inside ? u_old[at] : 0.f;
            MY(u2)[p] = inside ? u_old[area + at] : 0.f;
            MY(q11)[p] = inside ? q_old[at] : 0.f;
            MY(q12)[p] = inside ? q_old[area + at] : 0.f;
            MY(q21)[p] = inside ? q_old[2 * area + at] : 0.f;
            MY(q22)[p] = inside ? q_old[3 * area + at] : 0.f;
            data[p * THREADS + t] = inside ? constants[at] : nothing;
            if (k == PATCH_W - 1) right_q[j * THREADS + t] = MY(q11)[p], right_q[(PATCH_H + j) * THREADS + t] = MY(q21)[p];
            if (j == PATCH_H - 1) bottom_q[k * THREADS + t] = MY(q12)[p], bottom_q[(PATCH_W + k) * THREADS + t] = MY(q22)[p];
        }
    }
    SYNC;

    for (int n = 0; n < count; n++) {
        THREADS_DO(t) {  // the primal step: u from q at this pixel, to the left and above
            const int patch_x = t % THREADS_X, patch_y = t / THREADS_X;
            const int column = patch_x * PATCH_W, row = patch_y * PATCH_H;
            float change = 0.f;
            UNROLL for (int j = 0; j < PATCH_H; j++) {
                float left1 = patch_x ? right_q[j * THREADS + t - 1] : 0.f;
                float left2 = patch_x ? right_q[(PATCH_H + j) * THREADS + t - 1] : 0.f;
                const bool row_counts = y0 + row + j >= from_y && y0 + row + j < to_y;
                UNROLL for (int k = 0; k < PATCH_W; k++) {
                    const int p = j * PATCH_W + k;
                    const Pixel here = data[p * THREADS + t];
                    const float rho = here.z + here.x * MY(u1)[p] + here.y * MY(u2)[p];
                    const float f = fminf(fmaxf(rho * here.w, -limit), limit);
                    float above1 = 0.f, above2 = 0.f;
                    if (j)
                        above1 = MY(q12)[j ? p - PATCH_W : p], above2 = MY(q22)[j ? p - PATCH_W : p];
                    else if (patch_y)
                        above1 = bottom_q[k * THREADS + t - THREADS_X], above2 = bottom_q[(PATCH_W + k) * THREADS + t - THREADS_X];
                    const float step1 = f * here.x + tau * ((MY(q11)[p] - left1) + (MY(q12)[p] - above1));
                    const float step2 = f * here.y + tau * ((MY(q21)[p] - left2) + (MY(q22)[p] - above2));
                    MY(u1)[p] += step1;
                    MY(u2)[p] += step2;
                    const int x = x0 + column + k;
                    if (row_counts && x >= from_x && x < to_x) change += step1 * step1 + step2 * step2;
                    left1 = MY(q11)[p];
                    left2 = MY(q21)[p];
                    if (k == 0) left_u[j * THREADS + t] = MY(u1)[p], left_u[(PATCH_H + j) * THREADS + t] = MY(u2)[p];
                    if (j == 0) top_u[k * THREADS + t] = MY(u1)[p], top_u[(PATCH_W + k) * THREADS + t] = MY(u2)[p];
                }
            }
            sums[n * THREADS + t] = change;
        }
        SYNC;
        THREADS_DO(t) {  // the dual step: q from u at this pixel, to the right and below
            const int patch_x = t % THREADS_X, patch_y = t / THREADS_X;
            UNROLL for (int j = 0; j < PATCH_H; j++) {
                const float falls = y0 + patch_y * PATCH_H + j + 1 < h;  // 0 in the last row of the image, else 1
                UNROLL for (int k = 0; k < PATCH_W; k++) {
                    const int p = j * PATCH_W + k;
                    const float rises = x0 + patch_x * PATCH_W + k + 1 < w;
                    const bool last_k = k + 1 == PATCH_W, last_j = j + 1 == PATCH_H;
                    float right1 = MY(u1)[last_k ? p : p + 1], right2 = MY(u2)[last_k ? p : p + 1];
                    float below1 = MY(u1)[last_j ? p : p + PATCH_W], below2 = MY(u2)[last_j ? p : p + PATCH_W];
                    if (last_k && patch_x + 1 < THREADS_X)
                        right1 = left_u[j * THREADS + t + 1], right2 = left_u[(PATCH_H + j) * THREADS + t + 1];
                    if (last_j && patch_y + 1 < THREADS_Y)
                        below1 = top_u[k * THREADS + t + THREADS_X], below2 = top_u[(PATCH_W + k) * THREADS + t + THREADS_X];
                    dual(MY(q11)[p], MY(q12)[p], (right1 - MY(u1)[p]) * rises, (below1 - MY(u1)[p]) * falls, t_dual);
                    dual(MY(q21)[p], MY(q22)[p], (right2 - MY(u2)[p]) * rises, (below2 - MY(u2)[p]) * falls, t_dual);
                    if (last_k) right_q[j * THREADS + t] = MY(q11)[p], right_q[(PATCH_H + j) * THREADS + t] = MY(q21)[p];
                    if (last_j) bottom_q[k * THREADS + t] = MY(q12)[p], bottom_q[(PATCH_W + k) * THREADS + t] = MY(q22)[p];
                }
            }
        }
        SYNC;
    }

    float* u_new = (float*)component(u_all, 1 - u_from, pairs, pair, 2, area);
    float* q_new = (float*)component(q_all, 1 - q_from, pairs, pair, 4, area);
    THREADS_DO(t) {  // write the valid inner part
        const int column = t % THREADS_X * PATCH_W, row = t / THREADS_X * PATCH_H;
        UNROLL for (int j = 0; j < PATCH_H; j++) UNROLL for (int k = 0; k < PATCH_W; k++) {
            const int p = j * PATCH_W + k, x = x0 + column + k, y = y0 + row + j;
            if (x < from_x || x >= to_x || y < from_y || y >= to_y) continue;
            const size_t at = (size_t)y * w + x;
            u_new[at] = MY(u1)[p];
            u_new[area + at] = MY(u2)[p];
            q_new[at] = MY(q11)[p];
            q_new[area + at] = MY(q12)[p];
            q_new[2 * area + at] = MY(q21)[p];
            q_new[3 * area + at] = MY(q22)[p];
        }
    }
    // Sum the changes, always in the same order: by THREADS / DEPTH threads per iteration, then by one thread.
    const int share = THREADS / DEPTH;
    float* partial = left_u;  // not used any more, so its memory can be reused
    THREADS_DO(t) {
        float sum = 0.f;
        if (t / share < count)
            for (int i = 0; i < DEPTH; i++) sum += sums[t / share * THREADS + t % share * DEPTH + i];
        partial[t] = sum;
    }
    SYNC;
    THREADS_DO(t) if (t < DEPTH) {
        float sum = 0.f;
        for (int i = 0; i < share; i++) sum += partial[t * share + i];
        changes[((size_t)BLOCK_Y * tiles_x * tiles_y + BLOCK_X) * DEPTH + t] = sum;
    }
}
