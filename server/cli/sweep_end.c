/* Which of what was found may end, and its end: GitHub asked, destroyed, waited for. */
#include "server/cli/sweep_int.h"

#include "server/base/clock.h"
#include "server/base/text.h"
#include "server/engine/sweep_ask.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define YOUNG_MS ((int64_t)30 * 60 * 1000) /* --all leaves it alone: perhaps a muster runs and waits for it */
#define LOOK_MS 2000                       /* between two looks whether what was ended is gone, at first; */
#define LOOK_MOST_MS 30000                 /* doubling up to this */
#define DESTROY_AGAIN_MS 30000             /* what could not go yet is asked to no sooner */

/* In pieces that clouds and GitHub wrote, and cut where there is no room for more: fit to show, and for JSON. */
static void say(struct sweep_found *f, const char *fmt, ...) PRINTF(2, 3);
static void say(struct sweep_found *f, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(f->why, sizeof(f->why), fmt, args);
    va_end(args);
    text_tidy(f->why);
}

static void keep(struct sweep_found *f, const char *why)
{
    f->fate = FATE_KEPT;
    say(f, "%s", why);
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
        say(f, "%s; %s", over, f->i.part ? "its machine is not there" : "it is stopped");
        return;
    }
    switch (sweep_ask(&q, &why, &cause)) {
    case SWEEP_IDLE:
        say(f, "%.60s; %.200s", over, why);
        return;
    case SWEEP_BUSY:
        keep(f, "GitHub says that its runner has a job");
        return;
    case SWEEP_UNHEARD:
        say(f, "%.60s; GitHub could not be asked whether it works: %.180s", over, cause.msg);
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
    say(f, "%.290s", e.msg);
}

/* *ending: how many are not gone yet. again: what cannot be ended yet is asked for again. */
static void look(struct sweeping *s, bool again, size_t *ending)
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
        if (again && (f->i.part || now.state == INSTANCE_STOPPED))
            (void)f->account->ops->destroy(f->provider, &f->i, &e);
        (*ending)++;
    }
}

/* How long until the next look; 0: the time is over. */
static int64_t next_look_ms(int64_t until_ms, int64_t *pause_ms)
{
    int64_t left_ms = until_ms - clock_mono_ms(), ms = *pause_ms < left_ms ? *pause_ms : left_ms;

    *pause_ms = *pause_ms * 2 < LOOK_MOST_MS ? *pause_ms * 2 : LOOK_MOST_MS;
    return ms > 0 ? ms : 0;
}

/* With many machines, to look often is to be refused: for so many calls, and then by the clouds that are still to go.
 */
static void await(struct sweeping *s)
{
    int64_t asked_ms = clock_mono_ms(), until_ms = asked_ms + s->wait_ms, pause_ms = LOOK_MS, ms;
    bool again = false;
    size_t ending;

    for (look(s, again, &ending); ending > 0 && (ms = next_look_ms(until_ms, &pause_ms)) > 0; look(s, again, &ending)) {
        if (s->talk)
            (void)fprintf(stderr, "waiting until %zu are gone\n", ending);
        (void)s->env.pause(s->env.pause_arg, ms);
        again = clock_mono_ms() - asked_ms >= DESTROY_AGAIN_MS;
        if (again)
            asked_ms = clock_mono_ms();
    }
    for (size_t i = 0; i < s->n_found; i++) {
        if (s->found[i].fate != FATE_ENDING)
            continue;
        s->found[i].fate = FATE_FAILED;
        say(&s->found[i], "its end was accepted, but it is not gone after %lld seconds: look again",
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
