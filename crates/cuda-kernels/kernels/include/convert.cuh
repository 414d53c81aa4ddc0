// Bits to f32, and loads that respect the alignment of the formats.
//
// Sizes here are bytes in the model file's own layout, little-endian as the device is.
#pragma once

#include <cuda_fp16.h>
#include <stdint.h>

// Product and sum rounded one by one, as the formulas of the formats are defined.
static __device__ __forceinline__ float mul(float a, float b) { return __fmul_rn(a, b); }
static __device__ __forceinline__ float add(float a, float b) { return __fadd_rn(a, b); }
static __device__ __forceinline__ float sub(float a, float b) { return __fsub_rn(a, b); }

static __device__ __forceinline__ float half_bits(uint32_t bits) {
    return __half2float(__ushort_as_half((unsigned short)bits));
}

static __device__ __forceinline__ float bf16_bits(uint32_t bits) {
    return __uint_as_float(bits << 16);
}

// At an even address.
static __device__ __forceinline__ uint32_t load_u16(const uint8_t* at) {
    return *reinterpret_cast<const uint16_t*>(at);
}

// Four bytes at an even address: many blocks have a length that four does not divide.
static __device__ __forceinline__ uint32_t load_u32(const uint8_t* at) {
    return load_u16(at) | load_u16(at + 2) << 16;
}

static __device__ __forceinline__ float load_half(const uint8_t* at) {
    return half_bits(load_u16(at));
}

// Eight bytes at an even address, of which `byte(i)` is one.
struct Bytes8 {
    uint32_t words[2];

    __device__ __forceinline__ explicit Bytes8(const uint8_t* at) {
        words[0] = load_u32(at);
        words[1] = load_u32(at + 4);
    }

    __device__ __forceinline__ uint32_t byte(int i) const {
        return words[i / 4] >> (i % 4 * 8) & 0xff;
    }
};
