// The headers of the system and of C++'s library that cuda_on_cpu.h needs; emulated.py compiles them once for all.

#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <algorithm>
#include <cmath>
#include <functional>
#include <sys/mman.h>
#include <ucontext.h>
#include <xmmintrin.h>
#include <utility>
#include <vector>
