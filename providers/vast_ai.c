/*
 * Vast.ai, a market of other people's GPU machines: https://docs.vast.ai/api-reference
 *
 * Two steps: search offers, rent one. An offer that somebody else took in between (404 or 410, no_such_ask) is passed
 * over for the next one of the same search. Nothing is idempotent: a launch that may have gone out before looks for
 * its label first, which holds all of our tags. Each endpoint wants some seconds between two calls and refuses with a
 * plain 429 that names no time: calls queue for their turns (common/pace.h).
 *
 * A container runs our user-data as its main process, in place of the image's command and behind its entry point
 * (runtype "args"); a VM (vm: true) runs it once it is up ("onstart"). What stopped, was outbid or lost its host never
 * comes back by itself, and its disk costs until it is destroyed.
 */
#include "providers/common/bearer.h"
#include "providers/common/label.h"
#include "providers/common/pace.h"
#include "providers/common/vast_instance.h"
#include "providers/common/vast_spec.h"
#include "providers/provider.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define API_URL "https://console.vast.ai"
#define USER_DATA_MAX ((size_t)16 * 1024)
#define LABEL_MAX ((size_t)1024)
#define MAX_SEARCHES 3 /* of one launch */
#define MAX_TRIES 8    /* offers of one launch */

/* The parts of the API that are limited each by itself, with the seconds that their refusals name. */
enum { TURN_SEARCH, TURN_RENT, TURN_LIST, TURN_SHOW, TURN_DESTROY, TURNS };
static const int64_t turn_ms[TURNS] = {1000, 4500, 1000, 2000, 3000};

static const struct conf_key account_keys[] = {
    {.name = "api_key",
     .type = CONF_SECRET,
     .env = "VAST_API_KEY",
     .help = "API key; none = the one that the vastai command saved in the home directory"},
    {.name = "endpoint_url",
     .type = CONF_URL,
     .env = "VAST_URL",
     .def = API_URL,
     .help = "API instead of Vast.ai's own"},
    {.name = NULL}};

#define ADD_CREDIT "add credit to the account"
static const struct rest_rule rules[] = {
    {0, "no_such_ask", NULL, ERR_CAPACITY, 120, "the offer was taken"},
    {0, NULL, "no_such_ask", ERR_CAPACITY, 120, "the offer was taken"},
    {410, NULL, NULL, ERR_CAPACITY, 120, NULL},
    {0, "invalid_price", NULL, ERR_CAPACITY, 60, "the bid is too low by now"},
    {0, "insufficient_credit", NULL, ERR_QUOTA, 0, ADD_CREDIT},
    {0, NULL, "insufficient|credit|balance", ERR_QUOTA, 0, ADD_CREDIT},
    {0, "auth_error", NULL, ERR_AUTH, 0, NULL},
    {0, "no_such_instance", NULL, ERR_GONE, 0, NULL},
    {0, "no_ssh_key_for_vm", NULL, ERR_INVALID, 0, "VMs need an SSH key in the account"},
    {429, NULL, NULL, ERR_THROTTLED, 5, NULL},
    {0, NULL, NULL, ERR_NONE, 0, NULL},
};

/* Some refusals lack "error", some say "message" or "detail" instead of "msg". */
static void read_fault(const json_t *doc, struct rest_said *out)
{
    static const char *const names[] = {"msg", "message", "detail"};

    out->code = json_string_value(json_object_get(doc, "error"));
    for (size_t i = 0; i < ARRAY_LEN(names) && out->message == NULL; i++)
        out->message = json_string_value(json_object_get(doc, names[i]));
}

static const struct rest_dialect dialect = {.cloud = "vast_ai", .rules = rules, .read = read_fault};

struct provider {
    const struct provider_env *env;
    const char *url; /* borrowed from the conf */
    struct secret *key;
    struct rest_client api;
    struct pace turns[TURNS];
};

/* ---- the account ---- */

static bool vast_configured(const struct provider_env *env)
{
    const char *key = env->getenv_fn(env->getenv_arg, "VAST_API_KEY");

    return key != NULL && *key != '\0';
}

static void vast_close(struct provider *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < TURNS; i++)
        pace_clear(&p->turns[i]);
    secret_free(p->key);
    free(p);
}

