/* LiteRT's compiled model in a plain C loop. Structures as in litert_layout.h and litert_model_types.h. */
#include "plain_c.h"
#include <string.h>

struct tensor_type {
    int32_t element;
    uint32_t rank;
    int32_t dimensions[8];
    uint32_t strides[8];
};

static void *handle;

static void check(int status) {
    if (status != 0)
        fail("LiteRT", "a call failed");
}

static void forget(void *payload) { (void)payload; }

static void *buffer_of(const char *kind, void *environment, void *compiled, void *signature) {
    char name[80];
    void *tensor, *needs, *made;
    struct tensor_type type;
    snprintf(name, sizeof name, "LiteRtGetSignature%sTensorByIndex", kind);
    check(((int (*)(void *, size_t, void **))function(handle, name))(signature, (size_t)0, &tensor));
    check(((int (*)(void *, void *))function(handle, "LiteRtGetRankedTensorType"))(tensor, &type));
    snprintf(name, sizeof name, "LiteRtGetCompiledModel%sBufferRequirements", kind);
    check(((int (*)(void *, size_t, size_t, void **))function(handle, name))(compiled, 0, 0, &needs));
    check(((int (*)(void *, void *, void *, void **))function(
        handle, "LiteRtCreateManagedTensorBufferFromRequirements"))(environment, &type, needs, &made));
    return made;
}

int main(int argc, char **argv) {
    if (argc < 7)
        fail(argv[0], "too few arguments");
    handle = library(argv[1]);
    int64_t shape[8];
    size_t elements;
    float *data = inputs(argc - 6, argv + 6, shape, &elements);
    void *environment, *model, *options, *opaque, *compiled, *signature, *address;
    static char threads[] = "num_threads = 1\n";
    check(((int (*)(int, void *, void **))function(handle, "LiteRtCreateEnvironment"))(0, NULL, &environment));
    check(((int (*)(void *, const char *, void **))function(handle, "LiteRtCreateModelFromFile"))(
        environment, argv[2], &model));
    check(((int (*)(void **))function(handle, "LiteRtCreateOptions"))(&options));
    check(((int (*)(void *, int))function(handle, "LiteRtSetOptionsHardwareAccelerators"))(options, 1));
    check(((int (*)(const char *, void *, void (*)(void *), void **))function(
        handle, "LiteRtCreateOpaqueOptions"))("xnnpack", threads, forget, &opaque));
    check(((int (*)(void *, void *))function(handle, "LiteRtAddOpaqueOptions"))(options, opaque));
    check(((int (*)(void *, void *, void *, void **))function(handle, "LiteRtCreateCompiledModel"))(
        environment, model, options, &compiled));
    check(((int (*)(void *, size_t, void **))function(handle, "LiteRtGetModelSignature"))(
        model, (size_t)0, &signature));
    void *input = buffer_of("Input", environment, compiled, signature);
    void *output = buffer_of("Output", environment, compiled, signature);
    check(((int (*)(void *, void **, int))function(handle, "LiteRtLockTensorBuffer"))(input, &address, 1));
    memcpy(address, data, elements * sizeof *data);
    check(((int (*)(void *))function(handle, "LiteRtUnlockTensorBuffer"))(input));
    int (*run)(void *, size_t, size_t, void **, size_t, void **) =
        (int (*)(void *, size_t, size_t, void **, size_t, void **))function(handle, "LiteRtRunCompiledModel");
    MEASURE(atof(argv[3]), run(compiled, (size_t)0, (size_t)1, &input, (size_t)1, &output));
    return 0;
}
