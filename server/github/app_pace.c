/*
 * What GitHub allows, kept to beforehand.
 * https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
 *
 *   in an hour     what x-ratelimit-limit, -remaining and -reset of the answers say
 *   in a minute    900 points: 1 for a reading call, 5 for a writing one; we spend 850 at most, 100 of them at once
 *   contents       80 in a minute, 500 in an hour: check runs and statuses; one at a time (docs, "Best practices"); no
 *                  tokens, re-runs or redeliveries, which nobody is shown
 *   at once        100 calls
 *
 * The order: what ends machines, then what starts them, then what tells people. Each leaves something for those before
 * it: of 100 points at once the last 20 are for the ends of machines; of the hour's calls the last 5 % are, the 10 %
 * before those for repositories that asked for little in this hour, and reports stop at 30 %. Within a rank the
 * repositories of an installation take turns (base/budget.h).
 *
 * Nothing is known before the first answer: until then only a few calls are under way. Answers without
 * x-ratelimit-limit come from a GitHub Enterprise Server, where limits are off as it is delivered: then there are none.
 * One that announces more than github.com ever allows has its own, and only the hour's are known.
 */
#include "server/base/budget.h"
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/base/metric.h"
#include "server/base/text.h"
#include "server/github/app_int.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define AT_ONCE 90        /* of 100 */
#define AT_ONCE_ENDS 100  /* what ends machines may use them all */
#define AT_ONCE_UNKNOWN 8 /* writing ones before the first answer; */
#define READS_UNKNOWN 64  /* and reading ones */
#define HOSTED_MOST 15000 /* calls an hour: the most that github.com allows any App */
#define BARE_ANSWERS 20   /* so many without a limit in a row: it was switched off */
#define RESET_MAX_MS ((int64_t)65 * 60 * 1000)
#define PLACES 1024 /* installations; those that are as good as new go first */
#define REPOS 512

static const struct budget_rate points_rate = {12.5, 100};
static const struct budget_rate minute_rate = {1, 20};
static const struct budget_rate hour_rate = {400.0 / 3600, 100};

static const struct metric_desc paced = {METRIC_COUNTER, "muster_paced_total",
                                         "Calls that were told to come later, before anybody refused them", "what",
                                         NULL};
static const struct metric_desc left = {METRIC_GAUGE, "muster_github_budget",
                                        "Calls left in the hour, of the installation that has the fewest, in percent",
                                        NULL, NULL};

struct used { /* by one repository, in this hour */
    int64_t repo;
    int calls;
};

struct hour { /* of one x-ratelimit-resource */
    bool known;
    int64_t limit, remaining, reset_ms; /* reset_ms: monotonic */
    int64_t told, reset_s;              /* the least that this hour's answers told; which hour that is */
};

enum { CORE, REGISTRATION, HOURS };

struct installation {
    int64_t id, used_ms;
    bool answered, limited;
    int bare; /* answers without a limit, in a row */
    int under_way, contents_under_way;
    int runners_hour; /* which of the hours registrations draw on: the answers tell */
    struct hour hours[HOURS];
    struct budget *points, *minute, *hour;
    struct used *repos;
    size_t n_repos;
};

struct paces {
    pthread_mutex_t lock;
    struct installation **all;
    size_t n;
};

struct paces *paces_new(void)
{
    struct paces *p = mem_zalloc(sizeof(*p));

    (void)pthread_mutex_init(&p->lock, NULL);
    return p;
}

static void installation_free(struct installation *in)
{
    budget_free(in->points);
    budget_free(in->minute);
    budget_free(in->hour);
    free(in->repos);
    free(in);
}

void paces_free(struct paces *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n; i++)
        installation_free(p->all[i]);
    free(p->all);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

/* --- installations ---------------------------------------------------------------------------------------------- */

/* The one that was not asked for the longest: whatever was learnt of it is learnt anew. */
static void make_place(struct paces *p)
{
    size_t oldest = p->n;

    for (size_t i = 0; i < p->n; i++) {
        if (p->all[i]->under_way == 0 && (oldest == p->n || p->all[i]->used_ms < p->all[oldest]->used_ms))
            oldest = i;
    }
    if (oldest == p->n)
        return;
    installation_free(p->all[oldest]);
    p->all[oldest] = p->all[--p->n];
}

static struct installation *find(const struct paces *p, int64_t id)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->all[i]->id == id)
            return p->all[i];
    }
    return NULL;
}

static struct installation *find_or_add(struct paces *p, int64_t id, int64_t now_ms)
{
    struct installation *in = find(p, id);

    if (in != NULL)
        return in;
    if (p->n >= PLACES)
        make_place(p);
    in = mem_zalloc(sizeof(*in));
    in->id = id;
    in->points = budget_new(&points_rate, now_ms);
    in->minute = budget_new(&minute_rate, now_ms);
    in->hour = budget_new(&hour_rate, now_ms);
    p->all = mem_realloc_array(p->all, p->n + 1, sizeof(struct installation *));
    p->all[p->n++] = in;
    return in;
}

