// What changes from step to step; names of step_state.py and training/step.py. One thread.
#include "common.cuh"

// number of the step, and rate and correction of the optimizer, where kernels that are repeated as they were recorded find them
extern "C" __global__ void write_step_state(double* numbers, double number, double rate, double correction)
{
    numbers[STEP_NUMBER] = number;
    numbers[STEP_RATE] = rate;
    numbers[STEP_CORRECTION] = correction;
}

// results[slot] = (cost, counts[0], ..., counts[3])
extern "C" __global__ void keep_result(const double* cost, const double* counts, double* results, int slot)
{
    results[5 * slot] = *cost;
    for (int i = 0; i < 4; i++) results[5 * slot + 1 + i] = counts[i];
}
