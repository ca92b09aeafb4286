/* The timed loop: calls a runtime's C entry point and keeps when each call began and ended.
 *
 * Freestanding: no library, no relocation, no symbol version, so that one file per architecture loads under
 * every C library. clock_gettime is handed in by the process that has one.
 */
#include <stdint.h>

/* struct timespec of clock_gettime: two longs in glibc, musl and bionic. On 32 bits their time64 variant has
 * another name, and uptime fits into 31 bits. */
struct moment {
    long seconds;
    long nanoseconds;
};

typedef int (*clock_function)(int, struct moment *);
typedef intptr_t (*entry)(intptr_t, intptr_t, intptr_t, intptr_t, intptr_t, intptr_t, intptr_t, intptr_t);

/* status_bytes: how much of the returned value counts: 0 (nothing), 4 (int) or sizeof(void *). */
struct farm_call {
    clock_function clock;
    entry function;
    intptr_t arguments[8];
    int32_t status_bytes;
};

static inline int64_t now(clock_function clock) {
    struct moment at;
    clock(1 /* CLOCK_MONOTONIC on Linux */, &at);
    return at.seconds * INT64_C(1000000000) + at.nanoseconds;
}

/* Fills rows with start,end pairs, ``calls`` calls in each, and returns how many rows are whole. Ends after
 * the first row that ends at or after until_ns, and before the row of a call that does not return 0: that
 * status goes to *failure. Arguments that the callee does not take are harmless in the C ABIs meant here. */
int64_t farm_run(const struct farm_call *call, int64_t *rows, int64_t count, int64_t until_ns, int64_t calls,
                 intptr_t *failure) {
    const clock_function clock = call->clock;
    const entry function = call->function;
    const intptr_t *a = call->arguments;
    const intptr_t mask = call->status_bytes == 0 ? 0 : call->status_bytes == 4 ? (intptr_t)UINT32_MAX : -1;
    for (int64_t row = 0; row < count; row++) {
        const int64_t start = now(clock);
        for (int64_t done = 0; done < calls; done++) {
            const intptr_t status = function(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]) & mask;
            if (status != 0) {
                *failure = status;
                return row;
            }
        }
        const int64_t end = now(clock);
        rows[2 * row] = start;
        rows[2 * row + 1] = end;
        if (end >= until_ns)
            return row + 1;
    }
    return count;
}

/* Reads the clock count times in a row. */
void farm_clock(const struct farm_call *call, int64_t *times, int64_t count) {
    const clock_function clock = call->clock;
    for (int64_t index = 0; index < count; index++)
        times[index] = now(clock);
}
