/* The driver calls that farm_agent.cuda makes, over the processor's own memory: it tells whether arguments
 * arrive whole (64-bit addresses and sizes) and whether everything that was taken is given back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int contexts, buffers, streams, copying;
static size_t room = (size_t)1 << 32;

int cuInit(unsigned flags) { return getenv("CUDA_STAND_IN_NO_GPU") ? 100 : flags; }
int cuDeviceGet(int *device, int ordinal) { *device = 7 + ordinal; return 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { contexts++; *context = &contexts; return device == 7 ? 0 : 101; }
int cuDevicePrimaryCtxRelease(int device) { contexts--; return device == 7 ? 0 : 101; }
int cuCtxSetCurrent(void *context) { return context == &contexts ? 0 : 201; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, "Stand-in GPU", size); return device == 7 ? 0 : 101; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = attribute == 75 ? 8 : 7; return device == 7 ? 0 : 101; }
int cuDriverGetVersion(int *version) { *version = 12060; return 0; }
int cuMemAlloc_v2(uint64_t *address, size_t size)
{
    if (size > room) return 2;
    buffers++;
    *address = (uint64_t)(uintptr_t)malloc(size);
    return 0;
}
int cuMemFree_v2(uint64_t address) { buffers--; free((void *)(uintptr_t)address); return 0; }
int cuMemcpyHtoD_v2(uint64_t target, const void *source, size_t size) { memcpy((void *)(uintptr_t)target, source, size); copying = 1; return 0; }
int cuMemcpyDtoH_v2(void *target, uint64_t source, size_t size) { memcpy(target, (void *)(uintptr_t)source, size); return 0; }
int cuStreamCreate(void **stream, unsigned flags) { streams++; *stream = (void *)(uintptr_t)0xABCDEF0123u; return flags == 1 ? 0 : 1; }
int cuStreamDestroy_v2(void *stream) { streams--; return stream == (void *)(uintptr_t)0xABCDEF0123u ? 0 : 400; }
int cuStreamSynchronize(void *stream) { if (!stream) copying = 0; return !stream || stream == (void *)(uintptr_t)0xABCDEF0123u ? 0 : 400; }
int cuGetErrorString(int status, const char **text) { *text = status == 400 ? "invalid resource handle" : "another error"; return 0; }
/* Whether the last copy to the GPU may still be on its way. */
int still_copying(void) { return copying; }
int held(void) { return contexts + buffers + streams; }
