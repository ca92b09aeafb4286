/* OpenVINO's infer in a plain C loop, with the properties that the agent sets. */
#include "plain_c.h"

typedef struct {
    int64_t rank;
    int64_t *dims;
} shape_type;

static void check(int status) {
    if (status != 0)
        fail("OpenVINO", "a call failed");
}

int main(int argc, char **argv) {
    if (argc < 7)
        fail(argv[0], "too few arguments");
    void *handle = library(argv[1]);
    int64_t dims[8];
    size_t elements;
    const int rank = argc - 6;
    float *data = inputs(rank, argv + 6, dims, &elements);
    const shape_type shape = {rank, dims};
    void *core, *model, *compiled, *request, *port, *tensor;
    int type;
    check(((int (*)(void **))function(handle, "ov_core_create"))(&core));
    check(((int (*)(void *, const char *, const char *, void **))function(handle, "ov_core_read_model"))(
        core, argv[2], NULL, &model));
    check(((int (*)(void *, void *, const char *, size_t, void **, ...))function(
        handle, "ov_core_compile_model"))(
        core, model, "CPU", (size_t)8, &compiled, "INFERENCE_NUM_THREADS", "1", "NUM_STREAMS", "1",
        "PERFORMANCE_HINT", "LATENCY", "INFERENCE_PRECISION_HINT", "f32"));
    check(((int (*)(void *, void **))function(handle, "ov_compiled_model_create_infer_request"))(
        compiled, &request));
    check(((int (*)(void *, size_t, void **))function(handle, "ov_compiled_model_input_by_index"))(
        compiled, (size_t)0, &port));
    check(((int (*)(void *, int *))function(handle, "ov_port_get_element_type"))(port, &type));
    check(((int (*)(int, shape_type, void *, void **))function(handle, "ov_tensor_create_from_host_ptr"))(
        type, shape, data, &tensor));
    check(((int (*)(void *, void *))function(handle, "ov_infer_request_set_input_tensor"))(request, tensor));
    int (*infer)(void *) = (int (*)(void *))function(handle, "ov_infer_request_infer");
    MEASURE(atof(argv[3]), infer(request));
    return 0;
}
