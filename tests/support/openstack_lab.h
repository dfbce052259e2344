/*
 * For programs that tests/openstack/stack.sh runs: accounts of its OpenStack, its administrator's view, and a relay
 * before Nova for what a healthy cloud does not do. What cannot be set up ends the program.
 */
#ifndef MUSTER_TESTS_OPENSTACK_LAB_H
#define MUSTER_TESTS_OPENSTACK_LAB_H

#include "providers/provider.h"
#include "server/base/json.h"
#include "server/base/pause.h"
#include "tests/support/rawserver.h"

#define LAB_TIMEOUT_MS 180000 /* of one request: it is a slow cloud on a busy machine */

/* A variable that stack.sh sets. */
const char *lab_env(const char *name);

struct lab_setting {
    const char *name, *value;
};

struct lab_bed {
    const struct provider_ops *ops;
    struct httpc *http;
    struct pause *pause;
    struct conf *acct;
    struct provider_env env;
    struct provider *p;
    json_t *extra;
};

/* Settings over those of the environment; from_env false: nothing but them. */
struct lab_bed *lab_open(const char *deployment, bool from_env, const struct lab_setting *more, size_t n);
void lab_close(struct lab_bed *b);

/* A machine of the image tiny, with lab_user_data, all five tags, and this extra_config from now on (NULL = none). */
extern const char lab_user_data[];
void lab_extra(struct lab_bed *b, json_t *extra); /* steals it */
int lab_launch(struct lab_bed *b, const char *name, const char *region, const char *type, bool first_try,
               struct instance *out, struct err *e) MUST_USE;

/* A call as the cloud's administrator; the answer's document, which the caller owns, or NULL. */
json_t *lab_as_admin(struct lab_bed *b, const char *method, const char *url, const json_t *body);

struct lab_relay {
    const char *lose;     /* the answer to this method is lost; NULL = none */
    const char *break_at; /* a request whose path holds this is answered with 503; NULL = none */
    size_t refused;       /* answers with 401 so far */
    struct httpc *http;
    struct rawserver *server;
    char url[200];
};
/* An account of the environment whose Nova is behind the relay. */
struct lab_bed *lab_open_relayed(const char *deployment, struct lab_relay *relay);
void lab_relay_stop(struct lab_relay *relay);

#endif
