// A CUDA driver without a device: the part of it that the backend calls, over this machine's memory. What is done
// on a stream is done at once, unless a test wants it late. Calls that a capture would refuse are refused.
#include <dlfcn.h>
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

typedef int Result;
enum { OK = 0, INVALID = 1, NO_MEMORY = 2, NOT_FOUND = 500, CAPTURED = 900 };
typedef unsigned long long Address;

namespace {
std::string temporary() {
    const char* const folder = getenv("TMPDIR");
    return std::string(folder ? folder : P_tmpdir) + "/st-emulated-XXXXXX";
}
std::mutex guard;
struct Graph {
    std::vector<std::function<void()>> steps;
};
struct Stream {
    Graph* capture = nullptr;
};
struct Function {
    void (*run)(const void*, unsigned, unsigned);
    int shared = 48 << 10;
    const char* name;
};
Stream default_stream;
std::map<Address, size_t> memory;
size_t used = 0;
// A capture in the mode of one thread, the only one there is here, forbids others nothing.
thread_local bool capturing = false;

}  // namespace

extern "C" {
// Tests set these, each in a copy of the library that is its own.
// The newest CUDA that it knows.
int st_emulated_version = 13000;
// Memory, little enough that a test can ask for more; how many blocks of it are allocated.
int st_emulated_kib = 2 << 20;
int st_emulated_blocks = 0;
// Launches fail.
int st_emulated_launches_fail = 0;
// The next kernel that runs ends with this code, and so does all that is done afterwards; whether that has come.
int st_emulated_fault = 0;
int st_emulated_sticky = 0;
// Code with which images are refused, and how many were asked about.
int st_emulated_images_fail = 0;
int st_emulated_images = 0;
// What is put onto streams is done when one is waited for; how many steps wait for that.
int st_emulated_late = 0;
int st_emulated_waiting = 0;
// Launches of kernels that wait themselves for what they follow.
int st_emulated_following = 0;
// After so many copies the next ones fail; less than 0: none does.
int st_emulated_copies_left = -1;
}

namespace {
// All streams' steps in one order, which is one of those that are allowed.
std::vector<std::function<void()>> late;

Stream* of(void* stream) { return stream ? static_cast<Stream*>(stream) : &default_stream; }
// The guard is held.
Result finish() {
    for (const auto& step : late) step();
    late.clear();
    st_emulated_waiting = 0;
    return st_emulated_sticky;
}
Result work(void* stream, std::function<void()> step) {
    const std::lock_guard<std::mutex> lock(guard);
    if (st_emulated_sticky) return st_emulated_sticky;
    if (Graph* graph = of(stream)->capture) {
        graph->steps.push_back(step);
    } else if (st_emulated_late) {
        late.push_back(step);
        st_emulated_waiting++;
    } else {
        step();
    }
    return OK;
}
size_t total() { return size_t(st_emulated_kib) << 10; }
Result copy(void* to, const void* from, size_t bytes, void* stream) {
    if (st_emulated_copies_left == 0) return INVALID;
    if (st_emulated_copies_left > 0) st_emulated_copies_left--;
    return work(stream, [=] {
        if (!st_emulated_sticky) memcpy(to, from, bytes);
    });
}
}  // namespace

