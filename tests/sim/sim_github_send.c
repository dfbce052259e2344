/* Delivering webhooks: one thread, many connections (curl multi), a log of attempts. GitHub never repeats by itself. */
#include "tests/sim/sim_github_manual.h"
#include "tests/sim/sim_github_priv.h"

#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define ATTEMPT_TIMEOUT_MS 10000L

/* One attempt under way. Only the sender's thread touches it. */
struct flight {
    int64_t delivery_id, began_ms;
    CURL *curl;
    struct curl_slist *headers;
    char *body;
    struct flight *next, **prev;
};

struct gh_sender {
    struct sim_github *g;
    CURLM *multi;
    pthread_t thread;
    atomic_bool stop;
    bool joined;
    pthread_mutex_t lock; /* guards the queue */
    int64_t *queue;       /* delivery ids */
    size_t n, cap;
    struct flight *flights; /* sender's thread only, as under_way */
    int under_way;
};

/* ---- the sender's thread ---- */

static size_t swallow(char *data, size_t size, size_t n, void *arg)
{
    (void)data;
    (void)arg;
    return size * n;
}

static bool take(struct gh_sender *s, int64_t *id)
{
    bool got;

    (void)pthread_mutex_lock(&s->lock);
    got = s->n > 0;
    if (got) {
        *id = s->queue[0];
        memmove(s->queue, s->queue + 1, --s->n * sizeof(*s->queue));
    }
    (void)pthread_mutex_unlock(&s->lock);
    return got;
}

static void header(struct flight *f, const char *fmt, ...) PRINTF(2, 3);
static void header(struct flight *f, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    f->headers = curl_slist_append(f->headers, text);
}

static char *form_body(char *json)
{
    struct buf b = BUF_INIT(4 * 1024 * 1024);
    char *out;

    buf_adds(&b, "payload=");
    sim_url_encode(&b, json, strlen(json));
    free(json);
    out = mem_strdup(b.p);
    buf_clear(&b);
    return out;
}

static void set_headers(const struct sim_github *g, const struct gh_delivery *d, struct flight *f)
{
    unsigned char mac[32];
    char hex[65];

    sim_hmac_sha256(g->secret, strlen(g->secret), f->body, strlen(f->body), mac);
    sim_hex(mac, sizeof(mac), hex);
    header(f, "Content-Type: %s", g->hook.form ? "application/x-www-form-urlencoded" : "application/json");
    header(f, "User-Agent: GitHub-Hookshot/044aadd");
    header(f, "X-GitHub-Event: %s", d->event);
    header(f, "X-GitHub-Delivery: %s", d->guid);
    header(f, "X-GitHub-Hook-ID: 292430182");
    header(f, "X-GitHub-Hook-Installation-Target-ID: %s", g->app_id);
    header(f, "X-GitHub-Hook-Installation-Target-Type: integration");
    header(f, "X-Hub-Signature-256: sha256=%s", hex);
    header(f, "Expect:");
}

/* Under g->lock: what this attempt sends, and where. NULL: no hook is set any more. */
static struct flight *flight_new(struct sim_github *g, struct gh_delivery *d, CURL *curl)
{
    struct flight *f;

    if (g->hook_url == NULL)
        return NULL;
    f = mem_zalloc(sizeof(*f));
    f->curl = curl;
    f->delivery_id = d->id;
    f->began_ms = sim_mono_ms();
    f->body = gh_event_body(&d->what);
    if (g->hook.form)
        f->body = form_body(f->body);
    set_headers(g, d, f);
    (void)curl_easy_setopt(curl, CURLOPT_URL, g->hook_url);
    return f;
}

static void flight_begin(struct gh_sender *s, struct flight *f)
{
    f->next = s->flights;
    f->prev = &s->flights;
    if (f->next != NULL)
        f->next->prev = &f->next;
    s->flights = f;
    s->under_way++;
}

static void flight_end(struct gh_sender *s, struct flight *f)
{
    *f->prev = f->next;
    if (f->next != NULL)
        f->next->prev = f->prev;
    s->under_way--;
    curl_easy_cleanup(f->curl);
    curl_slist_free_all(f->headers);
    free(f->body);
    free(f);
}

static void settle(struct sim_github *g, int64_t id, int status, int64_t took_ms)
{
    struct gh_delivery *d;

    gh_lock(g);
    d = g->deliveries[id - GH_FIRST_DELIVERY];
    d->done = true;
    d->status_code = status;
    d->took_ms = took_ms;
    d->delivered_ms = gh_now_ms(g);
    d->first->open--;
    d->first->succeeded = d->first->succeeded || (status >= 200 && status < 400);
    g->pending--;
    if (status < 200 || status > 299)
        gh_story(g, "webhook %s %s \"%s\" was answered %d", d->event, d->what.action != NULL ? d->what.action : "",
                 d->what.job != NULL ? d->what.job->name : "", status);
    (void)pthread_cond_broadcast(&g->changed);
    gh_unlock(g);
}

