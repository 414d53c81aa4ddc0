// K of every row, turned by its position, and V go to the cache as f16, rounded to nearest even.
// rope_append turns Q and K in place too; append leaves them, for attention that turns Q itself.
//
// A pair (a, b) becomes (a cos - b sin, a sin + b cos). Pair `i` of `n_pairs` is the channels
// (2 i, 2 i + 1) if `adjacent`, else (i, i + n_pairs); channels from 2 n_pairs on pass through.
// One block of threads per 32 rows and head, V heads first, then K heads, then Q heads: a product
// wrote them in the other order, and what it wrote last is still in the cache. Values pass through
// shared memory, so that those of neighbouring positions are written together.

#include "chain.cuh"
#include "convert.cuh"
#include "kv_cache.cuh"
#include "reduce.cuh"
#include "rope.cuh"

static constexpr uint32_t THREADS = 128;
static constexpr uint32_t ROWS = 32;
// Times four pairs that a thread turns at once.
static constexpr uint32_t BATCH = 3;
// Channels of values that pass through shared memory at once.
static constexpr uint32_t CHANNELS = 128;
static_assert(ROWS == WARP, "a lane looks at one row");

struct Args {
    float* qkv;
    const float *cos_table, *sin_table;
    __half *keys, *values;
    const uint32_t *positions, *row_tables, *block_tables;
    uint32_t n_rows, n_heads, n_kv_heads, head_dim, n_pairs, adjacent;

    // First channel of a head of a row.
    __device__ __forceinline__ float* channels(uint32_t row, uint32_t head) const {
        return qkv + ((size_t)row * (n_heads + 2 * n_kv_heads) + head) * head_dim;
    }
    // Where a KV head of a row's cache block begins.
    __device__ __forceinline__ size_t cache_head(uint32_t row, uint32_t kv_head) const {
        const uint32_t* table = block_tables + row_tables[row];
        return head_index(table[positions[row] / BLOCK_POSITIONS], kv_head, n_kv_heads, head_dim);
    }
    __device__ __forceinline__ uint32_t slot(uint32_t row) const {
        return positions[row] % BLOCK_POSITIONS;
    }
    // Where a row's value of channel 0 goes.
    __device__ __forceinline__ __half* value(uint32_t row, uint32_t kv_head) const {
        return values + cache_head(row, kv_head) + slot(row);
    }
    __device__ __forceinline__ __half* key(uint32_t row, uint32_t kv_head) const {
        return keys + cache_head(row, kv_head) + slot(row) * head_dim;
    }
};

static __device__ __forceinline__ uint32_t halves(float low, float high) {
    return (uint32_t)__half_as_ushort(__float2half_rn(low)) |
           (uint32_t)__half_as_ushort(__float2half_rn(high)) << 16;
}

static __device__ __forceinline__ void store4(__half* to, float4 v) {
    *reinterpret_cast<uint2*>(to) = make_uint2(halves(v.x, v.y), halves(v.z, v.w));
}

// Four pairs (i, i + n_pairs) from `pair` on; `key`, if not null, is the row's key in the cache.
struct Turn4 {
    float4 *first, *second;
    __half* key;
    float4 a, b, c, s;

    __device__ __forceinline__ void load(const Args& args, float* channels, __half* to,
                                         uint32_t position, uint32_t pair) {
        const size_t angle = (size_t)position * args.n_pairs + pair;
        first = reinterpret_cast<float4*>(channels + pair);
        second = reinterpret_cast<float4*>(channels + pair + args.n_pairs);
        key = to ? to + pair : nullptr;
        a = *first, b = *second;
        c = *reinterpret_cast<const float4*>(args.cos_table + angle);
        s = *reinterpret_cast<const float4*>(args.sin_table + angle);
    }

    template <bool IN_PLACE>
    __device__ __forceinline__ void store(const Args& args) const {
        const float4 x =
            make_float4(turned_first(a.x, b.x, c.x, s.x), turned_first(a.y, b.y, c.y, s.y),
                        turned_first(a.z, b.z, c.z, s.z), turned_first(a.w, b.w, c.w, s.w));
        const float4 y =
            make_float4(turned_second(a.x, b.x, c.x, s.x), turned_second(a.y, b.y, c.y, s.y),
                        turned_second(a.z, b.z, c.z, s.z), turned_second(a.w, b.w, c.w, s.w));
        if (IN_PLACE) {
            *first = x;
            *second = y;
        }
        if (key) {
            store4(key, x);
            store4(key + args.n_pairs, y);
        }
    }
};

