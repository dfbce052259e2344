/* Which of what was found may end, and its end: GitHub asked, destroyed, waited for. */
#include "server/cli/sweep_int.h"

#include "server/base/clock.h"
#include "server/engine/sweep_ask.h"

#include <stdio.h>
#include <string.h>

#define YOUNG_MS ((int64_t)30 * 60 * 1000) /* --all leaves it alone: perhaps a muster runs and waits for it */
#define LOOK_MS 2000

static void keep(struct sweep_found *f, const char *why)
{
    f->fate = FATE_KEPT;
    (void)snprintf(f->why, sizeof(f->why), "%s", why);
}

/* By its tags alone: may it end at all? */
static bool is_due(const struct sweeping *s, struct sweep_found *f, bool *expired)
{
    *expired = f->i.expires_ms > 0 && f->i.expires_ms <= s->now_ms;
    if (f->i.state == INSTANCE_ENDING)
        keep(f, "it is ending already");
    else if (*expired)
        return true;
    else if (s->all == NULL)
        keep(f, f->i.expires_ms > 0 ? "its lifetime is not over" : "no tag tells when its lifetime is over");
    else if (f->i.created_ms > s->now_ms - YOUNG_MS)
        keep(f, "it was made less than 30 minutes ago");
    else
        return true;
    return false;
}

/* Where there is an App to ask as, no answer keeps a machine as long as its job may run: limits.overtime beyond it. */
static bool is_over(const struct sweeping *s, const struct sweep_found *f)
{
    int64_t overtime_ms = s->github != NULL ? conf_int(s->conf->limits, "overtime") : 0;

    return f->i.expires_ms > 0 && s->now_ms >= f->i.expires_ms + overtime_ms;
}

/* A healthy job is never killed. What GitHub cannot tell keeps a machine only while its job may run. */
static void ask(const struct sweeping *s, struct sweep_found *f, bool expired)
{
    struct sweep_question q = {.github = s->github, .name = f->i.name, .repo = f->i.repo, .remove = !s->dry_run};
    const char *why = "", *over = expired ? "its lifetime is over" : "its lifetime is not over, --all";
    struct err cause;

    f->fate = FATE_MARKED;
    if (f->i.part || f->i.state == INSTANCE_STOPPED) {
        (void)snprintf(f->why, sizeof(f->why), "%s; %s", over,
                       f->i.part ? "its machine is not there" : "it is stopped");
        return;
    }
    switch (sweep_ask(&q, &why, &cause)) {
    case SWEEP_IDLE:
        (void)snprintf(f->why, sizeof(f->why), "%.60s; %.200s", over, why);
        return;
    case SWEEP_BUSY:
        keep(f, "GitHub says that its runner has a job");
        return;
    case SWEEP_UNHEARD:
        (void)snprintf(f->why, sizeof(f->why), "%.60s; GitHub could not be asked whether it works: %.180s", over,
                       cause.msg);
        if (!is_over(s, f))
            f->fate = FATE_KEPT;
        return;
    }
}

static void destroy(struct sweep_found *f)
{
    struct err e;

    if (f->account->ops->destroy(f->provider, &f->i, &e) == 0) {
        f->fate = FATE_ENDING;
        return;
    }
    f->fate = FATE_FAILED;
    (void)snprintf(f->why, sizeof(f->why), "%.290s", e.msg);
}

/* *ending: how many are not gone yet. What cannot be asked for is asked for again. */
static void look(struct sweeping *s, size_t *ending)
{
    *ending = 0;
    for (size_t i = 0; i < s->n_found; i++) {
        struct sweep_found *f = &s->found[i];
        struct instance now = {.state = INSTANCE_PENDING};
        struct err e;

        if (f->fate != FATE_ENDING)
            continue;
        if (f->account->ops->describe(f->provider, &f->i, &now, &e) == 0 && now.state == INSTANCE_GONE) {
            f->fate = FATE_DESTROYED;
            continue;
        }
        /* a part (Azure) that could not go before its machine did */
        if (f->i.part || now.state == INSTANCE_STOPPED)
            (void)f->account->ops->destroy(f->provider, &f->i, &e);
        (*ending)++;
    }
}

static void await(struct sweeping *s)
{
    int64_t until = clock_mono_ms() + s->wait_ms;
    size_t ending;

    for (look(s, &ending); ending > 0 && clock_mono_ms() < until; look(s, &ending)) {
        if (s->talk)
            (void)fprintf(stderr, "waiting until %zu are gone\n", ending);
        (void)pause_for(s->pause, LOOK_MS);
    }
    for (size_t i = 0; i < s->n_found; i++) {
        if (s->found[i].fate != FATE_ENDING)
            continue;
        s->found[i].fate = FATE_FAILED;
        (void)snprintf(s->found[i].why, sizeof(s->found[i].why),
                       "its end was accepted, but it is not gone after %lld seconds: look again",
                       (long long)(s->wait_ms / 1000));
    }
}

void sweep_end_all(struct sweeping *s)
{
    for (size_t i = 0; i < s->n_found; i++) {
        struct sweep_found *f = &s->found[i];
        bool expired;

        if (!is_due(s, f, &expired))
            continue;
        ask(s, f, expired);
        if (f->fate == FATE_MARKED && !s->dry_run)
            destroy(f);
    }
    if (!s->dry_run)
        await(s);
}