static int vast_open(const struct conf *acct, const struct provider_env *env, struct provider **out, struct err *e)
{
    AUTO_SECRET struct secret *key = secret_dup(conf_secret(acct, "api_key"));
    struct provider *p;

    if (key == NULL && vast_saved_key(env->getenv_fn, env->getenv_arg, &key, e))
        return err_wrap(e, "clouds.vast_ai.api_key");
    if (key == NULL && env->http != NULL)
        return err_set(
            e, ERR_INVALID,
            "clouds.vast_ai.api_key is missing: set it there or in $VAST_API_KEY, or run vastai set api-key");
    if (strchr(conf_str(acct, "endpoint_url"), '\'') != NULL)
        return err_set(e, ERR_INVALID, "clouds.vast_ai.endpoint_url: a quote cannot stand in it");
    p = mem_zalloc(sizeof(*p));
    p->env = env;
    p->url = conf_str(acct, "endpoint_url");
    p->key = secret_dup(key);
    p->api = (struct rest_client){.http = env->http,
                                  .dialect = &dialect,
                                  .base = p->url,
                                  .auth = bearer_fixed,
                                  .auth_arg = p->key,
                                  .secrets = {p->key},
                                  .timeout_ms = env->timeout_ms};
    for (size_t i = 0; i < TURNS; i++)
        pace_init(&p->turns[i], turn_ms[i]);
    *out = p;
    return 0;
}

/* One call when it is its turn. A "success": false that comes as a success is a refusal all the same. */
static int ask(struct provider *p, int turn, const struct rest_call *call, struct rest_res *res, struct err *e)
{
    struct rest_said said = {NULL, NULL};
    bool success = true;

    if (pace_turn(&p->turns[turn], p->env->pause, p->env->pause_arg, e))
        return err_wrap(e, "vast_ai %s", call->what);
    if (rest_do(&p->api, call, res, e))
        return -1;
    if (js_opt_bool(res->doc, "success", &success, e))
        return rest_nonsense(&p->api, call, e);
    if (success)
        return 0;
    read_fault(res->doc, &said);
    (void)snprintf(res->code, sizeof(res->code), "%s", said.code != NULL ? said.code : "");
    return rest_refuse(&p->api, call, 0, said.code, said.message, e);
}

/* ---- what a machine shall be ---- */

static int vast_check(struct provider *p, const struct machine_spec *s, struct err *e)
{
    struct vast_spec ignored;

    (void)p;
    return vast_read_spec(s, &ignored, e);
}

static int vast_facts(struct provider *p, const struct machine_spec *s, struct machine_facts *out, struct err *e)
{
    (void)p;
    return vast_facts_make(s, out, e);
}

static int make_label(const struct launch_request *r, struct buf *out, struct err *e)
{
    const char *ignored;

    for (size_t i = 0; i < r->n_tags; i++)
        label_pack(out, r->tags[i].key, r->tags[i].value);
    if (buf_str(out, &ignored, e))
        return err_set(e, ERR_INVALID, "tag values: Vast.ai takes %zu characters of all tags together", LABEL_MAX);
    return 0;
}

/* What a machine is made of beside its offer. price: JSON of the bid; NULL = not a bid. */
static int make_body(const struct provider *p, const struct launch_request *r, const struct vast_spec *s,
                     const json_t *price, json_t **out, struct err *e)
{
    AUTO_JSON json_t *start = NULL;
    AUTO_BUF struct buf label = BUF_INIT(LABEL_MAX);

    if (secret_len(r->user_data) > USER_DATA_MAX)
        return err_set(e, ERR_INVALID, "user-data of %zu bytes: Vast.ai takes at most %zu", secret_len(r->user_data),
                       USER_DATA_MAX);
    if (make_label(r, &label, e) || vast_start(s, p->url, r->user_data, &start, e) ||
        js_pack(e, out, "{s:s, s:i, s:s, s:s, s:b, s:O*}", "image", s->image, "disk", s->disk_gb, "label", label.p,
                "target_state", "running", "cancel_unavail", 1, "price", price))
        return -1;
    (void)json_object_update(*out, start);
    return 0;
}

/* ---- looking for machines ---- */

struct looking {
    struct provider *p;
    const char *name; /* NULL = any */
    int (*visit)(void *arg, const struct instance *i, struct err *e);
    void *arg;
};

/* Labels can only be asked for whole, and ours begin with what differs: all instances are looked through. */
static int visit_page(const struct looking *l, const struct rest_call *call, const json_t *doc, char next[512],
                      struct err *e)
{
    json_t *list, *one;
    const char *token = "";
    struct instance found;
    size_t i;