// One pair of any kind.
template <bool IN_PLACE>
static __device__ __forceinline__ void turn(const Args& args, float* channels, __half* key,
                                            uint32_t position, uint32_t pair) {
    const uint32_t first = args.adjacent ? 2 * pair : pair;
    const uint32_t second = args.adjacent ? first + 1 : first + args.n_pairs;
    const size_t angle = (size_t)position * args.n_pairs + pair;
    const float c = args.cos_table[angle], s = args.sin_table[angle];
    const float a = channels[first], b = channels[second];
    const float turned_a = turned_first(a, b, c, s), turned_b = turned_second(a, b, c, s);
    if (IN_PLACE) {
        channels[first] = turned_a;
        channels[second] = turned_b;
    }
    if (key) {
        key[first] = __float2half_rn(turned_a);
        key[second] = __float2half_rn(turned_b);
    }
}

// One Q or K head of the block's rows, four pairs at a time. What a thread turns is all asked for
// before the first is written.
template <bool IN_PLACE>
static __device__ __forceinline__ void turn_by_fours(const Args& args, uint32_t first_row,
                                                     uint32_t n_rows, uint32_t head) {
    const bool is_key = head >= args.n_heads;
    const uint32_t per_row = args.n_pairs / 4, n = n_rows * per_row;
    for (uint32_t first = threadIdx.x; first < n; first += BATCH * THREADS) {
        Turn4 turns[BATCH];
#pragma unroll
        for (uint32_t i = 0; i < BATCH; i++) {
            const uint32_t item = first + i * THREADS, row = first_row + item / per_row;
            if (item < n) {
                __half* key = is_key ? args.key(row, head - args.n_heads) : nullptr;
                turns[i].load(args, args.channels(row, head), key, args.positions[row],
                              item % per_row * 4);
            }
        }
#pragma unroll
        for (uint32_t i = 0; i < BATCH; i++) {
            if (first + i * THREADS < n) {
                turns[i].template store<IN_PLACE>(args);
            }
        }
    }
}

// One Q or K head of the block's rows.
template <bool IN_PLACE>
static __device__ __forceinline__ void turn_head(const Args& args, uint32_t first_row,
                                                 uint32_t n_rows, uint32_t head) {
    const bool is_key = head >= args.n_heads;
    const bool by_fours = !args.adjacent && args.n_pairs % 4 == 0 && args.head_dim % 4 == 0;
    if (by_fours) {
        turn_by_fours<IN_PLACE>(args, first_row, n_rows, head);
    }
    const uint32_t n_turned = by_fours ? 0 : args.n_pairs;
    const uint32_t n_rest = is_key ? args.head_dim - 2 * args.n_pairs : 0;
    const uint32_t per_row = n_turned + n_rest;
    for (uint32_t i = threadIdx.x; i < n_rows * per_row; i += THREADS) {
        const uint32_t row = first_row + i / per_row, item = i % per_row;
        float* channels = args.channels(row, head);
        __half* key = is_key ? args.key(row, head - args.n_heads) : nullptr;
        if (item < n_turned) {
            turn<IN_PLACE>(args, channels, key, args.positions[row], item);
        } else {
            const uint32_t channel = 2 * args.n_pairs + item - n_turned;
            key[channel] = __float2half_rn(channels[channel]);
        }
    }
}

// Values of a V head of the block's rows, turned around in shared memory: two rows in a word.
struct Values {
    // One more than there are, so that neighbouring channels lie in different banks.
    static constexpr uint32_t STRIDE = ROWS / 2 + 1;
    // Pieces that a warp has in flight.
    static constexpr uint32_t PIECES = 3;
    const Args& args;
    uint32_t first_row, n_rows, kv_head;
    uint32_t* words;

    __device__ __forceinline__ const float* channels(uint32_t row) const {
        return args.channels(first_row + row, args.n_heads + args.n_kv_heads + kv_head);
    }

    // Channels `first` to `first` + n - 1, both multiples of four. A warp has four pairs of rows
    // and eight times four channels at a time.
    __device__ __forceinline__ void read_by_fours(uint32_t first, uint32_t n) const {
        const uint32_t lane = threadIdx.x % WARP, n_parts = (n + 31) / 32, n_all = n_parts * 4;
        for (uint32_t i = threadIdx.x / WARP; i < n_all; i += PIECES * THREADS / WARP) {
            float4 pieces[PIECES][2];
#pragma unroll
            for (uint32_t j = 0; j < PIECES; j++) {
                const uint32_t item = i + j * THREADS / WARP;
                const uint32_t pair = item % 4 * 4 + lane / 8;
                const uint32_t channel = item / 4 * 32 + lane % 8 * 4;
#pragma unroll
                for (uint32_t k = 0; k < 2; k++) {
                    const bool exists = channel < n && 2 * pair + k < n_rows;
                    const float* from = channels(2 * pair + k) + first + channel;
                    pieces[j][k] = exists ? *reinterpret_cast<const float4*>(from) : float4{};
                }
            }
#pragma unroll
            for (uint32_t j = 0; j < PIECES; j++) {
                const uint32_t item = i + j * THREADS / WARP;
                const uint32_t pair = item % 4 * 4 + lane / 8;
                const uint32_t channel = item / 4 * 32 + lane % 8 * 4;
                const float4 &low = pieces[j][0], &high = pieces[j][1];
                if (channel < n) {
                    uint32_t* to = words + channel * STRIDE + pair;
                    to[0] = halves(low.x, high.x), to[STRIDE] = halves(low.y, high.y);
                    to[2 * STRIDE] = halves(low.z, high.z), to[3 * STRIDE] = halves(low.w, high.w);
                }
            }
        }
    }

