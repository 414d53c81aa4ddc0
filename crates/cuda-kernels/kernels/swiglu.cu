// out[r][i] = silu(gate_up[r][i]) * gate_up[r][ffn + i] with silu(x) = x / (1 + e^-x).
// One thread per value.

#include "convert.cuh"

extern "C" __global__ void __launch_bounds__(256)
    swiglu(const float* __restrict__ gate_up, float* __restrict__ out, uint32_t ffn) {
    const uint32_t i = blockIdx.y * blockDim.x + threadIdx.x;
    if (i >= ffn) {
        return;
    }
    const size_t row = blockIdx.x;
    const float gate = gate_up[row * 2 * ffn + i], up = gate_up[row * 2 * ffn + ffn + i];
    out[row * ffn + i] = mul(gate / (1.0f + expf(-gate)), up);
}
