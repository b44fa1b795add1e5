"""The emulated device notices what is wrong in a kernel, and arithmetic outside of one."""

import numpy as np
import pytest
from emulated import EmulatedArray, Emulator, KernelFault, _library
from places import emulator

PRODUCT = """__shared__ float4 b[32]; float a[1][1][4] = {}, d[8] = {};
             if (threadIdx.x < 32) copy_async<16>(&b[threadIdx.x], x + 2 * threadIdx.x, true);
             group_copies(); wait_for_copies<0>(); publish(); __syncthreads(); begin_products(a[0]);
             multiply_group<16, 16, 8>(d, a[0][0], &b[0].x, false); close_products(); wait_for_products(d, a);
             y[threadIdx.x] = d[0] + d[7];"""

# What the emulator must catch: body of the kernel, what it says
FAULTS = {
    "a missing barrier": ("""__shared__ REAL s[256]; s[threadIdx.x] = x[threadIdx.x];
                             y[threadIdx.x] = s[255 - threadIdx.x];""", None),
    "a cell of shared memory that nobody wrote": ("""__shared__ REAL s[256]; if (threadIdx.x != 7) s[threadIdx.x] = 1;
                                                     __syncthreads(); y[threadIdx.x] = s[threadIdx.x];""", None),
    "a register that nobody wrote": ("REAL a[4]; a[(int)x[0] % 4] = 1; y[threadIdx.x] = a[((int)x[0] + 1) % 4];", None),
    "an output that nobody wrote": ("if (threadIdx.x != 9) y[threadIdx.x] = 1;", None),
    "a read beyond the end": ("y[threadIdx.x] = x[threadIdx.x + 1];", "an access outside an array"),
    "a write beyond the end": ("y[threadIdx.x] = 1; y[threadIdx.x + 1] = 1;", "an access outside an array"),
    "a write before the beginning": ("y[threadIdx.x] = 1; y[(int)threadIdx.x - 512] = 1;",
                                     "an access outside an array"),
    "a write just before the beginning": ("y[threadIdx.x] = 1; if (threadIdx.x == 0) y[-1] = 1;",
                                          "a write just outside"),
    "an index outside shared memory": ("""__shared__ REAL s[256]; s[threadIdx.x + (int)x[1]] = 1; __syncthreads();
                                          y[threadIdx.x] = s[threadIdx.x];""", "an index outside"),
    "a barrier in a branch": ("y[threadIdx.x] = 1; if (threadIdx.x < 100) __syncthreads();", "a barrier that not all"),
    "a copy that nobody waited for": ("""__shared__ REAL s[256]; copy<1>(&s[threadIdx.x], &x[threadIdx.x], true);
                                         __syncthreads(); y[threadIdx.x] = s[255 - threadIdx.x];""", None),
    "a warp's instruction in a branch": ("""float d[4] = {}, a[4] = {}, b[2] = {}; y[threadIdx.x] = 1;
                                            if (threadIdx.x % 32 < 20) multiply_add(d, a, b);""",
                                         "a barrier that not all"),
    "a vector that is not aligned": ("""struct alignas(16) Two { REAL x[2]; };
                                        y[threadIdx.x] = ((const Two*)(x + 1))->x[threadIdx.x % 2];""",
                                     "a misaligned access"),
    "more local memory than is filled with NaN": ("""volatile REAL many[1500]; many[0] = x[threadIdx.x];
                                                     y[threadIdx.x] = many[0];""", "more local memory"),
    "a matrix that nobody published": (PRODUCT.replace("publish();", ""), None),
    "a matrix that was published before it was there": (
        PRODUCT.replace("wait_for_copies<0>(); publish();", "publish(); wait_for_copies<0>();"), None),
    "a matrix that was published after the barrier": (
        PRODUCT.replace("publish(); __syncthreads();", "__syncthreads(); publish();"), None),
    "a product that nobody began": (PRODUCT.replace("begin_products(a[0]);", ""), "products of groups out of order"),
    "a factor that was written after the beginning": (
        PRODUCT.replace("begin_products(a[0]);", "begin_products(a[0]); a[0][0][1] = 1;"),
        "products of groups out of order"),
    "products that nobody closed": (PRODUCT.replace("close_products();", ""), "products of groups out of order"),
    "sums that nobody waited for": (PRODUCT.replace("wait_for_products(d, a);", ""), None),
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A library of a kernel for each fault, and of two without."""
    right = """__shared__ REAL s[256]; s[threadIdx.x] = x[threadIdx.x]; __syncthreads();
               y[threadIdx.x] = s[255 - threadIdx.x];"""
    path = tmp_path_factory.mktemp("planted") / "planted.cu"
    kernels = [f'extern "C" __global__ void planted_{number}(const REAL* x, REAL* y)\n{{ {body} }}\n'
               for number, body in enumerate([right, PRODUCT, *(body for body, _ in FAULTS.values())])]
    kernels.append('extern "C" __global__ void race(const REAL* x, REAL* y)\n'
                   "{ __shared__ REAL last; last = x[threadIdx.x]; __syncthreads(); y[threadIdx.x] = last; }\n")
    path.write_text('#include "ptx.cuh"\n' + "".join(kernels))
    emulator()
    return _library(path, "double")


@pytest.mark.parametrize("fault", ["none", "none in a product", *FAULTS])
def test_the_emulator_catches(planted, fault):
    where, name = Emulator(), f"planted_{['none', 'none in a product', *FAULTS].index(fault)}"
    x, y = where.to_device(np.arange(1.0, 257)), where.empty(256, np.float64)

    def run():
        where.run((getattr(planted, f"run_{name}"), name), (1,), 256, (x, y))

    _, message = FAULTS.get(fault, (None, None))
    if message:
        with pytest.raises(KernelFault, match=message):
            run()
    else:
        run()
        finite = np.isfinite(where.to_host(y)).all()
        assert finite == (fault not in FAULTS)


def test_threads_take_turns_in_another_order_at_every_launch(planted):
    where, last = Emulator(), set()
    x, y = where.to_device(np.arange(1.0, 257)), where.empty(256, np.float64)
    for _ in range(3):
        where.run((planted.run_race, "race"), (1,), 256, (x, y))
        last.add(where.to_host(y)[0])
    assert len(last) == 3


def test_an_array_of_the_emulator_refuses_arithmetic_outside_kernels():
    array = emulator().to_device(np.ones(3))
    assert type(array) is EmulatedArray
    for arithmetic in (lambda: array + array, lambda: np.sum(array), lambda: np.concatenate([array, array])):
        with pytest.raises(TypeError, match="outside a kernel"):
            arithmetic()