    // The same of any channels.
    __device__ __forceinline__ void read(uint32_t first, uint32_t n) const {
        for (uint32_t i = threadIdx.x; i < ROWS / 2 * n; i += THREADS) {
            const uint32_t pair = i / n, channel = i % n;
            float x[2];
            for (uint32_t k = 0; k < 2; k++) {
                x[k] = 2 * pair + k < n_rows ? channels(2 * pair + k)[first + channel] : 0.0f;
            }
            words[channel * STRIDE + pair] = halves(x[0], x[1]);
        }
    }

    // Whether the rows stand at neighbouring positions of one sequence, in whole eights.
    __device__ __forceinline__ bool are_runs() const {
        const uint32_t row = first_row + min(threadIdx.x % WARP, n_rows - 1);
        const uint32_t start = args.positions[first_row];
        const bool follows = args.positions[row] == start + threadIdx.x % WARP &&
                             args.row_tables[row] == args.row_tables[first_row];
        return __all_sync(ALL_LANES, follows) && start % 8 == 0;
    }

    // Eights of rows; a thread has the same of every channel that it writes.
    __device__ __forceinline__ void write_runs(uint32_t first, uint32_t n) const {
        const uint32_t eight = threadIdx.x % (ROWS / 8);
        __half* to = args.value(first_row + 8 * eight, kv_head) + first * BLOCK_POSITIONS;
        for (uint32_t i = threadIdx.x / (ROWS / 8); i < n; i += THREADS / (ROWS / 8)) {
            const uint32_t* from = words + i * STRIDE + 4 * eight;
            *reinterpret_cast<uint4*>(to + i * BLOCK_POSITIONS) =
                make_uint4(from[0], from[1], from[2], from[3]);
        }
    }

    // A lane has a row.
    __device__ __forceinline__ void write(uint32_t first, uint32_t n) const {
        const uint32_t row = threadIdx.x % WARP;
        if (row >= n_rows) {
            return;
        }
        __half* to = args.value(first_row + row, kv_head) + first * BLOCK_POSITIONS;
        for (uint32_t i = threadIdx.x / WARP; i < n; i += THREADS / WARP) {
            const uint32_t word = words[i * STRIDE + row / 2];
            to[i * BLOCK_POSITIONS] = __ushort_as_half((uint16_t)(word >> row % 2 * 16));
        }
    }

    __device__ __forceinline__ void store() const {
        const bool runs = are_runs();
        for (uint32_t first = 0; first < args.head_dim; first += CHANNELS) {
            const uint32_t n = min(args.head_dim - first, CHANNELS);
            __syncthreads();
            if (args.head_dim % 4 == 0) {
                read_by_fours(first, n);
            } else {
                read(first, n);
            }
            __syncthreads();
            if (runs) {
                write_runs(first, n);
            } else {
                write(first, n);
            }
        }
    }
};

// The block's rows of a head, the last for blocks 0.
template <bool IN_PLACE>
static __device__ __forceinline__ void work(const Args& args) {
    chain_release();
    chain_wait();
    __shared__ uint32_t words[CHANNELS * Values::STRIDE];
    const uint32_t first_row = blockIdx.x * ROWS, n_turned = args.n_heads + args.n_kv_heads;
    const uint32_t head = n_turned + args.n_kv_heads - 1 - blockIdx.y;
    const uint32_t here = min(args.n_rows - first_row, ROWS);
    if (head < n_turned) {
        turn_head<IN_PLACE>(args, first_row, here, head);
    } else {
        Values{args, first_row, here, head - n_turned, words}.store();
    }
}

#define ROPE_APPEND(name, IN_PLACE)                                                              \
    extern "C" __global__ void __launch_bounds__(THREADS)                                        \
        name(float* qkv, const float* __restrict__ cos_table,                                    \
             const float* __restrict__ sin_table, __half* keys, __half* values,                  \
             const uint32_t* __restrict__ positions, const uint32_t* __restrict__ row_tables,    \
             const uint32_t* __restrict__ block_tables, uint32_t n_rows, uint32_t n_heads,       \
             uint32_t n_kv_heads, uint32_t head_dim, uint32_t n_pairs, uint32_t adjacent) {      \
        work<IN_PLACE>(Args{qkv, cos_table, sin_table, keys, values, positions, row_tables,      \
                            block_tables, n_rows, n_heads, n_kv_heads, head_dim, n_pairs,        \
                            adjacent});                                                          \
    }

ROPE_APPEND(rope_append, true)
ROPE_APPEND(append, false)
