#include "providers/common/docker_slots.h"

#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define HOURS(n) ((n)*3600)
#define ALL UINT64_MAX

static int full(struct err *e, int remember_s, const char *text)
{
    int rc = err_set(e, ERR_CAPACITY, "%s", text);

    e->retry_after_s = remember_s;
    return rc;
}

/* ---- sizes ---- */

/* A number up to `unit`; *s is moved behind it. */
static bool take(const char **s, const char *unit, int64_t max, int64_t *out)
{
    const char *end = strstr(*s, unit);
    char digits[8];
    struct err ignored;

    if (end == NULL || (size_t)(end - *s) >= sizeof(digits))
        return false;
    (void)snprintf(digits, sizeof(digits), "%.*s", (int)(end - *s), *s);
    *s = end + strlen(unit);
    return text_i64(digits, 1, max, out, &ignored) == 0;
}

int docker_size_parse(const char *type, struct docker_size *out, struct err *e)
{
    struct docker_size s = {.disk_gb = 0};
    const char *p = type;
    bool sound = take(&p, "vcpu-", 4096, &s.cpus) && take(&p, "gb", 65536, &s.memory_gb);

    if (sound && *p == '-') {
        p++;
        sound = take(&p, "gb", 1048576, &s.disk_gb);
    }
    if (!sound || *p != '\0')
        return err_set(e, ERR_INVALID,
                       "instance_type \"%.40s\" is no size of an on_prem machine: write it like 4vcpu-16gb or "
                       "4vcpu-16gb-100gb (processors, memory, disk)",
                       type);
    *out = s;
    return 0;
}

/* ---- GPUs ---- */

/* "0,3"; false when it is anything else. */
static bool read_indices(const char *s, uint64_t *out)
{
    uint64_t gpus = 0;

    for (;;) {
        size_t n = strcspn(s, ",");
        char digits[4];
        int64_t i;
        struct err ignored;

        if (n >= sizeof(digits))
            return false;
        (void)snprintf(digits, sizeof(digits), "%.*s", (int)n, s);
        if (text_i64(digits, 0, DOCKER_MAX_GPUS - 1, &i, &ignored))
            return false;
        gpus |= (uint64_t)1 << i;
        if (s[n] == '\0')
            break;
        s += n + 1;
    }
    *out = gpus;
    return true;
}

uint64_t docker_gpus_read(const char *label)
{
    uint64_t gpus = 0;

    if (label == NULL || *label == '\0')
        return 0;
    return read_indices(label, &gpus) ? gpus : ALL;
}

void docker_gpus_write(uint64_t gpus, char out[DOCKER_GPUS_TEXT])
{
    size_t n = 0;

    out[0] = '\0';
    if (gpus == ALL) {
        (void)snprintf(out, DOCKER_GPUS_TEXT, "all");
        return;
    }
    for (int i = 0; i < DOCKER_MAX_GPUS; i++) {
        if ((gpus >> i & 1) != 0)
            n += (size_t)snprintf(out + n, DOCKER_GPUS_TEXT - n, "%s%d", n > 0 ? "," : "", i);
    }
}

static int bad_ask(const char *said, struct err *e)
{
    return err_set(e, ERR_INVALID,
                   "extra_config.gpu \"%.40s\": write it as docker run --gpus takes it: all, a number, or device=0,1 "
                   "(indices from 0 to %d)",
                   said, DOCKER_MAX_GPUS - 1);
}

static int read_ask(const char *text, struct docker_gpu_ask *out, struct err *e)
{
    char s[128];
    int64_t count;
    size_t n = strlen(text);
    bool quoted = n >= 2 && n - 2 < sizeof(s) && text[0] == '"' && text[n - 1] == '"'; /* as shells are told */
    struct err ignored;

    (void)snprintf(s, sizeof(s), "%.*s", quoted ? (int)n - 2 : (int)sizeof(s), quoted ? text + 1 : text);
    if (text_ieq(s, "all") || strcmp(s, "-1") == 0) {
        *out = (struct docker_gpu_ask){.want = DOCKER_GPU_ALL};
    } else if (text_has_prefix(s, "device=")) {
        out->want = DOCKER_GPU_THESE;
        if (!read_indices(s + strlen("device="), &out->these))
            return bad_ask(text, e);
    } else if (text_i64(s, 0, DOCKER_MAX_GPUS, &count, &ignored) == 0) {
        *out = (struct docker_gpu_ask){.want = count > 0 ? DOCKER_GPU_COUNT : DOCKER_GPU_NONE, .count = (int)count};
    } else {
        return bad_ask(text, e);
    }
    return 0;
}

static int read_extra(const json_t *gpu, struct docker_gpu_ask *out, struct err *e)
{
    char number[32];

    if (json_is_string(gpu))
        return read_ask(json_string_value(gpu), out, e);
    if (!json_is_integer(gpu))
        return bad_ask(json_is_true(gpu) ? "true" : "a value of another type", e);
    (void)snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(gpu));
    return read_ask(number, out, e);
}

static bool is_less(const struct docker_gpu_ask *ask, int least)
{
    int n = 0;

    for (uint64_t left = ask->these; left != 0; left &= left - 1)
        n++;
    return ask->want != DOCKER_GPU_ALL && (ask->want == DOCKER_GPU_THESE ? n : ask->count) < least;
}