    if (js_arr(doc, "instances", &list, e) || js_opt_str(doc, "next_token", &token, e))
        return rest_nonsense(&l->p->api, call, e);
    json_array_foreach(list, i, one)
    {
        if (!vast_is_ours(one, l->p->env->deployment, l->name))
            continue;
        if (vast_instance_read(one, l->p->key, &found, e))
            return rest_nonsense(&l->p->api, call, e);
        if (l->visit(l->arg, &found, e))
            return -1;
    }
    if (*token != '\0' && (strcmp(token, next) == 0 || strlen(token) >= 512))
        return err_set(e, ERR_RETRY, "vast_ai %s: the answer makes no sense: pages without end", call->what);
    (void)snprintf(next, 512, "%s", token);
    return 0;
}

/* Only what is read here: whole rows would hold the user-data and keys of every machine. */
static int list_path(const char *next, struct buf *out, const char **path, struct err *e)
{
    static const char order[] = "[{\"col\":\"id\",\"dir\":\"asc\"}]";
    static const char cols[] = "[\"id\",\"label\",\"actual_status\",\"intended_status\",\"status_msg\",\"start_date\","
                               "\"geolocation\",\"country_code\",\"is_bid\"]";

    buf_adds(out, "/api/v1/instances/?limit=25&order_by=");
    text_url_escape(out, order, strlen(order));
    buf_adds(out, "&select_cols=");
    text_url_escape(out, cols, strlen(cols));
    if (*next != '\0') {
        buf_adds(out, "&after_token=");
        text_url_escape(out, next, strlen(next));
    }
    return buf_str(out, path, e);
}

static int look(const struct looking *l, struct err *e)
{
    char next[512] = "";
    size_t page = 0;

    do {
        AUTO_REST_RES struct rest_res res = REST_RES_INIT;
        AUTO_BUF struct buf path = BUF_INIT(4096);
        struct rest_call call = {.method = "GET", .what = "instances.list"};

        if (++page > REST_MAX_PAGES)
            return err_set(e, ERR_RETRY, "vast_ai instances.list: pages without end");
        if (list_path(next, &path, &call.path, e) || ask(l->p, TURN_LIST, &call, &res, e) ||
            visit_page(l, &call, res.doc, next, e))
            return rest_page_failed(page, e);
    } while (*next != '\0');
    return 0;
}

static int vast_list(struct provider *p, const char *region,
                     int (*each)(void *arg, const struct instance *i, struct err *e), void *arg, struct err *e)
{
    const struct looking l = {.p = p, .visit = each, .arg = arg};

    (void)region; /* the list knows none */
    return look(&l, e);
}

/* found->id stays empty when there is none. */
static int find_by_name(struct provider *p, const char *name, struct instance *found, struct err *e)
{
    const struct looking l = {.p = p, .name = name, .visit = instance_keep_best, .arg = found};

    return look(&l, e);
}

/* An id comes from the store or from a person. */
static int instance_path(const char *id, struct buf *out, const char **path, struct err *e)
{
    if (id[strspn(id, "0123456789")] != '\0' || strlen(id) > 19)
        return err_set(e, ERR_INVALID, "\"%.40s\" is not a number of an instance", id);
    buf_addf(out, "/api/v0/instances/%s/", id);
    return buf_str(out, path, e);
}

struct wanted {
    const char *id;
    struct instance *found;
};

static int keep_wanted(void *arg, const struct instance *i, struct err *e)
{
    const struct wanted *w = arg;

    (void)e;
    if (strcmp(i->id, w->id) == 0)
        *w->found = *i;
    return 0;
}

/* "instances" is one object here, in spite of its name, and null when there is none. */
static int read_one(const struct provider *p, const struct rest_call *call, const char *id, const json_t *doc,
                    struct instance *found, struct err *e)
{
    const json_t *one = json_object_get(doc, "instances");

    if (json_is_array(one) && json_array_size(one) == 1)
        one = json_array_get(one, 0);
    if (json_is_null(one) || (json_is_array(one) && json_array_size(one) == 0))
        return 0;
    if (vast_instance_read(one, p->key, found, e))
        return rest_nonsense(&p->api, call, e);
    if (strcmp(found->id, id) != 0)
        return err_set(e, ERR_RETRY, "vast_ai instances.show: asked for %.20s, the answer speaks of %.20s", id,
                       found->id);
    return 0;
}

/* The description of this call knows no 404, only a 400 for a number that is none: then the list decides. */
static int find_by_id(struct provider *p, const char *id, struct instance *found, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(128);
    struct rest_call call = {.method = "GET", .what = "instances.show"};
    struct wanted wanted = {.id = id, .found = found};
    const struct looking l = {.p = p, .visit = keep_wanted, .arg = &wanted};

    if (instance_path(id, &path, &call.path, e))
        return -1;
    if (ask(p, TURN_SHOW, &call, &res, e) == 0)
        return read_one(p, &call, id, res.doc, found, e);
    if (e->kind == ERR_GONE)
        return 0;
    return e->kind == ERR_INVALID && res.status == 400 ? look(&l, e) : -1;
}

