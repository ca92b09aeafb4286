/* Loads the native loop (argument 1) and runs it over a function of its own; prints what it saw. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

struct call {
    void *clock, *function;
    intptr_t arguments[8];
    int32_t status_bytes;
};

static long seen;
static int calls;

static int entry(intptr_t a, intptr_t b, intptr_t c, intptr_t d, intptr_t e, intptr_t f, intptr_t g, intptr_t h) {
    seen = (long)(a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f + 1000000 * g + 10000000 * h);
    return ++calls == 7 ? -5 : 0;
}

int main(int count, char **words) {
    void *library = count == 2 ? dlopen(words[1], RTLD_NOW) : NULL;
    if (library == NULL) {
        printf("%s\n", dlerror());
        return 1;
    }
    int64_t (*run)(struct call *, int64_t *, int64_t, int64_t, int64_t, intptr_t *) = dlsym(library, "farm_run");
    void (*read)(struct call *, int64_t *, int64_t) = dlsym(library, "farm_clock");
    struct call call = {(void *)clock_gettime, (void *)entry, {1, 2, 3, 4, 5, 6, 7, 8}, 4};
    int64_t rows[6] = {0}, time = 0;
    intptr_t status = 0;
    struct timespec at;
    read(&call, &time, 1);
    clock_gettime(CLOCK_MONOTONIC, &at);
    const int64_t whole = run(&call, rows, 3, INT64_MAX, 2, &status);
    const int64_t after_failure = run(&call, rows, 3, INT64_MAX, 2, &status);
    int ordered = rows[0] >= time;
    for (int index = 1; index < 6; index++)
        ordered = ordered && rows[index - 1] <= rows[index];
    printf("%d %lld %lld %d %ld %d %d\n", (int)(8 * sizeof(void *)), (long long)whole, (long long)after_failure,
           (int)status, seen, at.tv_sec * INT64_C(1000000000) + at.tv_nsec >= time, ordered);
    return 0;
}
