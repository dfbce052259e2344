/* The stream of an image pull: however it is cut, the sums are those of its layers, and it ends within its ceilings. */
#include "tests/fuzz/fuzz.h"

#include "providers/common/docker_pull.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct docker_stream whole = {.line = BUF_INIT(DOCKER_PULL_LINE)}, cut = {.line = BUF_INIT(DOCKER_PULL_LINE)};
    int64_t done = 0, of = 0;
    size_t piece = size > 0 ? 1 + data[0] % 7 : 1;
    int rc = docker_stream_add(&whole, (const char *)data, size);

    for (size_t at = 0; at < size; at += piece)
        (void)docker_stream_add(&cut, (const char *)data + at, size - at < piece ? size - at : piece);
    NEED(rc == (whole.broken ? -1 : 0));
    NEED(whole.broken == cut.broken && whole.lines == cut.lines && whole.done == cut.done && whole.of == cut.of);
    NEED((whole.failure == NULL) == (cut.failure == NULL));
    NEED(whole.n_layers <= DOCKER_PULL_LAYERS);
    for (size_t i = 0; i < whole.n_layers; i++) {
        done += whole.layers[i].done;
        of += whole.layers[i].of;
    }
    NEED(done == whole.done && of == whole.of && done <= of);
    docker_stream_clear(&whole);
    docker_stream_clear(&cut);
    return 0;
}
