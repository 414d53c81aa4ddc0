// Turns Q and K of every row in place by its position, and stores K and V in the cache as f16,
// rounded to nearest even.
//
// A pair (a, b) becomes (a cos - b sin, a sin + b cos). Pair `i` of `n_pairs` is the channels
// (2 i, 2 i + 1) if `adjacent`, else (i, i + n_pairs); channels from 2 n_pairs on pass through.
// One block of threads per 32 rows and head, over Q heads, K heads, V heads. Values pass through
// shared memory, so that those of neighbouring positions are written together.

#include "convert.cuh"
#include "kv_cache.cuh"
#include "reduce.cuh"

static constexpr uint32_t THREADS = 128;
static constexpr uint32_t ROWS = 32;
// Times four pairs that a thread turns at once.
static constexpr uint32_t BATCH = 3;
// Channels of values that pass through shared memory at once.
static constexpr uint32_t CHANNELS = 64;
static_assert(ROWS == WARP, "a lane writes the values of one row");

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
    __device__ __forceinline__ __half* key(uint32_t row, uint32_t kv_head) const {
        return keys + cache_head(row, kv_head) + slot(row) * head_dim;
    }
};

static __device__ __forceinline__ float turned_first(float a, float b, float c, float s) {
    return sub(mul(a, c), mul(b, s));
}

static __device__ __forceinline__ float turned_second(float a, float b, float c, float s) {
    return add(mul(a, s), mul(b, c));
}

static __device__ __forceinline__ void store4(__half* to, float4 v) {
    const __half2 low = __floats2half2_rn(v.x, v.y), high = __floats2half2_rn(v.z, v.w);
    *reinterpret_cast<uint2*>(to) = make_uint2(*reinterpret_cast<const uint32_t*>(&low),
                                               *reinterpret_cast<const uint32_t*>(&high));
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

    __device__ __forceinline__ void store(const Args& args) const {
        *first =
            make_float4(turned_first(a.x, b.x, c.x, s.x), turned_first(a.y, b.y, c.y, s.y),
                        turned_first(a.z, b.z, c.z, s.z), turned_first(a.w, b.w, c.w, s.w));
        *second =
            make_float4(turned_second(a.x, b.x, c.x, s.x), turned_second(a.y, b.y, c.y, s.y),
                        turned_second(a.z, b.z, c.z, s.z), turned_second(a.w, b.w, c.w, s.w));
        if (key) {
            store4(key, *first);
            store4(key + args.n_pairs, *second);
        }
    }
};

// One pair of any kind.
static __device__ __forceinline__ void turn(const Args& args, float* channels, __half* key,
                                            uint32_t position, uint32_t pair) {
    const uint32_t first = args.adjacent ? 2 * pair : pair;
    const uint32_t second = args.adjacent ? first + 1 : first + args.n_pairs;
    const size_t angle = (size_t)position * args.n_pairs + pair;
    const float c = args.cos_table[angle], s = args.sin_table[angle];
    const float a = channels[first], b = channels[second];
    const float turned_a = turned_first(a, b, c, s), turned_b = turned_second(a, b, c, s);
    channels[first] = turned_a;
    channels[second] = turned_b;
    if (key) {
        key[first] = __float2half_rn(turned_a);
        key[second] = __float2half_rn(turned_b);
    }
}

// One Q or K head of the block's rows, four pairs at a time. What a thread turns is all asked for
// before the first is written.
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
                turns[i].store(args);
            }
        }
    }
}

// One Q or K head of the block's rows.
static __device__ __forceinline__ void turn_head(const Args& args, uint32_t first_row,
                                                 uint32_t n_rows, uint32_t head) {
    const bool is_key = head >= args.n_heads;
    const bool by_fours = !args.adjacent && args.n_pairs % 4 == 0 && args.head_dim % 4 == 0;
    if (by_fours) {
        turn_by_fours(args, first_row, n_rows, head);
    }
    const uint32_t n_turned = by_fours ? 0 : args.n_pairs;
    const uint32_t n_rest = is_key ? args.head_dim - 2 * args.n_pairs : 0;
    const uint32_t per_row = n_turned + n_rest;
    for (uint32_t i = threadIdx.x; i < n_rows * per_row; i += THREADS) {
        const uint32_t row = first_row + i / per_row, item = i % per_row;
        float* channels = args.channels(row, head);
        __half* key = is_key ? args.key(row, head - args.n_heads) : nullptr;
        if (item < n_turned) {
            turn(args, channels, key, args.positions[row], item);
        } else {
            const uint32_t channel = 2 * args.n_pairs + item - n_turned;
            key[channel] = __float2half_rn(channels[channel]);
        }
    }
}

// One V head of the block's rows.
static __device__ __forceinline__ void store_values(const Args& args, uint32_t first_row,
                                                    uint32_t n_rows, uint32_t kv_head) {
    // Two more than there are rows, so that a row's channels lie in different banks.
    __shared__ __half values[CHANNELS][ROWS + 2];
    const uint32_t head = args.n_heads + args.n_kv_heads + kv_head, row = threadIdx.x % ROWS;
    __half* to = nullptr;
    if (row < n_rows) {
        to = args.values + args.cache_head(first_row + row, kv_head) + args.slot(first_row + row);
    }
    for (uint32_t first = 0; first < args.head_dim; first += CHANNELS) {
        const uint32_t n = min(args.head_dim - first, CHANNELS);
        __syncthreads();
#pragma unroll 4
        for (uint32_t i = threadIdx.x; i < n_rows * CHANNELS; i += THREADS) {
            const uint32_t from = i / CHANNELS, channel = i % CHANNELS;
            if (channel < n) {
                const float value = args.channels(first_row + from, head)[first + channel];
                values[channel][from] = __float2half_rn(value);
            }
        }
        __syncthreads();
        for (uint32_t channel = threadIdx.x / ROWS; to && channel < n;
             channel += THREADS / ROWS) {
            to[(first + channel) * BLOCK_POSITIONS] = values[channel][row];
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
    rope_append(float* qkv, const float* __restrict__ cos_table,
                const float* __restrict__ sin_table, __half* keys, __half* values,
                const uint32_t* __restrict__ positions, const uint32_t* __restrict__ row_tables,
                const uint32_t* __restrict__ block_tables, uint32_t n_rows, uint32_t n_heads,
                uint32_t n_kv_heads, uint32_t head_dim, uint32_t n_pairs, uint32_t adjacent) {
    const Args args{qkv,          cos_table, sin_table, keys,       values,   positions, row_tables,
                    block_tables, n_rows,    n_heads,   n_kv_heads, head_dim, n_pairs,   adjacent};
    const uint32_t first_row = blockIdx.x * ROWS, head = blockIdx.y;
    const uint32_t here = min(n_rows - first_row, ROWS);
    if (head < n_heads + n_kv_heads) {
        turn_head(args, first_row, here, head);
    } else {
        store_values(args, first_row, here, head - n_heads - n_kv_heads);
    }
}
