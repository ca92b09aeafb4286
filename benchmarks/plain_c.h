/* What the three plain C programs share: a clock, the loop around one call, and what they print.
 *
 * Arguments of each: LIBRARY MODEL SECONDS INPUT OUTPUT DIMENSION...
 * Inputs are float32 and all 0.5. Printed: {"p50_ns": ..., "count": ...}. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MOST_ROWS 4000000
#define WARM_UP_NS INT64_C(300000000)

static int64_t rows[2 * MOST_ROWS];

static inline int64_t now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
}

static void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void *function(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL)
        fail(name, "not in the library");
    return found;
}

static void *library(const char *path) {
    void *found = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (found == NULL)
        fail(path, dlerror());
    return found;
}

static int by_value(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void report(int64_t count) {
    for (int64_t index = 0; index < count; index++)
        rows[index] = rows[2 * index + 1] - rows[2 * index];
    qsort(rows, (size_t)count, sizeof *rows, by_value);
    printf("{\"p50_ns\": %lld, \"count\": %lld}\n", (long long)rows[count / 2], (long long)count);
}

/* Calls until the time is over; ``call`` is an expression whose value is not 0 when it failed. */
#define RUN_FOR(nanoseconds, count, call)                                                                    \
    do {                                                                                                     \
        const int64_t until = now() + (nanoseconds);                                                         \
        (count) = 0;                                                                                         \
        for (;;) {                                                                                           \
            const int64_t start = now();                                                                     \
            if (call)                                                                                        \
                fail("inference", "failed");                                                                 \
            const int64_t end = now();                                                                       \
            rows[2 * (count)] = start;                                                                       \
            rows[2 * (count) + 1] = end;                                                                     \
            if (++(count) == MOST_ROWS || end >= until)                                                      \
                break;                                                                                       \
        }                                                                                                    \
    } while (0)

#define MEASURE(seconds, call)                                                                               \
    do {                                                                                                     \
        int64_t count;                                                                                       \
        RUN_FOR(WARM_UP_NS, count, call);                                                                    \
        RUN_FOR((int64_t)((seconds) * 1e9), count, call);                                                    \
        report(count);                                                                                       \
    } while (0)

static float *inputs(int count, char **dimensions, int64_t *shape, size_t *elements) {
    *elements = 1;
    for (int index = 0; index < count; index++) {
        shape[index] = atoll(dimensions[index]);
        *elements *= (size_t)shape[index];
    }
    float *data = aligned_alloc(64, (*elements * sizeof *data + 63) / 64 * 64);
    for (size_t index = 0; index < *elements; index++)
        data[index] = 0.5F;
    return data;
}
