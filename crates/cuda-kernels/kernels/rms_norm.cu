// out[r][i] = x[r][i] * weight[i] / sqrt(mean(x[r]^2) + eps). One block of threads per row.
//
// The same bits as the norm inside matvec.cu: see row_norm.cuh for the order of the additions.

#include "convert.cuh"
#include "row_norm.cuh"

static constexpr uint32_t WARPS = 8;
static constexpr uint32_t THREADS = WARPS * WARP;

extern "C" __global__ void __launch_bounds__(THREADS)
    rms_norm(const float* __restrict__ x, const float* __restrict__ weight,
             float* __restrict__ out, uint32_t width, float eps) {
    __shared__ float squares[WARPS];
    const size_t start = (size_t)blockIdx.x * width;
    const uint32_t n_groups = (width + GROUP - 1) / GROUP, warp = threadIdx.x / WARP;
    float total = 0.0f;
    for (uint32_t first = 0; first < n_groups; first += WARPS) {
        float quad[4];
        load_any_quad(x + start, first + warp, width, quad);
        const float of_group = group_squares(quad);
        if (threadIdx.x % WARP == 0) {
            squares[warp] = of_group;
        }
        __syncthreads();
        for (uint32_t i = 0; i < min(WARPS, n_groups - first); i++) {
            total = add(total, squares[i]);
        }
        __syncthreads();
    }
    const float scale = norm_scale(total, 1.0f / (float)width, eps);
    for (uint32_t i = threadIdx.x; i < width; i += THREADS) {
        out[start + i] = normed(x[start + i], scale, weight[i]);
    }
}
