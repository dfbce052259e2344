/*
 * What we answer: one table of codes and short JSON bodies, made once and shared by all requests, so that the common
 * case allocates nothing. Answers never repeat what the client sent. The loop's thread only.
 */
#ifndef MUSTER_API_ANSWER_H
#define MUSTER_API_ANSWER_H

#include "server/base/buf.h"
#include "server/base/secret.h"

#include <microhttpd.h>

enum answer_id {
    ANSWER_STORED,
    ANSWER_KNOWN,
    ANSWER_IGNORED,
    ANSWER_ALIVE,
    ANSWER_READY,
    ANSWER_EMPTY,
    ANSWER_NO_EVENT,
    ANSWER_NO_DELIVERY,
    ANSWER_BAD_TYPE,
    ANSWER_BAD_SIGNATURE,
    ANSWER_NO_TOKEN,
    ANSWER_NO_AGENT_TOKEN,
    ANSWER_NO_API_TOKEN,
    ANSWER_NO_RUNNER_NAME,
    ANSWER_NO_SUCH_MACHINE,
    ANSWER_NOT_LAUNCHED,
    ANSWER_FETCHED,
    ANSWER_TOO_MANY,
    ANSWER_NOT_READ,
    ANSWER_NOT_FOUND,
    ANSWER_ONLY_POST,
    ANSWER_ONLY_GET,
    ANSWER_ONLY_GET_POST,
    ANSWER_ONLY_ONE_GET,
    ANSWER_TOO_LARGE,
    ANSWER_BUSY,
    ANSWER_NOT_STORED,
    ANSWER_STOPPING
};
#define ANSWERS (ANSWER_STOPPING + 1)

struct answers;

struct answers *answers_new(void);
void answers_free(struct answers *a); /* accepts NULL; no daemon may still use them */
/* From now on every answer ends its connection. */
void answers_close(struct answers *a);

unsigned answer_code(enum answer_id id);
const char *answer_reason(enum answer_id id); /* the sentence, for the log */
const char *answer_code_label(unsigned code); /* "202": from a fixed set, for metrics */

enum MHD_Result answer_send(const struct answers *a, struct MHD_Connection *c, enum answer_id id);
/* {"error": sentence} */
enum MHD_Result answer_error(const struct answers *a, struct MHD_Connection *c, unsigned code, const char *sentence);
/* JSON that holds secrets: takes the text, which is wiped once it is sent. */
enum MHD_Result answer_secret(const struct answers *a, struct MHD_Connection *c, struct buf *json);
/* A script that holds secrets; wiped once it is sent. */
enum MHD_Result answer_script(const struct answers *a, struct MHD_Connection *c, const struct secret *script);
/* Any other text; copies it. */
enum MHD_Result answer_text(const struct answers *a, struct MHD_Connection *c, unsigned code, const char *type,
                            const struct buf *text);

#endif