static void launch(struct gh_sender *s, int64_t id)
{
    struct sim_github *g = s->g;
    CURL *c = curl_easy_init();
    struct flight *f;

    gh_lock(g);
    f = flight_new(g, g->deliveries[id - GH_FIRST_DELIVERY], c);
    gh_unlock(g);
    if (f == NULL) {
        curl_easy_cleanup(c);
        settle(g, id, 0, 0);
        return;
    }
    (void)curl_easy_setopt(c, CURLOPT_PRIVATE, f);
    (void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, f->headers);
    (void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, f->body);
    (void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(f->body));
    (void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, ATTEMPT_TIMEOUT_MS);
    (void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, swallow);
    (void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(c, CURLOPT_PROXY, "");
    (void)curl_multi_add_handle(s->multi, c);
    flight_begin(s, f);
}

static void harvest(struct gh_sender *s)
{
    const CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(s->multi, &left)) != NULL) {
        struct flight *f = NULL;
        long status = 0;

        if (m->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&f);
        if (m->data.result == CURLE_OK)
            (void)curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        (void)curl_multi_remove_handle(s->multi, f->curl);
        settle(s->g, f->delivery_id, (int)status, sim_mono_ms() - f->began_ms);
        flight_end(s, f);
    }
}

static int parallel(struct sim_github *g)
{
    int n;

    gh_lock(g);
    n = g->hook.parallel > 0 ? g->hook.parallel : 32;
    gh_unlock(g);
    return n;
}

static void *run(void *arg)
{
    struct gh_sender *s = arg;
    int running;
    int64_t id;

    while (!atomic_load(&s->stop)) {
        int max = parallel(s->g);

        while (s->under_way < max && take(s, &id))
            launch(s, id);
        (void)curl_multi_perform(s->multi, &running);
        harvest(s);
        (void)curl_multi_poll(s->multi, NULL, 0, s->under_way > 0 ? 20 : 1000, NULL);
    }
    return NULL;
}

struct gh_sender *gh_sender_new(struct sim_github *g, bool manual)
{
    struct gh_sender *s = mem_zalloc(sizeof(*s));

    s->g = g;
    (void)pthread_mutex_init(&s->lock, NULL);
    s->joined = manual;
    if (manual)
        return s;
    s->multi = curl_multi_init();
    if (s->multi == NULL || pthread_create(&s->thread, NULL, run, s) != 0)
        abort();
    return s;
}

/* What is still under way is broken off. */
static void abandon(struct gh_sender *s)
{
    while (s->flights != NULL) {
        (void)curl_multi_remove_handle(s->multi, s->flights->curl);
        flight_end(s, s->flights);
    }
}

void gh_sender_stop(struct gh_sender *s)
{
    if (s->joined)
        return;
    s->joined = true;
    atomic_store(&s->stop, true);
    (void)curl_multi_wakeup(s->multi);
    (void)pthread_join(s->thread, NULL);
    abandon(s);
}

void gh_sender_free(struct gh_sender *s)
{
    gh_sender_stop(s);
    if (s->multi != NULL)
        (void)curl_multi_cleanup(s->multi);
    (void)pthread_mutex_destroy(&s->lock);
    free(s->queue);
    free(s);
}

/* ---- the queue ---- */

static void enqueue(void *arg, int64_t id)
{
    struct sim_github *g = arg;
    struct gh_sender *s = g->sender;

    (void)pthread_mutex_lock(&s->lock);
    if (s->n == s->cap) {
        s->cap = s->cap != 0 ? 2 * s->cap : 256;
        s->queue = mem_realloc_array(s->queue, s->cap, sizeof(*s->queue));
    }
    s->queue[s->n++] = id;
    (void)pthread_mutex_unlock(&s->lock);
    if (s->multi != NULL)
        (void)curl_multi_wakeup(s->multi);
}

struct gh_delivery *gh_delivery_new(struct sim_github *g, const char *event)
{
    struct gh_delivery *d = mem_zalloc(sizeof(*d));

    d->id = GH_FIRST_DELIVERY + (int64_t)g->n_deliveries;
    d->event = event;
    d->first = d;
    d->delivered_ms = gh_now_ms(g);
    sim_rng_guid(&g->rng, d->guid);
    g->deliveries = mem_realloc_array(g->deliveries, g->n_deliveries + 1, sizeof(struct gh_delivery *));
    g->deliveries[g->n_deliveries++] = d;
    return d;
}

static void schedule(struct sim_github *g, struct gh_delivery *d)
{
    int64_t ms = g->hook.delay_ms;

    d->first->open++;
    if (g->hook.reorder_ms > 0)
        ms += (int64_t)(sim_rng_unit(&g->rng) * g->hook.reorder_ms);
    g->pending++;
    if (ms > 0)
        sim_timer_after(g->timer, ms, enqueue, g, d->id);
    else
        enqueue(g, d->id);
}