static int vast_describe(struct provider *p, const struct instance *ref, struct instance *out, struct err *e)
{
    struct instance found = {.why = ERR_NONE};

    if (ref->id[0] != '\0' ? find_by_id(p, ref->id, &found, e) : find_by_name(p, ref->name, &found, e))
        return -1;
    if (found.id[0] == '\0')
        found = instance_gone(ref);
    *out = found;
    return 0;
}

/* ---- ending ---- */

static int end_instance(struct provider *p, const char *id, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(128);
    struct rest_call call = {.method = "DELETE", .what = "instances.destroy"};
    bool success;

    if (instance_path(id, &path, &call.path, e))
        return -1;
    if (ask(p, TURN_DESTROY, &call, &res, e))
        return e->kind == ERR_GONE ? 0 : -1;
    return js_bool(res.doc, "success", &success, e) ? rest_nonsense(&p->api, &call, e) : 0;
}

static int end_found(void *arg, const struct instance *i, struct err *e)
{
    return end_instance(arg, i->id, e);
}

static int vast_destroy(struct provider *p, const struct instance *ref, struct err *e)
{
    const struct looking l = {.p = p, .name = ref->name, .visit = end_found, .arg = p};

    return ref->id[0] != '\0' ? end_instance(p, ref->id, e) : look(&l, e);
}

/* ---- launching ---- */

static const struct rest_call searching = {.method = "POST", .path = "/api/v0/bundles/", .what = "bundles.search"};

static struct rest_call renting(const char *path, const struct launch_request *r, const json_t *body)
{
    return (struct rest_call){
        .method = "PUT", .path = path, .what = "asks.rent", .body = body, .hide = r->user_data, .creates = true};
}

/* One launch under way. */
struct hunt {
    struct provider *p;
    const struct launch_request *r;
    struct vast_spec spec;
    size_t tries;
    bool stale; /* the search's prices are no longer true */
    struct instance made;
};

static int read_rented(struct hunt *h, const struct rest_call *call, const json_t *doc, const json_t *offer,
                       struct err *e)
{
    const char *place = json_string_value(json_object_get(offer, "geolocation"));
    struct instance *m = &h->made;
    bool success;
    int64_t id;

    if (js_bool(doc, "success", &success, e) || js_i64(doc, "new_contract", &id, e))
        return rest_nonsense(&h->p->api, call, e);
    if (id <= 0)
        return err_set(e, ERR_RETRY, "vast_ai asks.rent: the answer makes no sense: no number of an instance");
    (void)snprintf(m->id, sizeof(m->id), "%lld", (long long)id);
    (void)snprintf(m->name, sizeof(m->name), "%s", h->r->name);
    vast_country(place != NULL ? place : h->spec.country, m->region);
    m->state = INSTANCE_PENDING;
    return 0;
}

static int read_offer(const struct hunt *h, const json_t *offer, int64_t *id, json_t **price, struct err *e)
{
    if (js_i64(offer, "id", id, e) || (h->spec.spot && vast_bid(offer, price, e)))
        return rest_nonsense(&h->p->api, &searching, e);
    if (*id <= 0)
        return err_set(e, ERR_RETRY, "vast_ai bundles.search: the answer makes no sense: no number of an offer");
    return 0;
}

static int rent(struct hunt *h, const json_t *offer, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_JSON json_t *body = NULL, *price = NULL;
    AUTO_BUF struct buf path = BUF_INIT(64);
    struct rest_call call;
    int64_t id;
    int rc;

    h->stale = false;
    if (read_offer(h, offer, &id, &price, e) || make_body(h->p, h->r, &h->spec, price, &body, e))
        return -1;
    buf_addf(&path, "/api/v0/asks/%lld/", (long long)id);
    call = renting(path.p, h->r, body);
    rc = ask(h->p, TURN_RENT, &call, &res, e);
    h->stale = rc != 0 && text_ieq(res.code, "invalid_price");
    return rc != 0 ? -1 : read_rented(h, &call, res.doc, offer, e);
}

/* Offers from the cheapest on until one is ours. *again: a new search may find more. */
static int try_offers(struct hunt *h, const json_t *offers, bool *again, struct err *e)
{
    const json_t *offer;
    size_t i;

    *again = false;
    json_array_foreach(offers, i, offer)
    {
        if (vast_offer_is_above(offer, h->spec.spot, h->r->max_hourly_usd, e) || h->tries++ == MAX_TRIES)
            return -1; /* they come by price */
        if (rent(h, offer, e) == 0)
            return 0;
        if (e->kind != ERR_CAPACITY)
            return -1;
        *again = true;
        if (h->stale)
            return -1;
        if (h->r->say != NULL)
            h->r->say(h->r->say_arg, "an offer of Vast.ai was taken in between; trying the next");
    }
    return -1;
}