/* --- the hour ----------------------------------------------------------------------------------------------------- */

static struct used *used_by(struct installation *in, int64_t repo)
{
    for (size_t i = 0; i < in->n_repos; i++) {
        if (in->repos[i].repo == repo)
            return &in->repos[i];
    }
    if (in->n_repos >= REPOS)
        return NULL; /* so many: none of them has much */
    in->repos = mem_realloc_array(in->repos, in->n_repos + 1, sizeof(*in->repos));
    in->repos[in->n_repos] = (struct used){repo, 0};
    return &in->repos[in->n_repos++];
}

static struct hour *hour_of(struct installation *in, const struct pace_call *c)
{
    return &in->hours[c->registers ? in->runners_hour : CORE];
}

static int64_t floor_of(struct installation *in, const struct hour *h, const struct pace_call *c)
{
    const struct used *u;

    switch (c->use) {
    case GITHUB_FOR_ENDS:
        return 0;
    case GITHUB_FOR_REPORTS:
        return h->limit * 30 / 100;
    case GITHUB_FOR_STARTS:
        break;
    }
    u = used_by(in, c->repo);
    return u == NULL || u->calls < h->limit / 50 ? h->limit / 20 : h->limit * 15 / 100;
}

static int64_t hour_wait_ms(struct installation *in, const struct pace_call *c, int64_t now_ms)
{
    struct hour *h = hour_of(in, c);

    if (h->known && now_ms >= h->reset_ms) {
        h->known = false;
        in->n_repos = 0;
    }
    return h->known && h->remaining <= floor_of(in, h, c) ? h->reset_ms - now_ms : 0;
}

/* --- before a call ---------------------------------------------------------------------------------------------------
 */

static struct budget_ask ask_of(const struct pace_call *c, double cost)
{
    static const double keep[] = {[GITHUB_FOR_STARTS] = 20, [GITHUB_FOR_ENDS] = 0, [GITHUB_FOR_REPORTS] = 40};
    static const int rank[] = {[GITHUB_FOR_STARTS] = 1, [GITHUB_FOR_ENDS] = 0, [GITHUB_FOR_REPORTS] = 2};

    return (struct budget_ask){c->who, c->repo, rank[c->use], cost, cost > 0 ? keep[c->use] : 0};
}

static struct budget_ask points_of(const struct pace_call *c)
{
    return ask_of(c, c->writes ? 5 : 1);
}

static struct budget_ask contents_of(const struct pace_call *c)
{
    struct budget_ask a = ask_of(c, 1);

