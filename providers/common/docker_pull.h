/*
 * Fetching an image that the engine does not have, and whose credentials it needs for that.
 *
 * The engine answers with a stream of JSON objects, one a line, for as long as it takes: what each layer is at, and a
 * failure as one of them though the status was 200.
 */
#ifndef MUSTER_PROVIDERS_COMMON_DOCKER_PULL_H
#define MUSTER_PROVIDERS_COMMON_DOCKER_PULL_H

#include "providers/common/docker.h"
#include "providers/common/poll.h"
#include "server/base/fact.h"

/* "host:5000/a/b:tag@sha256:..." as Docker reads it; cut to what follows. */
struct docker_ref {
    char name[256]; /* without tag and digest */
    char tag[140];  /* tag, or digest with its algorithm; "latest" when there is neither */
    char host[140]; /* whose credentials: the registry's host, "docker.io" when the name has none */
};

/* ERR_INVALID: no reference of an image. */
int docker_ref_parse(const char *image, struct docker_ref *out, struct err *e) MUST_USE;

/* Every spelling of what an engine would pull: in full (docker.io/library/ubuntu:latest) and in short (ubuntu). Of a
 * tag with a digest behind it the digest alone counts. */
int docker_ref_spell(const char *image, struct fact *out, struct err *e) MUST_USE;

/* The registry's credentials in Docker's own config.json (`auths`; helper programs are not run) as the header value
 * X-Registry-Auth, NULL when it has none or cannot be read. */
struct secret *docker_ref_auth(const struct docker_ref *ref, const char *config_path);

struct docker_pull {
    const struct docker_ref *ref;
    const struct secret *auth;                /* NULL = none */
    void (*say)(void *arg, const char *text); /* "pulling IMAGE: 12 of 40 MB"; NULL = nobody listens */
    void *say_arg;
    int deadline_ms, silence_ms; /* of the whole; without a word of the engine */
    poll_pause_fn *pause;        /* asked at each word of the engine whether the daemon is ending; NULL = it never is */
    void *pause_arg;
};
/* ERR_RETRY too when the daemon is ending: the engine may go on, and the next try finds what it has by then. */
int docker_pull(struct docker *d, const struct docker_pull *p, struct err *e) MUST_USE;

/* The reader of the stream, by itself for tests: takes bytes as they come. */
#define DOCKER_PULL_LAYERS 128
#define DOCKER_PULL_LINE ((size_t)64 * 1024)
struct docker_stream {
    struct buf line; /* BUF_INIT(DOCKER_PULL_LINE) */
    struct {
        char id[16];
        int64_t done, of; /* bytes */
    } layers[DOCKER_PULL_LAYERS];
    size_t n_layers;
    bool broken;   /* a line that is no object, or never ends */
    char *failure; /* what the engine says went wrong; NULL = nothing yet. free() */
    size_t lines;
    int64_t done, of; /* of all layers so far */
};
int docker_stream_add(void *stream, const char *data, size_t len); /* -1 = it makes no sense */
void docker_stream_clear(struct docker_stream *s);

#endif