static int search(struct hunt *h, struct rest_res *res, json_t **offers, struct err *e)
{
    AUTO_JSON json_t *body = NULL;
    struct rest_call call = searching;

    if (vast_search(&h->spec, h->r->lifetime_s, &body, e))
        return -1;
    call.body = body;
    if (ask(h->p, TURN_SEARCH, &call, res, e))
        return -1;
    return js_arr(res->doc, "offers", offers, e) ? rest_nonsense(&h->p->api, &call, e) : 0;
}

static int no_offer(const struct hunt *h, struct err *e)
{
    const struct vast_spec *s = &h->spec;
    int rc =
        err_set(e, ERR_CAPACITY, "vast_ai bundles.search: nobody offers %d x %s%s%s%s with %d GB of disk now", s->gpus,
                s->names[0], s->country[0] != '\0' ? " in " : "", s->country, s->spot ? " to bidders" : "", s->disk_gb);
    e->retry_after_s = 300;
    return rc;
}

static int hunt(struct hunt *h, struct err *e)
{
    bool again = true;

    for (int i = 0; i < MAX_SEARCHES && again && h->tries < MAX_TRIES; i++) {
        AUTO_REST_RES struct rest_res res = REST_RES_INIT;
        json_t *offers;

        if (search(h, &res, &offers, e))
            return -1;
        if (json_array_size(offers) == 0)
            return no_offer(h, e);
        if (try_offers(h, offers, &again, e) == 0)
            return 0;
    }
    return -1;
}

static int vast_launch(struct provider *p, const struct launch_request *r, struct instance *out, struct err *e)
{
    struct hunt h = {.p = p, .r = r, .made = {.why = ERR_NONE}};
    AUTO_JSON json_t *sound = NULL;

    /* a request that cannot be made is refused before anything is asked */
    if (vast_read_spec(r->spec, &h.spec, e) || make_body(p, r, &h.spec, NULL, &sound, e))
        return -1;
    if (!r->first_try && find_by_name(p, r->name, &h.made, e))
        return -1;
    if (h.made.id[0] == '\0' && hunt(&h, e))
        return -1;
    *out = h.made;
    return 0;
}

static int vast_render(struct provider *p, const struct launch_request *r, json_t *list, struct err *e)
{
    AUTO_JSON json_t *query = NULL, *body = NULL, *both = json_array();
    AUTO_JSON json_t *bid = json_string("<min_bid of the offer and a tenth>");
    struct launch_request shown = *r;
    struct rest_call search_call = searching, rent_call;
    struct vast_spec s;

    shown.user_data = NULL;
    if (vast_read_spec(r->spec, &s, e) || vast_search(&s, r->lifetime_s, &query, e) ||
        make_body(p, &shown, &s, s.spot ? bid : NULL, &body, e))
        return -1;
    search_call.body = query;
    rent_call = renting("/api/v0/asks/<id of the cheapest offer>/", &shown, body);
    if (rest_show(&p->api, &search_call, "Authorization", both, e) ||
        rest_show(&p->api, &rent_call, "Authorization", both, e))
        return -1;
    return json_array_extend(list, both) == 0 ? 0 : err_set(e, ERR_BUG, "the requests could not be shown");
}

/* Of the cheapest offer, which a launch would try first. */
static int vast_price(struct provider *p, const struct machine_spec *s, double *usd, struct err *e)
{
    const struct launch_request r = {.spec = s};
    struct hunt h = {.p = p, .r = &r};
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    json_t *offers;

    if (vast_read_spec(s, &h.spec, e) || search(&h, &res, &offers, e))
        return -1;
    if (json_array_size(offers) == 0)
        return no_offer(&h, e);
    return vast_offer_price(json_array_get(offers, 0), s->spot, usd, e) ? rest_nonsense(&p->api, &searching, e) : 0;
}

const struct provider_ops provider_vast_ai = {
    .name = "vast_ai",
    .account_keys = account_keys,
    .user_data_max = USER_DATA_MAX,
    .configured = vast_configured,
    .open = vast_open,
    .check = vast_check,
    .facts = vast_facts,
    .render = vast_render,
    .launch = vast_launch,
    .describe = vast_describe,
    .destroy = vast_destroy,
    .list = vast_list,
    .price = vast_price,
    .close = vast_close,
};
