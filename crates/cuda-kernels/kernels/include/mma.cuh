// The matrix instruction of one warp: d += a * b with a [16][16] and b [16][8] in f16, d in f32.
//
// With g = lane / 4 and t = lane % 4, a lane holds two neighbouring values in each register:
//   a[0]: row g,     k 2t, 2t + 1        b[0]: k 2t, 2t + 1 of column g
//   a[1]: row g + 8, k 2t, 2t + 1        b[1]: k 2t + 8, 2t + 9 of column g
//   a[2]: row g,     k 2t + 8, 2t + 9
//   a[3]: row g + 8, k 2t + 8, 2t + 9
//   d[0], d[1]: row g, columns 2t, 2t + 1;  d[2], d[3]: row g + 8, the same columns
#pragma once

#include <stdint.h>

// Channels whose products are added up before they meet a scale of the activations, and the
// steps of 16 channels of which they consist.
static constexpr uint32_t GROUP = 128;
static constexpr uint32_t STEPS = 8;

static __device__ __forceinline__ void mma(float (&d)[4], const uint32_t (&a)[4],
                                           const uint32_t (&b)[2]) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// d = a * b.
static __device__ __forceinline__ void mma_from_zero(float (&d)[4], const uint32_t (&a)[4],
                                                     const uint32_t (&b)[2]) {
#pragma unroll
    for (uint32_t i = 0; i < 4; i++) {
        d[i] = 0.0f;
    }
    mma(d, a, b);
}
