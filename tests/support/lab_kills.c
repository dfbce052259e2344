#include "tests/support/lab_kills.h"

#include <signal.h>
#include <stdio.h>

#define FAST 10 /* seconds of the daemon in a real one */

static void add(struct lab_count *to, const struct lab_count *c)
{
    to->kills += c->kills;
    to->jobs += c->jobs;
    to->served += c->served;
    to->refused += c->refused;
    to->cancelled += c->cancelled;
    to->launches += c->launches;
    to->deliveries += c->deliveries;
    to->acknowledged += c->acknowledged;
    to->lost += c->lost;
    to->doubled += c->doubled;
    to->left += c->left;
    to->wrong += c->wrong;
}

/* One kill: in one of four while it starts, else at work, before or after its first words. */
static bool kill_once(struct lab *l, size_t n)
{
    int ms = (int)lab_draw(l, lab_draw(l, 4) == 0 ? 400 : 120);

    (void)snprintf(l->point, sizeof(l->point), "kill %zu", n);
    if (lab_draw(l, 4) == 0) {
        l->w->daemon = daemon_spawn((const char *const *)l->w->env.v, NULL);
        lab_pause((int)lab_draw(l, 40));
    } else {
        if (!lab_up(l))
            return false;
        lab_traffic(l, 3 + lab_draw(l, 6));
        lab_pause(ms);
    }
    lab_kill(l);
    return true;
}

static size_t one_world(const struct kills_conf *c, uint64_t seed, size_t kills, struct lab_count *total)
{
    struct lab *l = lab_new(&(struct lab_conf){
        .seed = seed, .rate = FAST, .plain = c->plain, .rough = seed % 2 == 0, .warm = seed % 3 == 0});
    char title[64];
    bool ok = true;
    size_t findings;

    for (size_t i = 0; i < kills && ok; i++)
        ok = kill_once(l, i + 1);
    (void)snprintf(l->point, sizeof(l->point), "after %zu kills", l->count.kills);
    ok = ok && lab_calm(l) && lab_judge(l) == 0 && lab_cool(l);
    findings = l->w->daemon != NULL ? lab_judge(l) : 1;
    if (l->w->daemon != NULL && lab_down(l, SIGTERM) != 0)
        lab_finding(l, &l->count.wrong, "it does not end by SIGTERM in calm");
    (void)snprintf(title, sizeof(title), "seed %llu%s%s", (unsigned long long)seed, l->conf.rough ? ", rough" : "",
                   seed % 3 == 0 ? ", warm" : "");
    lab_print(l, title);
    add(total, &l->count);
    lab_free(l);
    return ok ? findings : findings + 1;
}

size_t lab_kills(const struct kills_conf *c, struct lab_count *total)
{
    size_t findings = 0, done = 0;

    for (uint64_t seed = c->seed; done < c->kills; seed++) {
        size_t n = c->kills - done < c->per_world ? c->kills - done : c->per_world;

        findings += one_world(c, seed, n, total);
        done += n;
    }
    return findings;
}
