// Kernels chained with programmatic dependent launch: the next one starts while this one runs.
//
// A kernel of the chain fetches what no kernel before it writes (weights), calls
// `chain_release()`, then `chain_wait()` in every thread, and only then reads or writes anything
// else. Threads that do nothing but fetch weights need not wait. It must be launched with the
// attribute that allows it. Before compute capability 9.0, and in a launch without that attribute,
// both calls do nothing. What the launch before writes is no `const __restrict__`: the compiler
// may read such things early.
#pragma once

// Lets the next kernel of the stream start.
static __device__ __forceinline__ void chain_release() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// Returns once the kernels before have ended, and all that they wrote is seen.
static __device__ __forceinline__ void chain_wait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