int docker_gpu_ask_parse(const json_t *gpu, const char *model, int least, struct docker_gpu_ask *out, struct err *e)
{
    struct docker_gpu_ask ask = {.want = DOCKER_GPU_NONE};

    if (least == 0 && model != NULL && *model != '\0')
        least = 1;
    if (gpu != NULL && !json_is_null(gpu)) {
        if (read_extra(gpu, &ask, e))
            return -1;
        if (is_less(&ask, least))
            return err_set(e, ERR_INVALID, "extra_config.gpu gives fewer GPUs than the %d asked for", least);
    } else if (least > 0) {
        ask = (struct docker_gpu_ask){.want = DOCKER_GPU_COUNT, .count = least};
    }
    *out = ask;
    return 0;
}

/* ---- what is left ---- */

void docker_load_add(struct docker_load *l, const char *type, const char *gpus)
{
    struct docker_size s;
    struct err ignored;

    l->machines++;
    l->gpus |= docker_gpus_read(gpus);
    if (type != NULL && docker_size_parse(type, &s, &ignored) == 0) {
        l->cpus += s.cpus;
        l->memory_gb += s.memory_gb;
    }
}

int64_t docker_memory_gb(int64_t bytes)
{
    return (bytes + bytes / 12) / DOCKER_GIB;
}

int docker_fits(const struct docker_host *h, const struct docker_load *l, const struct docker_size *s, struct err *e)
{
    char text[240];

    if (s->cpus > h->cpus || s->memory_gb > h->memory_gb) {
        (void)snprintf(text, sizeof(text), "the host is too small: it has %lld processors and %lld GB of memory",
                       (long long)h->cpus, (long long)h->memory_gb);
        return full(e, HOURS(6), text);
    }
    if (h->max_machines > 0 && l->machines >= (size_t)h->max_machines) {
        (void)snprintf(text, sizeof(text), "the host is full: %zu machines run, clouds.on_prem.max_machines is %lld",
                       l->machines, (long long)h->max_machines);
        return full(e, 0, text);
    }
    if (l->cpus + s->cpus > h->cpus || l->memory_gb + s->memory_gb > h->memory_gb) {
        (void)snprintf(text, sizeof(text),
                       "the host is full: %zu machines hold %lld of its %lld processors and %lld of its %lld GB",
                       l->machines, (long long)l->cpus, (long long)h->cpus, (long long)l->memory_gb,
                       (long long)h->memory_gb);
        return full(e, 0, text);
    }
    return 0;
}

static uint64_t first_n(int n)
{
    return n >= DOCKER_MAX_GPUS ? ALL : ((uint64_t)1 << n) - 1;
}

static int taken(const struct docker_host *h, uint64_t in_use, const char *asked, struct err *e)
{
    char held[DOCKER_GPUS_TEXT], text[700];

    docker_gpus_write(in_use, held);
    (void)snprintf(text, sizeof(text), "no GPU is free for this: %s asked for, %s in use", asked,
                   *held != '\0' ? held : "none");
    if (h->gpus >= 0)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), " of %d", h->gpus);
    return full(e, 0, text);
}

/* Can it never be given here? */
static bool beyond(const struct docker_host *h, const struct docker_gpu_ask *ask)
{
    if (h->gpus < 0)
        return false;
    return h->gpus == 0 || ask->count > h->gpus || (ask->want == DOCKER_GPU_THESE && (ask->these & ~first_n(h->gpus)));
}

static uint64_t first_free(int n, uint64_t in_use, int count)
{
    uint64_t chosen = 0;

    for (int i = 0; i < n && count > 0; i++) {
        if ((in_use >> i & 1) != 0)
            continue;
        chosen |= (uint64_t)1 << i;
        count--;
    }
    return count > 0 ? 0 : chosen;
}

int docker_gpus_choose(const struct docker_host *h, uint64_t in_use, const struct docker_gpu_ask *ask, uint64_t *out,
                       struct err *e)
{
    uint64_t chosen = 0;
    char text[DOCKER_GPUS_TEXT] = "all";

    if (ask->want == DOCKER_GPU_COUNT && h->gpus < 0)
        return full(e, HOURS(1), "how many GPUs the host has cannot be told from this engine: set clouds.on_prem.gpus");
    if (ask->want != DOCKER_GPU_NONE && beyond(h, ask)) {
        (void)snprintf(text, sizeof(text), "the host has %d GPUs, which is less than asked for", h->gpus);
        return full(e, HOURS(6), text);
    }
    switch (ask->want) {
    case DOCKER_GPU_NONE:
        *out = 0;
        return 0;
    case DOCKER_GPU_ALL:
        chosen = h->gpus >= 0 ? first_n(h->gpus) : ALL; /* never one that the owner kept for himself */
        chosen = (in_use & chosen) == 0 ? chosen : 0;
        break;
    case DOCKER_GPU_THESE:
        docker_gpus_write(ask->these, text);
        chosen = (in_use & ask->these) == 0 ? ask->these : 0;
        break;
    case DOCKER_GPU_COUNT:
        (void)snprintf(text, sizeof(text), "%d", ask->count);
        chosen = first_free(h->gpus, in_use, ask->count);
        break;
    }
    if (chosen == 0)
        return taken(h, in_use, text, e);
    *out = chosen;
    return 0;
}