extern "C" {
Result cuInit(unsigned) { return OK; }
Result cuDriverGetVersion(int* version) { return *version = st_emulated_version, OK; }
Result cuDeviceGetCount(int* count) { return *count = 2, OK; }
Result cuDeviceGet(int* device, int ordinal) {
    if (ordinal > 1) return 101;
    return *device = ordinal, OK;
}
Result cuDeviceGetName(char* name, int room, int device) {
    snprintf(name, size_t(room), "emulated device %d", device);
    return OK;
}
// The second device is newer than the compiler.
Result cuDeviceGetAttribute(int* value, int attribute, int device) {
    switch (attribute) {
        case 1: *value = 1024; break;          // threads of a block
        case 10: *value = 32; break;           // lanes of a warp
        case 16: *value = 4; break;            // multiprocessors
        case 36: *value = 1000000; break;      // memory clock, kHz
        case 37: *value = 256; break;          // memory bus, bits
        case 38: *value = 4 << 20; break;      // second-level cache
        case 75: *value = device ? 99 : 9; break;  // compute capability
        case 76: *value = 0; break;
        case 97: *value = 227 << 10; break;    // shared memory of a block, opted in
        default: return INVALID;
    }
    return OK;
}
Result cuDevicePrimaryCtxRetain(void** context, int device) {
    if (st_emulated_kib == 0) return NO_MEMORY;
    return *context = reinterpret_cast<void*>(uintptr_t(device) + 1), OK;
}
Result cuDevicePrimaryCtxRelease_v2(int) { return OK; }
Result cuCtxPushCurrent_v2(void*) { return OK; }
Result cuCtxPopCurrent_v2(void** context) { return *context = nullptr, OK; }
Result cuCtxGetDevice(int* device) { return *device = 0, OK; }
Result cuMemGetInfo_v2(size_t* free_bytes, size_t* all) {
    const std::lock_guard<std::mutex> lock(guard);
    if (st_emulated_sticky) return st_emulated_sticky;
    return *all = total(), *free_bytes = *all - std::min(used, *all), OK;
}
Result cuMemAlloc_v2(Address* at, size_t bytes) {
    const std::lock_guard<std::mutex> lock(guard);
    if (st_emulated_sticky) return st_emulated_sticky;
    if (capturing) return CAPTURED;
    if (bytes > total() - std::min(used, total()) || bytes == 0) return bytes ? NO_MEMORY : INVALID;
    void* const block = aligned_alloc(256, (bytes + 511) / 256 * 256);
    memset(block, 0xA5, bytes);
    *at = reinterpret_cast<Address>(block);
    memory[*at] = bytes;
    st_emulated_blocks++;
    used += bytes;
    return OK;
}
Result cuMemFree_v2(Address at) {
    const std::lock_guard<std::mutex> lock(guard);
    if (finish()) return st_emulated_sticky;
    const auto found = memory.find(at);
    if (found == memory.end()) return INVALID;
    used -= found->second;
    memory.erase(found);
    st_emulated_blocks--;
    free(reinterpret_cast<void*>(at));
    return OK;
}
Result cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, void* stream) {
    return copy(reinterpret_cast<void*>(to), from, bytes, stream);
}
Result cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, void* stream) {
    return copy(to, reinterpret_cast<void*>(from), bytes, stream);
}
Result cuMemsetD8Async(Address at, unsigned char value, size_t bytes, void* stream) {
    return work(stream, [=] { memset(reinterpret_cast<void*>(at), value, bytes); });
}
Result cuStreamCreate(void** stream, unsigned) {
    if (st_emulated_sticky) return st_emulated_sticky;
    return *stream = new Stream, OK;
}
Result cuStreamDestroy_v2(void* stream) { return delete static_cast<Stream*>(stream), st_emulated_sticky; }
Result cuStreamSynchronize(void* stream) {
    const std::lock_guard<std::mutex> lock(guard);
    if (of(stream)->capture) return CAPTURED;
    return finish();
}
Result cuModuleLoadData(void** module, const void* image) {
    if (st_emulated_sticky) return st_emulated_sticky;
    st_emulated_images++;
    if (st_emulated_images_fail) return st_emulated_images_fail;
    const Elf64_Ehdr* const head = static_cast<const Elf64_Ehdr*>(image);
    if (memcmp(head->e_ident, ELFMAG, SELFMAG) != 0) return 200;
    const size_t bytes = head->e_shoff + size_t(head->e_shnum) * head->e_shentsize;
    // A file of its own: the loader takes two of one name for one library.
    std::string path = temporary();
    const int file = mkstemp(path.data());
    if (file < 0 || write(file, image, bytes) != ssize_t(bytes)) return 999;
    *module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    close(file);
    unlink(path.c_str());
    return *module ? OK : 200;
}
Result cuModuleUnload(void* module) { return dlclose(module), OK; }
Result cuModuleGetFunction(void** function, void* module, const char* name) {
    void* const symbol = dlsym(module, name);
    if (!symbol) return NOT_FOUND;
    Function* const f = new Function;
    f->run = reinterpret_cast<void (*)(const void*, unsigned, unsigned)>(symbol);
    f->name = strdup(name);
    return *function = f, OK;
}
Result cuFuncSetAttribute(void* function, int attribute, int value) {
    if (attribute == 8) static_cast<Function*>(function)->shared = value;
    return value <= 227 << 10 ? OK : INVALID;
}
Result cuLaunchKernel(void* function, unsigned x, unsigned y, unsigned z, unsigned, unsigned, unsigned, unsigned shared,
                      void* stream, void** params, void** extra) {
    const Function* const f = static_cast<Function*>(function);
    if (y != 1 || z != 1 || x == 0 || extra || int(shared) > f->shared || st_emulated_launches_fail) return INVALID;
    // Parameters are copied when a kernel is launched; 1 KB is more than any has.
    std::vector<char> copy(1024);
    memcpy(copy.data(), params[0], *static_cast<const unsigned*>(params[1]));
    return work(stream, [=] {
        if (st_emulated_fault) st_emulated_sticky = st_emulated_fault;
        if (!st_emulated_sticky) f->run(copy.data(), x, shared);
    });
}
// The layouts that cuda.h gives them.
struct LaunchAttribute {
    int id, unused, value[16];
};
struct LaunchConfig {
    unsigned grid[3], block[3], shared;
    void* stream;
    LaunchAttribute* attributes;
    unsigned count;
};
Result cuLaunchKernelEx(const LaunchConfig* with, void* function, void** params, void** extra) {
    if (with->count != 1 || with->attributes->id != 6 || with->attributes->value[0] != 1) return INVALID;
    st_emulated_following++;
    return cuLaunchKernel(function, with->grid[0], with->grid[1], with->grid[2], with->block[0], with->block[1],
                          with->block[2], with->shared, with->stream, params, extra);
}
Result cuEventCreate(void** event, unsigned) { return *event = malloc(1), OK; }
Result cuEventDestroy_v2(void* event) { return free(event), OK; }
Result cuEventRecord(void*, void*) { return OK; }
Result cuEventSynchronize(void*) {
    const std::lock_guard<std::mutex> lock(guard);
    return finish();
}
Result cuEventElapsedTime(float* ms, void*, void*) { return *ms = 1, OK; }
Result cuStreamBeginCapture_v2(void* stream, int mode) {
    if (mode != 1) return INVALID;
    of(stream)->capture = new Graph;
    return capturing = true, OK;
}
Result cuStreamIsCapturing(void* stream, int* state) { return *state = of(stream)->capture != nullptr, OK; }
Result cuStreamEndCapture(void* stream, void** graph) {
    *graph = of(stream)->capture;
    of(stream)->capture = nullptr;
    return capturing = false, OK;
}
Result cuGraphInstantiateWithFlags(void** exec, void* graph, unsigned long long) {
    return *exec = new Graph(*static_cast<Graph*>(graph)), OK;
}
Result cuGraphLaunch(void* exec, void*) {
    const std::lock_guard<std::mutex> lock(guard);
    finish();
    for (const auto& step : static_cast<Graph*>(exec)->steps) step();
    return st_emulated_sticky;
}
Result cuGraphDestroy(void* graph) { return delete static_cast<Graph*>(graph), OK; }
Result cuGraphExecDestroy(void* exec) { return delete static_cast<Graph*>(exec), OK; }
Result cuGetErrorName(Result error, const char** name) {
    *name = error == NO_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_EMULATED";
    return OK;
}
Result cuGetErrorString(Result, const char** text) { return *text = "an emulated error", OK; }
}
