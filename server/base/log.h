/*
 * One JSON object per line on standard error: {"time":…,"level":"info","event":"machine.launched","machine":"…"}.
 *
 * Event names are noun.past_tense, field keys are fixed: machine, job, repo, cloud, region, instance_type, instance,
 * runner, delivery, kind, error, took_ms, count, ... A struct secret has no field macro.
 *
 *     log_info(EV("machine.launched"), FS("machine", m->name), FI("took_ms", t));
 *
 * Each line is one write(2), or several when it is longer than a pipe takes at once. Nobody waits for a reader that
 * stands still: lines are dropped, and counted in a line "log.lost" once it goes on. Safe from any thread. Rows 0-4 log
 * nothing above debug; rows 5-7 log once.
 */
#ifndef MUSTER_BASE_LOG_H
#define MUSTER_BASE_LOG_H

#include "server/base/err.h"

#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_NONE };

enum log_field_type { LOG_END, LOG_STR, LOG_I64, LOG_BOOL };

struct log_field {
    enum log_field_type type;
    const char *key;
    const char *s; /* NULL is written as null; over 2,000 bytes is cut; bad UTF-8 becomes U+FFFD */
    int64_t i;
};

#define EV(name) ("" name)
#define FS(k, v) ((struct log_field){LOG_STR, ("" k), (v), 0})
#define FI(k, v) ((struct log_field){LOG_I64, ("" k), NULL, (v)})
#define FB(k, v) ((struct log_field){LOG_BOOL, ("" k), NULL, (v)})
#define FE(err) FS("kind", err_kind_name((err)->kind)), FS("error", (err)->msg)
#define LOG_FIELDS_END_ ((struct log_field){LOG_END, NULL, NULL, 0})

#define log_debug(...) log_at_(LOG_DEBUG, __VA_ARGS__, LOG_FIELDS_END_)
#define log_info(...) log_at_(LOG_INFO, __VA_ARGS__, LOG_FIELDS_END_)
#define log_warn(...) log_at_(LOG_WARN, __VA_ARGS__, LOG_FIELDS_END_)
#define log_error(...) log_at_(LOG_ERROR, __VA_ARGS__, LOG_FIELDS_END_)
#define log_at_(level, event, ...) log_write((level), (event), (const struct log_field[]){__VA_ARGS__})

void log_write(enum log_level level, const char *event, const struct log_field *fields);

void log_set_level(enum log_level level); /* at start, default info */
void log_set_fd(int fd);                  /* tests: write there instead of standard error */
/* The daemon, at its start: where standard error is a terminal, a pipe or a socket, no write waits from now on, and
 * nothing changes for others who have it. Where it cannot be opened again (it is another user's), as before: a terminal
 * that stands still in the middle of a line is waited for. */
void log_own_fd(void);
int log_parse_level(const char *s, enum log_level *out, struct err *e) MUST_USE;

#endif
