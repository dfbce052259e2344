#include "server/api/conn.h"

#include "server/base/mem.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define MIN_PATIENCE_MS 1000 /* a request younger than this is never pushed out by others */
#define SWEEP_MS 1000
#define FIRST_WORD_MS 2000 /* a stop waits so long for the request of who has just come */

static void list_append(struct conn_list *l, struct conn *c)
{
    c->prev = l->tail;
    c->next = NULL;
    if (l->tail != NULL)
        l->tail->next = c;
    else
        l->head = c;
    l->tail = c;
}

static void list_remove(struct conn_list *l, struct conn *c)
{
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        l->head = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    else
        l->tail = c->prev;
}

struct conn *conn_add(struct conn_table *t, struct MHD_Connection *mhd, int64_t now_ms)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct conn *c = mem_zalloc(sizeof(*c));

    c->fd = info->connect_fd;
    c->since_ms = now_ms;
    c->state = CONN_RECEIVING;
    list_append(&t->lists[CONN_RECEIVING], c);
    t->n++;
    return c;
}

void conn_remove(struct conn_table *t, struct conn *c)
{
    list_remove(&t->lists[c->state], c);
    t->n--;
    free(c);
}

void conn_move(struct conn_table *t, struct conn *c, enum conn_state state, int64_t now_ms)
{
    list_remove(&t->lists[c->state], c);
    c->state = state;
    c->since_ms = now_ms;
    list_append(&t->lists[state], c);
}

struct conn *conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info->socket_context;
}

void conn_shut(struct conn_table *t, struct conn *c, int64_t now_ms)
{
    (void)shutdown(c->fd, SHUT_RDWR);
    conn_move(t, c, CONN_CLOSING, now_ms);
}

static bool asks_for_nothing(const struct conn *c)
{
    int unread = 0;

    return ioctl(c->fd, FIONREAD, &unread) == 0 && unread == 0;
}

static bool is_silent(const struct conn *c)
{
    return !c->heard && asks_for_nothing(c);
}

static bool has_said_its_last(const struct conn *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLRDHUP) != 0 && asks_for_nothing(c);
}

static void sweep_list(struct conn_table *t, enum conn_state state, int64_t now_ms)
{
    struct conn *c, *next;

    for (c = t->lists[state].head; c != NULL; c = next) {
        next = c->next;
        if (has_said_its_last(c))
            conn_shut(t, c, now_ms);
    }
}

void conn_sweep(struct conn_table *t, int64_t now_ms)
{
    if (now_ms - t->swept_ms < SWEEP_MS)
        return;
    t->swept_ms = now_ms;
    sweep_list(t, CONN_RECEIVING, now_ms);
    sweep_list(t, CONN_IDLE, now_ms);
}

/* When the one that has been here longest without a word has been here long enough; -1 = there is none. */
static int64_t first_word_deadline(const struct conn_table *t)
{
    for (const struct conn *c = t->lists[CONN_RECEIVING].head; c != NULL; c = c->next) {
        if (is_silent(c))
            return c->since_ms + FIRST_WORD_MS;
    }
    return -1;
}

int64_t conn_sooner(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

int64_t conn_next_deadline(const struct conn_table *t)
{
    bool to_sweep = t->lists[CONN_RECEIVING].head != NULL || t->lists[CONN_IDLE].head != NULL;
    int64_t next = to_sweep ? t->swept_ms + SWEEP_MS : -1;

    for (int i = 0; i < CONN_STATES; i++) {
        const struct conn *first = t->lists[i].head;

        if (first != NULL && t->timeout_ms[i] != 0)
            next = conn_sooner(next, first->since_ms + t->timeout_ms[i]);
    }
    if (t->is_stopping)
        next = conn_sooner(next, first_word_deadline(t));
    return next;
}

static void shut_silent(struct conn_table *t, int64_t now_ms)
{
    struct conn *c, *next;

    for (c = t->lists[CONN_RECEIVING].head; c != NULL && c->since_ms + FIRST_WORD_MS <= now_ms; c = next) {
        next = c->next;
        if (is_silent(c))
            conn_shut(t, c, now_ms);
    }
}

void conn_expire(struct conn_table *t, int64_t now_ms, void (*give_up)(struct conn *c))
{
    for (int i = 0; i < CONN_STATES; i++) {
        struct conn *c, *next;

        for (c = t->lists[i].head; c != NULL && t->timeout_ms[i] != 0; c = next) {
            next = c->next;
            if (c->since_ms + t->timeout_ms[i] > now_ms)
                break;
            if (i == CONN_WAITING)
                give_up(c);
            else
                conn_shut(t, c, now_ms);
        }
    }
    if (t->is_stopping)
        shut_silent(t, now_ms);
}

bool conn_shed_idle(struct conn_table *t, int64_t now_ms)
{
    if (t->lists[CONN_IDLE].head == NULL)
        return false;
    conn_shut(t, t->lists[CONN_IDLE].head, now_ms);
    return true;
}

void conn_make_room(struct conn_table *t, int64_t now_ms)
{
    struct conn *oldest = t->lists[CONN_RECEIVING].head;

    if (t->n < t->limit || conn_shed_idle(t, now_ms))
        return;
    if (oldest != NULL && now_ms - oldest->since_ms >= MIN_PATIENCE_MS)
        conn_shut(t, oldest, now_ms);
}

void conn_stop(struct conn_table *t, int64_t now_ms)
{
    struct conn *c;

    t->is_stopping = true;
    while ((c = t->lists[CONN_IDLE].head) != NULL) {
        if (asks_for_nothing(c))
            conn_shut(t, c, now_ms);
        else
            conn_move(t, c, CONN_RECEIVING, now_ms);
    }
}

bool conn_busy(const struct conn_table *t)
{
    return t->lists[CONN_RECEIVING].head != NULL || t->lists[CONN_WAITING].head != NULL ||
           t->lists[CONN_ANSWERING].head != NULL;
}