    a.keep = 0;
    return a;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool is_crowded(const struct installation *in, const struct pace_call *c)
{
    if (!in->answered)
        return in->under_way >= (!c->writes                  ? READS_UNKNOWN
                                 : c->use == GITHUB_FOR_ENDS ? 2 * AT_ONCE_UNKNOWN
                                                             : AT_ONCE_UNKNOWN);
    if (!in->limited)
        return false;
    return in->under_way >= (c->use == GITHUB_FOR_ENDS ? AT_ONCE_ENDS : AT_ONCE) ||
           (c->contents && in->contents_under_way > 0);
}

/* Does the hour's limit look like github.com's, where those of the minute hold too? Until it is known, yes. */
static bool is_hosted(const struct installation *in)
{
    return in->hours[CORE].limit <= HOSTED_MOST;
}

static int64_t wait_of(struct installation *in, const struct pace_call *c, int64_t now_ms)
{
    struct budget_ask points = points_of(c), contents = contents_of(c);
    int64_t wait_ms = is_crowded(in, c) ? 1000 : 0;

    if (!in->limited && in->answered)
        return wait_ms;
    wait_ms = later(wait_ms, hour_wait_ms(in, c, now_ms));
    if (!is_hosted(in))
        return wait_ms;
    if (c->contents) {
        wait_ms = later(wait_ms, budget_wait_ms(in->minute, &contents, now_ms));
        wait_ms = later(wait_ms, budget_wait_ms(in->hour, &contents, now_ms));
    }
    return later(wait_ms, budget_wait_ms(in->points, &points, now_ms));
}

static void go(struct installation *in, const struct pace_call *c, int64_t now_ms)
{
    struct budget_ask points = points_of(c), contents = contents_of(c);
    struct hour *h = hour_of(in, c);
    struct used *u = used_by(in, c->repo);

    in->used_ms = now_ms;
    in->under_way++;
    in->contents_under_way += c->contents ? 1 : 0;
    if (h->known)
        h->remaining--;
    if (u != NULL)
        u->calls++;
    if (c->contents) {
        budget_spend(in->minute, &contents, now_ms);
        budget_spend(in->hour, &contents, now_ms);
    }
    budget_spend(in->points, &points, now_ms);
}

static const char *what(const struct pace_call *c)
{
    switch (c->use) {
    case GITHUB_FOR_STARTS:
        return "github_start";
    case GITHUB_FOR_ENDS:
        return "github_end";
    case GITHUB_FOR_REPORTS:
        return "github_report";
    }
    return "github_start";
}

static int refuse(const struct pace_call *c, int64_t wait_ms, struct err *e)
{
    /* the same each time, so that what a job is told does not change with every second */
    int rc = err_set(e, ERR_THROTTLED,
                     "the calls that GitHub allows us (%s %lld) are used up for now: this one has its turn",
                     c->id != 0 ? "installation" : "App", (long long)c->id);

    e->retry_after_s = (int)((wait_ms + 999) / 1000);
    metric_add(&paced, what(c), 1);
    return rc;
}

int pace_enter(struct paces *p, const struct pace_call *c, struct err *e)
{
    int64_t now_ms = clock_mono_ms(), wait_ms;
    struct installation *in;

    (void)pthread_mutex_lock(&p->lock);
    in = find_or_add(p, c->id, now_ms);
    wait_ms = wait_of(in, c, now_ms);
    if (wait_ms == 0)
        go(in, c, now_ms);
    (void)pthread_mutex_unlock(&p->lock);
    return wait_ms == 0 ? 0 : refuse(c, wait_ms, e);
}

/* --- after it
 * ---------------------------------------------------------------------------------------------------------- */

static bool number(const struct httpc_res *res, const char *name, int64_t *out)
{
    char text[32];
    struct err ignored;

    return httpc_header(res, name, text, sizeof(text)) &&
           text_i64(text, 0, INT32_MAX * (int64_t)1000, out, &ignored) == 0;
}

static int resource_of(const struct httpc_res *res)
{
    char name[64];

    if (httpc_header(res, "x-ratelimit-resource", name, sizeof(name)) &&
        strcmp(name, "actions_runner_registration") == 0)
        return REGISTRATION;
    return CORE;
}

/* The fewest, in percent, over all installations. */
static void measure(const struct paces *p)
{
    double least = 100;

    for (size_t i = 0; i < p->n; i++) {
        const struct hour *h = &p->all[i]->hours[CORE];

        if (h->known && h->limit > 0 && (double)h->remaining * 100 / (double)h->limit < least)
            least = (double)h->remaining * 100 / (double)h->limit;
    }
    metric_set(&left, NULL, least > 0 ? least : 0);
}

static void learn(struct installation *in, const struct pace_call *c, const struct httpc_res *res,
                  int64_t server_now_ms)
{
    int64_t limit, remaining, reset_s, left_ms, now_ms = clock_mono_ms();
    struct hour *h;
    int which = resource_of(res);

    if (!number(res, "x-ratelimit-limit", &limit) || !number(res, "x-ratelimit-remaining", &remaining) ||
        !number(res, "x-ratelimit-reset", &reset_s)) {
        if (res->status < 500) {
            in->answered = true;
            in->limited = in->limited && ++in->bare < BARE_ANSWERS;
        }
        return;
    }
    if (c->registers)
        in->runners_hour = which;
    h = &in->hours[which];
    left_ms = reset_s * 1000 - server_now_ms + 1000;
    if (h->known && now_ms + left_ms > h->reset_ms + RESET_MAX_MS / 2)
        in->n_repos = 0; /* a new hour */
    in->answered = in->limited = true;
    in->bare = 0;
    if (h->known && h->reset_s == reset_s && h->limit == limit && remaining > h->told)
        return; /* it was overtaken by the answer to a later call */
    h->known = left_ms > 0;
    h->limit = limit;
    h->told = remaining;
    h->reset_s = reset_s;
    h->remaining = remaining - in->under_way;
    h->reset_ms = now_ms + (left_ms < RESET_MAX_MS ? left_ms : RESET_MAX_MS);
}

void pace_leave(struct paces *p, const struct pace_call *c, const struct httpc_res *res, int64_t server_now_ms)
{
    struct installation *in;

    (void)pthread_mutex_lock(&p->lock);
    in = find(p, c->id);
    if (in != NULL) {
        in->under_way--;
        in->contents_under_way -= c->contents ? 1 : 0;
        if (res != NULL && !c->as_app)
            learn(in, c, res, server_now_ms);
        measure(p);
    }
    (void)pthread_mutex_unlock(&p->lock);
}

void pace_refused(struct paces *p, const struct pace_call *c, int wait_s)
{
    struct installation *in;

    (void)pthread_mutex_lock(&p->lock);
    in = find(p, c->id);
    if (in != NULL) {
        budget_throttled(in->points, (int64_t)wait_s * 1000, clock_mono_ms());
        in->answered = true;
    }
    (void)pthread_mutex_unlock(&p->lock);
}