struct gh_delivery *gh_redeliver(struct sim_github *g, const struct gh_delivery *d)
{
    struct gh_delivery *n = gh_delivery_new(g, d->event);

    memcpy(n->guid, d->guid, sizeof(n->guid));
    n->what = d->what;
    n->what.runner_name = mem_strdup(d->what.runner_name);
    n->what.raw = mem_strdup(d->what.raw);
    n->redelivery = true;
    n->first = d->first;
    schedule(g, n);
    return n;
}

void gh_send_job_event(struct sim_github *g, struct gh_job *j, const char *action, bool lost)
{
    struct gh_delivery *d;

    if (g->hook_url == NULL)
        return;
    d = gh_delivery_new(g, "workflow_job");
    d->what = (struct gh_event){.job = j, .action = action, .status = gh_job_status(j), .conclusion = j->conclusion};
    d->what.started_ms = j->started_ms;
    d->what.completed_ms = j->completed_ms;
    d->what.runner_id = j->runner_id;
    d->what.runner_name = mem_strdup(j->runner_name);
    if (lost || sim_rng_unit(&g->rng) < g->hook.drop) {
        d->done = true;
        return;
    }
    schedule(g, d);
    if (sim_rng_unit(&g->rng) < g->hook.duplicate)
        (void)gh_redeliver(g, d);
}

void gh_delivery_free(struct gh_delivery *d)
{
    free(d->what.raw);
    free(d->what.runner_name);
    free(d);
}

/* ---- public ---- */

void sim_github_webhook(struct sim_github *g, const char *url)
{
    gh_lock(g);
    free(g->hook_url);
    g->hook_url = mem_strdup(url);
    gh_unlock(g);
}

void sim_github_hook_options(struct sim_github *g, const struct sim_hook_options *o)
{
    gh_lock(g);
    g->hook = *o;
    gh_unlock(g);
}

bool sim_github_next_webhook(struct sim_github *g, struct sim_webhook *out)
{
    const struct gh_delivery *d;

    if (!take(g->sender, &out->id))
        return false;
    gh_lock(g);
    d = g->deliveries[out->id - GH_FIRST_DELIVERY];
    memcpy(out->guid, d->guid, sizeof(out->guid));
    out->event = d->event;
    out->body = gh_event_body(&d->what);
    gh_unlock(g);
    return true;
}

void sim_github_webhook_done(struct sim_github *g, int64_t id, int status)
{
    settle(g, id, status, 0);
}

void sim_github_redeliver_failed(struct sim_github *g)
{
    size_t n;

    gh_lock(g);
    n = g->n_deliveries;
    for (size_t i = 0; i < n; i++)
        if (!g->deliveries[i]->first->succeeded && g->deliveries[i]->first->open == 0)
            (void)gh_redeliver(g, g->deliveries[i]);
    gh_unlock(g);
}

void sim_github_send(struct sim_github *g, const char *event, const char *json)
{
    static const char *const known[] = {"ping",      "installation", "installation_repositories",
                                        "check_run", "push",         "workflow_job"};

    gh_lock(g);
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(known[i], event) == 0) {
            struct gh_delivery *d = gh_delivery_new(g, known[i]);

            d->what.raw = mem_strdup(json);
            schedule(g, d);
        }
    }
    gh_unlock(g);
}

static json_t *push_json(struct gh_repo *r, const char *branch, const char *file)
{
    const char *path = file != NULL ? file : "README.md";
    char ref[256];

    (void)snprintf(ref, sizeof(ref), "refs/heads/%s", branch);
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:[{s:s, s:[], s:[], s:[s]}], s:O, s:{s:I}, s:o}", "ref", ref,
                     "before", "6113728f27ae82c7b1a177c8d03f9e96e0adf246", "after",
                     "7638417db6d59f3c431d3e1f261cc637155684cd", "created", 0, "deleted", 0, "forced", 0, "commits",
                     "id", "7638417db6d59f3c431d3e1f261cc637155684cd", "added", "removed", "modified", path,
                     "repository", gh_repo_json(r), "installation", "id", (json_int_t)r->installation->id, "sender",
                     gh_user_json("octocat", false));
}

void sim_github_push(struct sim_github *g, const char *repo, const char *branch, const char *file)
{
    struct gh_repo *r;
    json_t *body;
    char *text = NULL;

    gh_lock(g);
    r = gh_repo_full(g, repo);
    body = r != NULL ? push_json(r, branch, file) : NULL;
    if (body != NULL)
        text = json_dumps(body, JSON_COMPACT);
    gh_unlock(g);
    if (text == NULL)
        abort(); /* a mistake in the test */
    sim_github_send(g, "push", text);
    json_decref(body);
    free(text);
}
