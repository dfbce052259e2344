/*
 * A Docker Engine, or Podman's service that speaks its language: connection, version, and the calls that one machine
 * needs. Knows nothing of provider.h. The API: https://docs.docker.com/reference/api/engine/ (the vendor's description
 * is api/swagger.yaml of github.com/moby/moby).
 *
 * Any thread. The engine is asked for its version and its size at most once a minute.
 */
#ifndef MUSTER_PROVIDERS_COMMON_DOCKER_H
#define MUSTER_PROVIDERS_COMMON_DOCKER_H

#include "providers/common/rest.h"

#define DOCKER_SOCKET "/var/run/docker.sock"

struct docker_conf { /* borrowed until docker_free */
    struct httpc *http;
    const char *host;            /* unix:///path, tcp://host:port, http:// or https://; NULL = the usual socket */
    const char *cert_path;       /* directory with ca.pem, cert.pem and key.pem: TCP is TLS then; NULL = it is not */
    const struct secret *secret; /* of the account, masked in error texts; NULL = none */
    int timeout_ms;              /* of each request; 0 = 30,000 */
};

struct docker;

/* No network. ERR_INVALID: the address is none. */
int docker_open(const struct docker_conf *c, struct docker **out, struct err *e) MUST_USE;
void docker_free(struct docker *d);                     /* accepts NULL */
const char *docker_socket_path(const struct docker *d); /* NULL = TCP */

struct docker_engine {
    char api[16]; /* "1.41": the version that both speak */
    bool podman;
    int64_t cpus, memory; /* of the host: processors, bytes */
    int gpus;             /* that the engine itself knows of; -1 = it cannot tell */
};
int docker_engine(struct docker *d, struct docker_engine *out, struct err *e) MUST_USE;

/* A call with its path below the version: "/containers/json?all=1". */
int docker_call(struct docker *d, struct rest_call *call, struct rest_res *res, struct err *e) MUST_USE;

/* The same shown instead of sent; the version, which only the engine knows, as "<version>". */
int docker_show(const struct docker *d, struct rest_call *call, json_t *list, struct err *e) MUST_USE;

/* A failure that came inside a success. Returns -1. */
int docker_refuse(const struct docker *d, const struct rest_call *call, const char *said, struct err *e) MUST_USE;

/* What the engine says of one container; borrowed from its document. */
struct docker_box {
    char id[65];
    const char *state; /* "created", "running", "exited", ... */
    int64_t created_ms;
    const json_t *labels; /* an object, or NULL */
};
const char *docker_label(const struct docker_box *b, const char *key); /* NULL = it has none */

/* Every container, in any state, with a label ("key" or "key=value"; not trusted: compare again). */
int docker_each(struct docker *d, const char *label, int (*each)(void *arg, const struct docker_box *b, struct err *e),
                void *arg, struct err *e) MUST_USE;

/* By id or name: `see` is called once, or not at all when there is none. */
int docker_look(struct docker *d, const char *id, int (*see)(void *arg, const struct docker_box *b, struct err *e),
                void *arg, struct err *e) MUST_USE;

enum docker_made {
    DOCKER_MADE,
    DOCKER_NAME_TAKEN, /* *e says by whom */
    DOCKER_NO_IMAGE,   /* not here: it must be pulled first */
    DOCKER_NO_QUOTA,   /* its storage cannot limit a container's disk */
};
/* name: letters, digits and - only. id is written for DOCKER_MADE alone. hide: what the body must not show. */
int docker_create(struct docker *d, const char *name, const json_t *body, const struct secret *hide,
                  enum docker_made *how, char id[65], struct err *e) MUST_USE;
struct rest_call docker_creation(const char *name, const json_t *body, struct buf *path);

/* One file, mode 0700, owned by root, into a container's root directory; its text is not in any list or process. */
int docker_upload(struct docker *d, const char *id, const char *file, const struct secret *text,
                  struct err *e) MUST_USE;
int docker_start(struct docker *d, const char *id, struct err *e) MUST_USE;  /* already started = 0 */
int docker_remove(struct docker *d, const char *id, struct err *e) MUST_USE; /* with its volumes; gone = 0 */

/* An id of 64 hex digits. */
bool docker_is_id(const char *id);

#endif
