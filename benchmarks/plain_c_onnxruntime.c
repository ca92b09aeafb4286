/* ONNX Runtime's Run in a plain C loop. The numbers are places in struct OrtApi (onnxruntime_c_api.h). */
#include "plain_c.h"

typedef void *status;

static void **api;

static void check(status got) {
    if (got != NULL)
        fail("ONNX Runtime", ((const char *(*)(status))api[2])(got));
}

int main(int argc, char **argv) {
    if (argc < 7)
        fail(argv[0], "too few arguments");
    const struct {
        void *(*get_api)(uint32_t);
    } *base = ((void *(*)(void))function(library(argv[1]), "OrtGetApiBase"))();
    api = base->get_api(12);
    if (api == NULL)
        fail(argv[1], "does not serve version 12 of its API");
    int64_t shape[8];
    size_t elements;
    const int rank = argc - 6;
    float *data = inputs(rank, argv + 6, shape, &elements);
    void *environment, *options, *session, *memory, *input, *output = NULL;
    check(((status(*)(int, const char *, void **))api[3])(3, "plain", &environment));
    check(((status(*)(void **))api[10])(&options));
    check(((status(*)(void *, int))api[24])(options, 1));
    check(((status(*)(void *, int))api[25])(options, 1));
    check(((status(*)(void *, int))api[22])(options, 3));
    check(((status(*)(void *, const char *, const char *))api[130])(
        options, "session.intra_op.allow_spinning", "0"));
    check(((status(*)(void *, const char *, void *, void **))api[7])(environment, argv[2], options, &session));
    check(((status(*)(int, int, void **))api[69])(1, 0, &memory));
    check(((status(*)(void *, void *, size_t, int64_t *, size_t, int, void **))api[49])(
        memory, data, elements * sizeof *data, shape, (size_t)rank, 1, &input));
    const char *in[] = {argv[4]}, *out[] = {argv[5]};
    status (*run)(void *, void *, const char **, void **, size_t, const char **, size_t, void **) =
        (status(*)(void *, void *, const char **, void **, size_t, const char **, size_t, void **))api[9];
    MEASURE(atof(argv[3]), run(session, NULL, in, &input, (size_t)1, out, (size_t)1, &output));
    return 0;
}
