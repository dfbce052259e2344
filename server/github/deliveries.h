/*
 * The App's own delivery log, and a look at its installations. Both as the App itself (JWT). Source: GitHub's REST
 * description, operations apps/list-webhook-deliveries, apps/redeliver-webhook-delivery, apps/get-installation.
 *
 * The log is read without its filter: status=failure leaves out what got no answer at all. A redelivery keeps its GUID
 * and has an id of its own, so that one GUID may stand there several times. Newest first.
 */
#ifndef MUSTER_GITHUB_DELIVERIES_H
#define MUSTER_GITHUB_DELIVERIES_H

#include "server/github/app.h"

#define GITHUB_DELIVERIES_PAGE 100
#define GITHUB_CURSOR_MAX 256

struct github_delivery {
    int64_t id, delivered_ms;
    char guid[65], event[32], action[40]; /* action "" = none; a longer name than fits is cut: it is none of ours */
    bool redelivery;
    bool throttled; /* GitHub held it back: it may come yet */
    int status_code;
    int64_t installation_id, repo_id; /* 0 = not about one */
};
/* Did somebody take it? */
static inline bool github_delivery_answered(const struct github_delivery *d)
{
    return d->status_code >= 200 && d->status_code < 400;
}

struct github_deliveries {
    struct github_delivery items[GITHUB_DELIVERIES_PAGE];
    size_t n;
    char cursor[GITHUB_CURSOR_MAX]; /* of the next page; "" = this was the last */
    int64_t now_ms;                 /* on GitHub's clock */
};
/* One page; cursor "" = the newest. What a page holds beside what it must is passed over: deliveries that cannot be
 * read (they are not counted in n). ERR_RETRY: no such list. */
int github_deliveries_get(struct github *g, const char *cursor, struct github_deliveries *out, struct err *e) MUST_USE;
/* The same from an answer's body and Link header ("" = none). */
int github_deliveries_parse(const char *body, size_t len, const char *link, struct github_deliveries *out,
                            struct err *e) MUST_USE;

/* Send it once more. It is on its way, perhaps: GitHub answers before it tries. ERR_GONE: it is too old. */
int github_redeliver(struct github *g, int64_t delivery_id, struct err *e) MUST_USE;

/* Is the App installed there, and may it act? */
enum github_installed { GITHUB_INSTALLED, GITHUB_SUSPENDED, GITHUB_UNINSTALLED };
int github_installation_look(struct github *g, int64_t installation_id, enum github_installed *out,
                             struct err *e) MUST_USE;

#endif
